"""Coupon moments of a simulated world: printed beside the real ones, without a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import duckdb
import pyarrow as pa

from coupon_pipeline.simulation.calibration.moments import SQL
from coupon_pipeline.simulation.calibration.verdicts import Row

REAL: Final[Mapping[str, float]] = MappingProxyType(
    {
        "coupon discount per line, mean": 1.05,
        "coupon discount per line, median": 0.75,
        "coupon discount per line, p95": 2.50,
        "coupon discount over shelf price, mean": 0.32,
        "coupon discount over shelf price, median": 0.25,
        "coupon discount over shelf price, p95": 1.0,
        "redemption lag in days, mean": 19.0,
        "redemption lag in days, median": 16.0,
        "redemption lag over validity, mean": 0.40,
        "redemptions per redeeming household, mean": 5.1,
        "redemptions per redeeming household, median": 3.0,
        "issued households that redeem": 0.26,
        "redemptions per issue": 0.0194,
        "redemptions by households that bought a coupon product in 91 days": 0.59,
        "share of lines with a coupon": 0.013,
        "share of baskets with a coupon": 0.057,
    }
)
"""Of Complete Journey, where coupons live for five to eleven weeks and most discounts belong to no recorded coupon."""


def coupon_moments(tables: Mapping[str, pa.Table], timezone: str) -> dict[str, float]:
    """The moments of `REAL`, NaN where nothing happened.

    `tables` are pos_lines, coupon_issues, redemptions, coupons and coupon_products, each of all weeks.
    """
    engine = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    for name in ("redemptions", "coupons", "coupon_products"):
        engine.register(name, tables[name])
    engine.register("lines", tables["pos_lines"])
    engine.register("issues", tables["coupon_issues"])
    engine.execute("set variable timezone = $1", [timezone])
    rows = engine.sql((SQL / "coupons.sql").read_text(encoding="utf-8")).fetchall()
    return {name: math.nan if value is None else float(value) for name, value in rows}


def coupon_rows(found: Mapping[str, float]) -> list[Row]:
    """What `coupon_moments` found, beside the real figures; none of them has a verdict."""
    return [
        Row(name, "relative", found[name], target, abs(found[name] / target - 1), None) for name, target in REAL.items()
    ]
