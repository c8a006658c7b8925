"""Lives a chain of the real panel's size and compares it with the real households."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from coupon_pipeline.simulation.calibration.coupons import coupon_moments
from coupon_pipeline.simulation.calibration.moments import Moments, moments
from coupon_pipeline.simulation.calibration.report import report
from coupon_pipeline.simulation.calibration.targets import load_targets
from coupon_pipeline.simulation.chain import burnt_in, live_week
from coupon_pipeline.simulation.issuing import random_issues
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.spec import ChainSpec

HOUSEHOLDS, WEEKS = 2_467, 53
"""Size of the real panel, fuel and services left out."""
READ = ("pos_lines", "products", "coupon_issues", "redemptions", "coupons", "coupon_products")


def spec_of(seed: int) -> ChainSpec:
    """A chain of the real panel's size and length."""
    return ChainSpec(seed=seed, households=HOUSEHOLDS, warmup_weeks=WEEKS)


def simulated(spec: ChainSpec) -> tuple[Moments, dict[str, float]]:
    """Moments of a world's sale lines, and those of its coupons."""
    world = World(spec)
    state, parts = burnt_in(world), defaultdict[str, list[pa.Table]](list)
    while state.week < spec.warmup_weeks:
        week = live_week(world, state, random_issues(world, state.week))
        for name in READ:
            parts[name].append(week.records.tables[name])
        state = week.after
    tables = {name: pa.concat_tables(found).combine_chunks() for name, found in parts.items()}
    sales = tables["pos_lines"].filter(pc.field("line_kind") == "sale")
    found = moments(sales, tables["products"], spec.first_week, spec.warmup_weeks, spec.timezone)
    return found, coupon_moments(tables, spec.timezone)


def compare(console: Console, folder: Path, seed: int = 1) -> bool:
    """Print and draw the comparison; returns whether every moment is within tolerance."""
    spec = spec_of(seed)
    with console.status(f"living {spec.warmup_weeks} weeks of {spec.households:,} households"):
        found, coupons = simulated(spec)
    return report(found, load_targets(), coupons, console, folder)
