"""The rules of a week as a whole: row count, freshness, and its shape against bounds or the clean weeks before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.compiling.promise_rules import FRESHNESS
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.surroundings import FEWEST_WEEKS, Profile

ROWS, MEAN, PRESENT, EMPTY = "rows", "mean({})", "present({})", "empty_files"
FIGURES = {
    kinds.ROW_COUNT: ROWS,
    kinds.ROW_COUNT_NEAR: ROWS,
    kinds.FILES: EMPTY,
    kinds.MEAN: MEAN,
    kinds.MEAN_NEAR: MEAN,
    kinds.PRESENT: PRESENT,
    kinds.PRESENT_NEAR: PRESENT,
}
"""Expectation -> the figure of a week that it bounds."""


class Held(NamedTuple):
    """Whether a rule holds; `observed` is the figure that was judged, None where there is none."""

    holds: bool
    observed: float | None = None
    applied: bool = True


def profile(contract: Contract, clean: pa.Table, rows: float, empty_files: float = 0) -> Profile:
    """The figures of a week that the contract's rules bound, from one pass; `rows` without copies of other rows."""
    found: dict[str, float] = {ROWS: float(rows)}
    if any(rule.expectation == kinds.FILES for rule in contract.rules):
        found[EMPTY] = float(empty_files)
    for rule in contract.rules:
        figure = FIGURES.get(str(rule.expectation), ROWS)
        if figure in (ROWS, EMPTY) or not clean.num_rows:
            continue
        cells = clean.column(rule.columns[0])
        if figure == PRESENT:
            found[PRESENT.format(rule.columns[0])] = 1.0 - cells.null_count / clean.num_rows
        elif cells.null_count < clean.num_rows:
            found[MEAN.format(rule.columns[0])] = _number(pc.call_function("mean", [cells]))
    return found


def held(rule: Rule, figures: Profile, past: Sequence[Profile], newest: datetime | None, closes: datetime) -> Held:
    """How a rule of the whole week fares; `newest` is the latest instant of the column that a freshness rule reads."""
    kwargs = rule.kwargs
    if rule.expectation == FRESHNESS:
        # How late nothing is cannot be said: the row count tells of an empty week.
        return Held(newest is None or newest >= closes - kwargs["max_age"])
    figure = FIGURES[str(rule.expectation)].format(*rule.columns)
    observed = figures.get(figure)
    if observed is None:
        return Held(True, applied=False)
    if rule.expectation == kinds.FILES:
        return Held(observed <= kwargs["max_empty"], observed)
    if rule.expectation in (kinds.ROW_COUNT, kinds.MEAN, kinds.PRESENT):
        return Held(_within(observed, kwargs["min_value"], kwargs["max_value"]), observed)
    before = [one[figure] for one in past if figure in one]
    if len(before) < FEWEST_WEEKS:
        return Held(True, observed, applied=False)
    usual = median(before)
    if usual == 0 and rule.expectation != kinds.PRESENT_NEAR:
        # Nothing is in proportion to nothing: the table is only beginning.
        return Held(True, observed, applied=False)
    if rule.expectation == kinds.PRESENT_NEAR:
        return Held(abs(observed - usual) <= kwargs["max_change"], observed)
    return Held(_within(observed, kwargs["min_ratio"] * usual, kwargs["max_ratio"] * usual), observed)


def newest(table: pa.Table, rule: Rule) -> datetime | None:
    """The latest instant, naive UTC, of the column that a freshness rule reads."""
    if rule.expectation != FRESHNESS:
        return None
    instants = table.column(rule.kwargs["column"]).drop_null().to_numpy()
    return instants.max().astype("datetime64[us]").item() if instants.size else None


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _number(scalar: Any) -> float:
    return float(np.float64(scalar.as_py()))
