"""Prices of each week: regular prices and unit costs that drift, promotions that are published two weeks ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coupon_pipeline.simulation.catalogue import ZONE_LEVEL, Catalogue
from coupon_pipeline.simulation.keys import normal, stream, uniform
from coupon_pipeline.simulation.spec import ChainSpec

START, STAY = 0.17, 0.64
"""Chances that a product's price promotion begins, and that it goes on for another week."""
AHEAD = 2
"""Weeks that the published plan reaches beyond the present one."""
REPRICED, RECOSTED = 0.006, 0.012
"""Weekly shares of products whose regular price, and whose unit cost, changes."""
DISPLAYED, MAILED = 0.25, 0.35
DISPLAYS = ("front", "end cap", "aisle")
MAILERS = ("front page", "inside page", "back page")


@dataclass(frozen=True)
class PriceState:
    """What the ERP has on record at the start of a week; float64 cents [Z, P] and bool [AHEAD + 1, Z, P]."""

    regular: np.ndarray
    cost: np.ndarray
    promoted: np.ndarray
    """Whether a product is on price promotion in this week, the next one and the one after."""


def start(spec: ChainSpec, catalogue: Catalogue, week: int) -> PriceState:
    """The state in which a world begins, at the start of a week."""
    level = 1 + ZONE_LEVEL * np.arange(spec.zones)
    regular = np.round(catalogue.base_price[None, :] * level[:, None])
    cost = np.maximum(np.round(catalogue.base_price * (1 - catalogue.margin)), 1.0)
    share = START / (START + 1 - STAY)
    promoted = [_uniform(spec, "promotion", week) < share]
    for ahead in range(1, AHEAD + 1):
        promoted.append(_next_promotions(spec, promoted[-1], week + ahead))
    return PriceState(regular, np.tile(cost, (spec.zones, 1)), np.array(promoted))


def advance(spec: ChainSpec, catalogue: Catalogue, state: PriceState, week: int) -> PriceState:
    """The state at the start of week `week`, from that of the week before."""
    plan = np.concatenate([state.promoted[1:], _next_promotions(spec, state.promoted[-1], week + AHEAD)[None]])
    # A product keeps its regular price while a published promotion refers to it.
    moved = (_uniform(spec, "reprice", week) < REPRICED) & ~plan.any(axis=0)
    step = np.exp(0.02 + 0.05 * _normal(spec, "reprice size", week))
    regular = np.where(moved, np.maximum(np.round(state.regular * step), 10.0), state.regular)
    products = np.arange(spec.products)
    changed = uniform(stream(spec.seed, f"recost/{week}"), products) < RECOSTED
    # Pulled back to the margin that the category lives on, so that years do not eat it up.
    normal_cost = regular[0] * (1 - catalogue.margin)
    noise = np.exp(0.03 * normal(stream(spec.seed, f"recost size/{week}"), products))
    moved_cost = np.maximum(np.round((0.7 * state.cost[0] + 0.3 * normal_cost) * noise), 1.0)
    cost = np.where(changed, moved_cost, state.cost[0])
    return replace(state, regular=regular, cost=np.tile(cost, (spec.zones, 1)), promoted=plan)


def promotion_prices(spec: ChainSpec, regular: np.ndarray, promoted: np.ndarray, week: int) -> np.ndarray:
    """Shelf prices in cents, float64 [Z, P], of a week in which `promoted` [Z, P] are cheaper.

    A promotion takes off 4 to 50 %, the deeper the rarer, by the same share for three weeks.
    """
    depth = 0.04 + 0.46 * _uniform(spec, "depth", week // 3) ** 2.2
    return np.where(promoted, np.maximum(np.floor(regular * (1 - depth)), 1.0), regular)


def places(spec: ChainSpec, promoted: np.ndarray, week: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of display and mailer, int64 [Z, P]: 0 for none, else 1 + the position in DISPLAYS or MAILERS."""
    shown, mailed = _uniform(spec, "display", week // 3), _uniform(spec, "mailer", week)
    display = np.where(shown < DISPLAYED, 1 + (shown / DISPLAYED * len(DISPLAYS)).astype(int), 0)
    mailer = np.where(mailed < MAILED, 1 + (mailed / MAILED * len(MAILERS)).astype(int), 0)
    return display * promoted, mailer * promoted


def _next_promotions(spec: ChainSpec, before: np.ndarray, week: int) -> np.ndarray:
    return _uniform(spec, "promotion", week) < np.where(before, STAY, START)


def _keys(spec: ChainSpec) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(spec.zones)[:, None], np.arange(spec.products)[None, :]


def _uniform(spec: ChainSpec, name: str, week: int) -> np.ndarray:
    return uniform(stream(spec.seed, f"{name}/{week}"), *_keys(spec))


def _normal(spec: ChainSpec, name: str, week: int) -> np.ndarray:
    return normal(stream(spec.seed, f"{name}/{week}"), *_keys(spec))
