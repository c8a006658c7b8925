"""What shoppers meet in a week: the attraction of every product in every zone, and how coupons change it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupon_pipeline.simulation import population as people
from coupon_pipeline.simulation.catalogue import Catalogue
from coupon_pipeline.simulation.shopping import FILL_IN, LEVEL, MAIN_SHOP, SIZE_SD
from coupon_pipeline.simulation.spec import ChainSpec, Form

DAY_WEIGHTS = np.array([1.04, 1.03, 0.99, 1.00, 1.03, 1.17, 1.25])
SEASON = 0.06
HOLIDAYS = {46: 1.10, 50: 1.15}
"""Week of the year (from 0) -> factor on trips."""
SHALLOW, DEEP = 0.15, 0.30
"""Form `stockpile`: below the first depth a coupon is ignored, from the second on it has its full effect."""
MOST_STOCKPILE = 0.095
FATIGUE = 0.25
"""Form `fatigue`: loss of effect, in log, per coupon that was noticed in the last weeks."""


@dataclass(frozen=True)
class Tastes:
    """What does not change from week to week; G segments, P products, C categories."""

    regular: np.ndarray
    """float64 [G, P]: weight of a product at its regular price."""
    regular_mass: np.ndarray
    """float64 [G, C]."""
    beta: np.ndarray
    """float64 [G, C]: price coefficient."""
    intercept: np.ndarray
    """float64 [C]: added to the log rate of every household."""


def tastes(spec: ChainSpec, catalogue: Catalogue) -> Tastes:
    """The tastes of a world's segments and the level of each category."""
    regular = np.exp(catalogue.popularity[None, :] + people.segment_taste(spec, spec.products))
    beta = people.segment_beta(spec)[:, None] * np.ones(spec.categories)
    if spec.form == "fatigue":
        beta = beta * catalogue.price_response
    mass = np.add.reduceat(regular, catalogue.starts[:-1], axis=1)
    return Tastes(regular, mass, beta, _intercepts(spec, catalogue))


def cumulative(tastes: Tastes, catalogue: Catalogue, regular: np.ndarray, shelf: np.ndarray) -> np.ndarray:
    """Running sum of weights at the week's prices, float64 [Z, G, P + 1]; prices are [Z, P]."""
    zones, products = regular.shape
    found = np.zeros((zones, len(tastes.regular), products + 1))
    for zone in range(zones):
        weights = tastes.regular.copy()
        cheaper = np.flatnonzero(shelf[zone] < regular[zone])
        saving = np.log(regular[zone, cheaper] / shelf[zone, cheaper])
        weights[:, cheaper] *= np.exp(tastes.beta[:, catalogue.category[cheaper]] * saving)
        np.cumsum(weights, axis=1, out=found[zone, :, 1:])
    return found


def season(week: int) -> float:
    """Factor on the trips of a week."""
    of_year = week % 52
    return (1 + SEASON * float(np.sin(2 * np.pi * of_year / 52))) * HOLIDAYS.get(of_year, 1.0)


def coupon_delta(
    form: Form, beta: np.ndarray, salience: np.ndarray, depth: np.ndarray, fatigue: np.ndarray
) -> np.ndarray:
    """Utility that a noticed coupon adds to its products, float64 [n]; `depth` is face value over mean price."""
    delta = beta * salience * -np.log1p(-np.clip(depth, 0.0, 0.95))
    if form == "stockpile":
        return delta * np.clip((depth - SHALLOW) / (DEEP - SHALLOW), 0.0, 1.0)
    if form == "fatigue":
        return delta * np.exp(-FATIGUE * fatigue)
    return delta


def stockpile_chance(form: Form, depth: np.ndarray) -> np.ndarray:
    """Chance of one more unit on the line that uses the coupon, float64 [n]."""
    return MOST_STOCKPILE * np.clip(depth / 0.5, 0.0, 1.0) if form == "stockpile" else np.zeros(len(depth))


def size_points() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (14 each) of the two-part basket size, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    points = np.concatenate([np.exp(SIZE_SD * nodes + kind) for kind in (FILL_IN, MAIN_SHOP)])
    return points, np.tile(weights / weights.sum() / 2, 2)


def _intercepts(spec: ChainSpec, catalogue: Catalogue, most: int = 1_000, steps: int = 25) -> np.ndarray:
    """Levels at which the expected basket penetration of every category is the real one (fixed point)."""
    ids = np.arange(1, min(spec.households, most) + 1)
    appetite = np.exp(people.log_appetite(spec, ids, spec.categories).astype(float))
    trips = people.build(spec, len(ids), spec.stores).trip_rate
    trips = trips / trips.sum()
    points, weights = size_points()
    target = catalogue.penetration * catalogue.adjust
    level = np.log(target)
    for _ in range(steps):
        rate = LEVEL * appetite * np.exp(level)
        expected = sum(w * (trips @ (rate * m / (1 + rate * m))) for m, w in zip(points, weights, strict=True))
        level += np.log(target / expected)
    return level
