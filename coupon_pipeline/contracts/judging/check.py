"""Checks weeks of a table against its contract: many weeks in one validation, one verdict per week."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from coupon_pipeline.contracts.compiling.builtin_rules import SEEN
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.delivery import Delivery, receive
from coupon_pipeline.contracts.judging.findings import Findings, find
from coupon_pipeline.contracts.judging.history import History
from coupon_pipeline.contracts.judging.suite import Finding
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Verdict, judge

BATCH_ROWS = 2_500_000
"""Most rows of a validation: half a GB of frame for the widest table, and the fixed cost of a call is long paid."""


def check_weeks(
    contract: Contract,
    weeks: Sequence[str],
    read: Callable[[str], pa.Table],
    beside: Surroundings,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Verdict]:
    """One verdict per week, in the order given; the same bytes as checking each week alone.

    `read` gives a week as delivered. A week that passes belongs to what the weeks after it are held against.
    """
    history = History(contract, beside.past)
    for batch in _batches(contract, weeks, read, batch_rows):
        yield from _judged(contract, batch, _findings(contract, batch, beside), history, beside)
        del batch  # or two batches would be in memory while the next one is read


def _judged(
    contract: Contract,
    batch: Sequence[Delivery],
    findings: Sequence[Findings],
    history: History,
    beside: Surroundings,
) -> Iterator[Verdict]:
    keys = history.begin(batch)
    for delivery, found, key in zip(batch, findings, keys, strict=True):
        if contract.kind == "fact" and delivery.problem is None:
            found = {**found, SEEN: Finding(history.seen(delivery.week, key))}
        verdict = judge(contract, delivery, found, history.profiles, beside)
        if verdict.passed:
            history.add(verdict, key)
        yield verdict


def _findings(contract: Contract, batch: Sequence[Delivery], beside: Surroundings) -> list[Findings]:
    found = find(contract, batch, beside)
    if len(batch) > 1 and any(one.error for week in found for one in week.values()):
        # One week's rows may be what a rule cannot run on: the others must not be blocked with it.
        return [find(contract, [delivery], beside)[0] for delivery in batch]
    return found


def _batches(
    contract: Contract, weeks: Sequence[str], read: Callable[[str], pa.Table], batch_rows: int
) -> Iterator[list[Delivery]]:
    """Whole weeks, together at most `batch_rows` rows, unless one week alone has more."""
    batch: list[Delivery] = []
    rows = 0
    for week in weeks:
        delivery = receive(contract, week, read(week))
        if batch and rows + delivery.table.num_rows > batch_rows:
            yield batch
            batch, rows = [], 0
        batch.append(delivery)
        rows += delivery.table.num_rows
    if batch:
        yield batch
