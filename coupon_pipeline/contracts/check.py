"""Checks weeks of a table against its contract: many weeks in one validation, one verdict per week."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts import frame as frames
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.delivery import Delivery, receive
from coupon_pipeline.contracts.references import Reference
from coupon_pipeline.contracts.suite import Finding, validate
from coupon_pipeline.contracts.verdict import DUPLICATE, NO_ROWS, Verdict, judge

BATCH_ROWS = 2_500_000
"""Most rows of a validation: half a GB of frame for the widest table, and the fixed cost of a call is long paid."""


def check_weeks(
    contract: Contract,
    weeks: Sequence[str],
    read: Callable[[str], pa.Table],
    references: Mapping[str, Reference],
    opens_at: Callable[[str], datetime],
    closes_at: Callable[[str], datetime],
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Verdict]:
    """One verdict per week, in the order given; the same bytes as checking each week alone.

    `read` gives a week as delivered, `references` the keys behind each `table.column` that the contract refers to,
    `opens_at` and `closes_at` the first instant of a week and of the next, naive UTC.
    """

    def judged(batch: Sequence[Delivery]) -> Iterator[Verdict]:
        findings = _findings(contract, batch, references, opens_at, closes_at)
        if len(batch) > 1 and any(one.error for week in findings for one in week.values()):
            # One week's rows may be what a rule cannot run on: the others must not be blocked with it.
            for delivery in batch:
                yield from judged([delivery])
            return
        for delivery, found in zip(batch, findings, strict=True):
            yield judge(contract, delivery, found, closes_at(delivery.week))

    for batch in _batches(contract, weeks, read, batch_rows):
        yield from judged(batch)
        del batch  # or two batches would be in memory while the next one is read


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


def _findings(
    contract: Contract,
    batch: Sequence[Delivery],
    references: Mapping[str, Reference],
    opens_at: Callable[[str], datetime],
    closes_at: Callable[[str], datetime],
) -> list[dict[str, Finding]]:
    """Per delivery, rule id -> finding, rows counted within the delivery."""
    full = [delivery for delivery in batch if delivery.table.num_rows]
    if not full:
        return [{} for _ in batch]
    frame = frames.build(contract, full, references, opens_at, closes_at)
    surplus = frames.surplus_copies(contract, full, frame)
    kept = np.flatnonzero(~surplus)
    if surplus.any():
        frame = frame.iloc[kept].reset_index(drop=True)
    rules = [rule for rule in contract.rules if rule.scope == "row" and rule.expectation]
    unreferenced = {rule.id: rule.reference for rule in rules if rule.reference and rule.reference not in references}
    found = validate([rule for rule in rules if rule.id not in unreferenced], frame)
    whole = {rule: Finding(kept[one.rows], one.error) for rule, one in found.items()}
    whole[DUPLICATE] = Finding(np.flatnonzero(surplus))
    for rule, target in unreferenced.items():
        whole[rule] = Finding(NO_ROWS, f"the keys of {target} are not known: publish that table first")
    return _by_delivery(batch, whole)


def _by_delivery(batch: Sequence[Delivery], whole: Mapping[str, Finding]) -> list[dict[str, Finding]]:
    """The findings cut by week, with the cells that the cast lost: `required` is not broken where `type` is."""
    ends = np.cumsum([delivery.table.num_rows for delivery in batch])
    cut = []
    for delivery, end in zip(batch, ends, strict=True):
        start = end - delivery.table.num_rows
        if not delivery.table.num_rows:
            cut.append({})
            continue
        found = {rule: Finding(_within(one.rows, start, end), one.error) for rule, one in whole.items()}
        for name, rows in delivery.lost.items():
            found[f"{name}.type"] = Finding(rows)
            required = found.get(f"{name}.required")
            if required is not None:
                found[f"{name}.required"] = Finding(np.setdiff1d(required.rows, rows), required.error)
        cut.append(found)
    return cut


def _within(rows: np.ndarray, start: int, end: int) -> np.ndarray:
    low, high = np.searchsorted(rows, [start, end])
    return rows[low:high] - start
