"""Small worlds, lived for a few weeks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from coupon_pipeline.simulation.chain import Week, burnt_in, live_week
from coupon_pipeline.simulation.issuing import random_issues
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.spec import ChainSpec
from coupon_pipeline.simulation.state import State


def spec(**changes: Any) -> ChainSpec:
    """A chain of 200 households in 3 stores: six weeks, coupons from the third on."""
    small: dict[str, Any] = {
        "households": 200,
        "stores": 3,
        "products": 800,
        "categories": 24,
        "wave_coupons": 40,
        "warmup_weeks": 6,
        "issue_weeks": 4,
        "burn_in_weeks": 4,
    }
    return ChainSpec(**{**small, **changes})


def weeks(world: World, state: State | None = None, until: int | None = None) -> Iterator[Week]:
    """The warm-up of a world, week by week."""
    state = burnt_in(world) if state is None else state
    while state.week < (world.spec.warmup_weeks if until is None else until):
        week = live_week(world, state, random_issues(world, state.week))
        yield week
        state = week.after


def state_at(world: World, week: int) -> State:
    """The state at the start of a week, with its newcomers; no coupon was ever issued."""
    state = burnt_in(world)
    while state.week < week:
        _, state = world.live(world.grown(state), state.issues[:0])
    return world.grown(state)


def same(one: State, other: State) -> bool:
    """Whether two states are equal to the bit."""
    names = ("active", "stock", "favourite", "fatigue", "issues", "returns")
    parts = [(getattr(one, name), getattr(other, name)) for name in names]
    parts += [(getattr(one.shelves, n), getattr(other.shelves, n)) for n in ("on_hand", "on_order", "rate", "orders")]
    parts += [(getattr(one.prices, n), getattr(other.prices, n)) for n in ("regular", "cost", "promoted")]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in parts)
