"""Verdicts: what passes, what misses, what is only reported."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from coupon_pipeline.simulation.calibration.distribution import Distribution
from coupon_pipeline.simulation.calibration.moments import Moments
from coupon_pipeline.simulation.calibration.targets import load_targets
from coupon_pipeline.simulation.calibration.verdicts import TOLERANCES, Row, verdicts


def world(
    lines: Distribution | None = None,
    scalars: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
) -> Moments:
    distributions = {} if lines is None else {"lines per basket": lines}
    tables = {} if shares is None else {"category line shares": shares}
    return Moments(distributions, scalars or {}, tables)


def test_the_targets_are_as_close_to_themselves_as_can_be() -> None:
    rows = verdicts(load_targets(), load_targets())
    assert [row.name for row in rows] == list(TOLERANCES)
    assert max(row.distance for row in rows) == 0
    assert [row.name for row in rows if row.verdict == "report"] == [
        "categories per household-year",
        "weekly promotion start",
        "weekly promotion stay",
    ]
    assert {row.verdict for row in rows} == {"ok", "report"}


@pytest.mark.parametrize(("ones", "verdict"), [(50, "ok"), (55, "ok"), (58, "missed")])
def test_a_distribution_is_judged_by_kolmogorovs_distance(ones: int, verdict: str) -> None:
    target = Distribution.of([1, 2], [50, 50])
    [row] = verdicts(world(Distribution.of([1, 2], [ones, 100 - ones])), world(target))
    assert row.measure == "KS"
    assert row.distance == pytest.approx((ones - 50) / 100)
    assert row.verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(-2.0, "ok"), (-2.19, "ok"), (-1.7, "missed"), (2.0, "missed")])
def test_a_scalar_is_judged_relative_to_its_target(value: float, verdict: str) -> None:
    name = "naive own-price elasticity"
    [row] = verdicts(world(scalars={name: value}), world(scalars={name: -2.0}))
    assert (row.value, row.target, row.verdict) == (value, -2.0, verdict)


def test_shares_are_judged_by_total_variation() -> None:
    [row] = verdicts(world(shares={"a": 0.9, "b": 0.1}), world(shares={"a": 0.8, "c": 0.2}))
    assert row.distance == pytest.approx(0.2)
    assert row.passed is False


def test_what_the_world_lacks_is_missed() -> None:
    targets = world(Distribution.of([1]), {"P(quantity = 1)": 0.8, "weekly promotion stay": 0.8}, {"a": 1.0})
    rows = {row.name: row.verdict for row in verdicts(world(), targets)}
    assert rows.pop("weekly promotion stay") == "report"
    assert set(rows.values()) == {"missed"}


def test_a_distance_that_is_not_a_number_is_missed() -> None:
    assert Row("some", "relative", math.nan, 1.0, math.nan, 0.1).passed is False
