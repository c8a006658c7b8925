"""The truth in closed form beside twin worlds, what twins say where no closed form holds, and the oracle's bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

import numpy as np

from tests.simulation.agreement import agreement
from tests.simulation.worlds import state_at

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.spec import ChainSpec, Form
from coupon_pipeline.simulation.state import State
from coupon_pipeline.simulation.truth.effects import Effects, effects
from coupon_pipeline.simulation.truth.oracle import oracle
from coupon_pipeline.simulation.truth.twins import twins

WEEK = 12
SPEC = ChainSpec()
SMALL = replace(SPEC, households=1_000, stores=4, products=3_000, categories=60)
FORMS: Final[tuple[Form, ...]] = ("stockpile", "fatigue")
EACH, BUDGET_CENTS = 3, 10_000.0
"""Coupons that a household may get, and a budget of expected discounts, for the oracle."""


def rows(short: bool) -> Iterator[Outcome]:
    """The form with a closed form, the others, the oracle."""
    spec, replicates = (SMALL, 40) if short else (SPEC, 200)
    world = World(spec)
    state = state_at(world, WEEK)
    found = effects(world, state, world.wave(WEEK))
    return chain(
        _agreeing(world, state, found, replicates),
        _without_closed_form(spec, found, replicates // 5),
        _oracle(world, found),
    )


def _agreeing(world: World, state: State, found: Effects, replicates: int) -> Iterator[Outcome]:
    held = agreement(world, state, found, replicates)
    yield Outcome(f"slope of {replicates} twins on the closed form", held.slope, op=">=", bar=0.8)
    yield Outcome("the same slope, from above", held.slope, op="<=", bar=1.1)
    yield Outcome("standard error of the slope", held.slope_error)
    yield Outcome("quintiles out of order", held.out_of_order, op="<=", bar=0)
    yield Outcome("quintiles beyond 2 se with another sign", held.wrong_signs, op="<=", bar=0)
    for number, (expected, mean, error) in enumerate(held.groups, 1):
        yield Outcome(f"quintile {number}: twins", mean, "cents", baseline=expected)
        yield Outcome(f"quintile {number}: standard error", error, "cents")


def _without_closed_form(spec: ChainSpec, found: Effects, replicates: int) -> Iterator[Outcome]:
    """The assignment that is best by the closed form of `logit`, in worlds of other forms."""
    households, coupons = np.arange(len(found.margin)), found.margin.argmax(axis=1)
    for form in FORMS:
        world = World(replace(spec, form=form))
        measured = twins(world, state_at(world, WEEK), households, coupons, range(1, replicates + 1))
        total, error = measured.of_policy
        expected = float(found.margin[households, coupons].sum())
        yield Outcome(f"form {form}: total of {replicates} twins", total, "cents", baseline=expected)
        yield Outcome(f"form {form}: standard error", error, "cents")


def _oracle(world: World, found: Effects) -> Iterator[Outcome]:
    people = world.people(len(found.margin))
    budget = BUDGET_CENTS * world.spec.households / SPEC.households
    category = world.wave(WEEK).category
    best = oracle(found.margin, found.payout, category, people.contactable(WEEK), EACH, budget)
    yield Outcome("oracle: value", best.value, "cents", baseline=best.bound)
    yield Outcome("oracle: share of its upper bound", best.value / best.bound, op=">=", bar=0.99)
    yield Outcome("oracle: expected payout", best.payout, "cents", op="<=", bar=budget)
