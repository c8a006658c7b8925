"""Moments of a small table, worked by hand."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pyarrow as pa
import pytest

from tests.simulation.calibration.tables import FIRST_DAY, TIMEZONE, Line, lines_of, products_of

from coupon_pipeline.simulation.calibration import verdicts
from coupon_pipeline.simulation.calibration.moments import (
    DISTRIBUTIONS,
    Moments,
    moments,
)

PRODUCTS = products_of("GROCERY", "GROCERY", "MEAT", "FUEL")

LINES: list[Line] = [
    (1, 10, "2025-01-06T15:00:00", 1, 1, 200),  # Monday, on promotion
    (1, 10, "2025-01-06T15:00:00", 2, 2, 300),
    (1, 10, "2025-01-06T15:00:00", 3, 1, 700),
    (1, 11, "2025-01-06T20:00:00", 1, 1, 200),  # the same day again: one trip
    (1, 12, "2025-01-14T03:00:00", 1, 3, 600),  # Tuesday in UTC, Monday evening in the stores
    (2, 13, "2025-01-12T15:00:00", 2, 1, 150),  # Sunday
]
DISCOUNTS = [(50, 30, 10)]
NOON = datetime.combine(FIRST_DAY, time(17))


@pytest.fixture(scope="module")
def found() -> Moments:
    return moments(lines_of(LINES, discounts=DISCOUNTS), PRODUCTS, FIRST_DAY, 2, TIMEZONE)


def test_every_moment_is_measured_and_has_a_tolerance_or_none(found: Moments) -> None:
    weekdays = {f"trips on {day}" for day in ("Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")}
    measured = {*found.distributions, *found.scalars, *found.shares}
    assert tuple(found.distributions) == DISTRIBUTIONS
    assert measured == set(verdicts.TOLERANCES) - weekdays


def test_baskets_visits_and_weeks_worked_by_hand(found: Moments) -> None:
    shown = {name: (one.mean, one.median) for name, one in found.distributions.items()}
    assert shown["lines per basket"] == (1.5, 1)
    assert shown["units per basket"] == (2.25, 2)
    assert shown["value per basket"] == pytest.approx(((11.4 + 2 + 6 + 1.5) / 4, 4))
    assert shown["departments per basket"] == (1.25, 1)
    assert shown["days between visits"] == (7, 7)
    assert shown["trips per household-week"] == (0.75, 0.75)
    assert shown["spend per household-week"] == pytest.approx(((9.7 + 0.75) / 2, (9.7 + 0.75) / 2))
    assert shown["spend per active week"] == pytest.approx(((13.4 + 6 + 1.5) / 3, 6))
    assert shown["regular unit price of lines"] == pytest.approx(((2 + 1.5 + 7 + 2 + 2 + 1.5) / 6, 2))
    assert shown["depth of price promotions"] == (0.25, 0.25)
    assert shown["days between purchases of a category"] == (7, 7)
    assert shown["products per household-year"] == (2, 2)


def test_scalars_and_shares_worked_by_hand(found: Moments) -> None:
    scalars = found.scalars
    assert scalars["share of household-weeks with a purchase"] == 0.75
    assert scalars["share of lines on price promotion"] == pytest.approx(1 / 6)
    assert scalars["P(quantity = 1)"] == pytest.approx(4 / 6)
    assert scalars["Gini of household spend"] == pytest.approx(0.5 - 1.5 / 20.9)
    assert scalars["second-half lines of products bought before"] == 1
    assert scalars["private label share of lines"] == pytest.approx(2 / 6)
    assert scalars["baskets per trip day"] == pytest.approx(4 / 3)
    assert scalars["share of trips in the main store"] == 1
    assert scalars["trips on Monday"] == pytest.approx(7 * 2 / 3)
    assert scalars["trips on Sunday"] == pytest.approx(7 / 3)
    assert found.shares["category line shares"] == pytest.approx(
        {"category 1": 1 / 2, "category 2": 1 / 3, "category 3": 1 / 6}
    )
    assert found.shares["department value shares"] == pytest.approx({"GROCERY": 13.9 / 20.9, "MEAT": 7 / 20.9})


def test_what_does_not_count_changes_nothing(found: Moments) -> None:
    noise: list[Line] = [
        (3, 20, "2025-01-07T15:00:00", 4, 1, 3000),  # fuel
        (3, 21, "2025-01-07T15:00:00", 1, 0, 100),
        (3, 22, "2025-01-07T15:00:00", 1, 900, 100),
        (3, 23, "2025-01-07T15:00:00", 1, 1, 0),
        (3, 24, "2025-01-06T04:59:59", 1, 1, 100),  # before the first midnight of the stores
        (3, 25, "2025-01-20T05:00:00", 1, 1, 100),  # after the last
        (3, 26, "2025-01-07T15:00:00", 99, 1, 100),  # a product that the catalogue lacks
    ]
    other_kinds = [lines_of(LINES, kind=kind) for kind in ("return", "void")]
    no_card = lines_of(LINES).set_column(4, "household_id", pa.nulls(len(LINES), pa.int64()))
    lines = pa.concat_tables([lines_of(LINES, discounts=DISCOUNTS), lines_of(noise), *other_kinds, no_card])
    again = moments(lines, PRODUCTS, FIRST_DAY, 2, TIMEZONE).facts()
    expected = found.facts()
    assert again["distributions"] == expected["distributions"]
    assert again["scalars"] == pytest.approx(expected["scalars"], nan_ok=True)
    for name, shares in expected["shares"].items():
        assert again["shares"][name] == pytest.approx(shares)


def test_repeats_promotions_and_elasticity_worked_by_hand() -> None:
    # 60 weeks of one product: on promotion at half the price in every second week, when twice as many are bought.
    lines: list[Line] = [
        (1, week, str(NOON + timedelta(days=7 * week)), 1, 2 if week % 2 else 1, 400 if week % 2 else 200)
        for week in range(60)
    ]
    discounts = [(200 if week % 2 else 0, 0, 0) for week in range(60)]
    scalars = moments(lines_of(lines, discounts=discounts), PRODUCTS, FIRST_DAY, 60, TIMEZONE).scalars
    assert scalars["naive own-price elasticity"] == pytest.approx(-1)
    assert scalars["weekly promotion start"] == 1
    assert scalars["weekly promotion stay"] == 0
    assert scalars["same product again within 28 days"] == 1
    assert scalars["same category again within 28 days"] == 1
    assert scalars["concentration of products within (household, category)"] == 1


def test_lines_that_say_nothing_about_a_distribution_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="days between visits: a distribution needs at least one value"):
        moments(lines_of(LINES[:1], discounts=DISCOUNTS), PRODUCTS, FIRST_DAY, 2, TIMEZONE)


def test_a_catalogue_with_two_rows_for_a_product_is_refused() -> None:
    with pytest.raises(ValueError, match="several rows for one product"):
        moments(lines_of(LINES), pa.concat_tables([PRODUCTS, PRODUCTS]), FIRST_DAY, 2, TIMEZONE)
