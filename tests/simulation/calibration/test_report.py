"""The report: what it prints, writes and returns."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from tests.simulation.calibration.tables import TIMEZONE, lines_of

from coupon_pipeline.simulation.calibration.coupons import REAL, coupon_moments
from coupon_pipeline.simulation.calibration.report import report
from coupon_pipeline.simulation.calibration.targets import load_targets
from coupon_pipeline.simulation.records import SCHEMAS

TARGETS = load_targets()


def table(name: str, *rows: Mapping[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMAS[name])


def coupon_world() -> dict[str, pa.Table]:
    """Households 1 and 2 each get coupon 7 for product 1; household 1, who knows it, redeems on the fourth day."""
    lines = [
        (1, 10, "2025-02-20T17:00:00", 1, 1, 200),
        (1, 11, "2025-03-06T17:00:00", 1, 1, 250),
        (2, 12, "2025-03-07T17:00:00", 1, 1, 250),
    ]
    known = datetime(2025, 2, 27)
    return {
        "pos_lines": lines_of(lines, discounts=[(0, 0, 0), (50, 50, 0)]),
        "coupon_issues": table(
            "coupon_issues",
            *({"issue_id": household, "coupon_id": 7, "household_id": household} for household in (1, 2)),
        ),
        "redemptions": table(
            "redemptions",
            {
                "redemption_id": 1,
                "issue_id": 1,
                "coupon_id": 7,
                "household_id": 1,
                "basket_id": 11,
                "discount_cents": 50,
                "redeemed_at": datetime(2025, 3, 6, 17),
            },
        ),
        "coupons": table(
            "coupons",
            {"coupon_id": 7, "valid_from": date(2025, 3, 3), "valid_to": date(2025, 3, 7), "changed_at": known},
        ),
        "coupon_products": table("coupon_products", {"coupon_id": 7, "product_id": 1, "changed_at": known}),
    }


def test_coupon_moments_worked_by_hand() -> None:
    found = coupon_moments(coupon_world(), TIMEZONE)
    assert found.keys() == REAL.keys()
    assert found["coupon discount per line, mean"] == 0.5
    assert found["coupon discount over shelf price, median"] == 0.25
    assert found["redemption lag in days, mean"] == 3
    assert found["redemption lag over validity, mean"] == 0.75
    assert found["redemptions per redeeming household, median"] == 1
    assert found["issued households that redeem"] == 0.5
    assert found["redemptions per issue"] == 0.5
    assert found["redemptions by households that bought a coupon product in 91 days"] == 1
    assert found["share of lines with a coupon"] == found["share of baskets with a coupon"] == 0.5


def test_a_report_prints_writes_and_draws_every_row(tmp_path: Path) -> None:
    coupons = coupon_moments(coupon_world(), TIMEZONE)
    output = io.StringIO()
    assert report(TARGETS, TARGETS, coupons, Console(file=output, width=160), tmp_path)
    assert "40 of 40 moments within tolerance" in output.getvalue()
    rows = json.loads((tmp_path / "simulate-report.json").read_text(encoding="utf-8"))
    names = {row["name"] for row in rows}
    assert {"Gini of household spend", "lines per basket: distance", "redemptions per issue"} <= names
    assert {row["passed"] for row in rows} == {True, None}
    pictures = sorted(path.name for path in (tmp_path / "simulate-report").iterdir())
    assert pictures == ["quantiles.png", "scalars.png", "shares.png"]
    assert all(name in output.getvalue() for name in pictures)


def test_a_missed_moment_fails_the_report_by_name(tmp_path: Path) -> None:
    # Without the many panels, for speed: a world of which little is known.
    targets = replace(TARGETS, distributions={}, shares={})
    scalars = dict(TARGETS.scalars) | {"Gini of household spend": 0.7, "P(quantity = 1)": math.nan}
    output = io.StringIO()
    assert not report(replace(targets, scalars=scalars), targets, {}, Console(file=output, width=160), tmp_path)
    assert "21 of 23 moments within tolerance; missed: P(quantity = 1), Gini of household spend" in output.getvalue()
    rows = {row["name"]: row for row in json.loads((tmp_path / "simulate-report.json").read_text(encoding="utf-8"))}
    assert rows["P(quantity = 1): distance"]["value"] == 1
    assert rows["Gini of household spend: distance"]["passed"] is False


def test_without_coupons_nothing_is_redeemed() -> None:
    tables = {name: rows.slice(0, 0) for name, rows in coupon_world().items()}
    assert all(math.isnan(value) for value in coupon_moments(tables, TIMEZONE).values())
