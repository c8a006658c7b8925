"""What the row rules find in some weeks at once, cut by week."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from coupon_pipeline.contracts.compiling.builtin_rules import DUPLICATE
from coupon_pipeline.contracts.compiling.named_rules import RECONCILE
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging import frame as frames
from coupon_pipeline.contracts.judging.delivery import Delivery
from coupon_pipeline.contracts.judging.positions import NO_ROWS, among
from coupon_pipeline.contracts.judging.suite import Finding, validate
from coupon_pipeline.contracts.judging.surroundings import Surroundings

Findings = Mapping[str, Finding]
"""Rule id -> the rows of a week that break it; a rule that does not apply is left out."""


def find(contract: Contract, batch: Sequence[Delivery], beside: Surroundings) -> list[Findings]:
    """Per delivery what breaks its row rules, rows counted within the delivery; nothing for one without rows."""
    full = [delivery for delivery in batch if delivery.table.num_rows]
    if not full:
        return [{} for _ in batch]
    rules = [
        rule for rule in contract.rules if rule.scope == "row" and rule.expectation and rule.other not in beside.absent
    ]
    unknown = dict(_unknown(rules, beside))
    rules = [rule for rule in rules if rule.id not in unknown]
    surplus = frames.surplus_copies(full)
    copies = np.flatnonzero(surplus)
    found = validate(rules, frames.build(contract, rules, full, surplus, beside))
    # What a copy breaks, its original has broken.
    whole = {
        rule: Finding(one.rows[~among(one.rows, copies)], _said(contract, rule, one.error))
        for rule, one in found.items()
    }
    whole[DUPLICATE] = Finding(copies)
    whole |= {rule: Finding(NO_ROWS, error) for rule, error in unknown.items()}
    return _by_delivery(batch, whole)


def _said(contract: Contract, rule: str, error: str | None) -> str | None:
    """Why a rule could not run; what a library says of a failure may quote a value, which may be personal."""
    if error is None:
        return None
    personal = any(contract.column(name).personal for name in contract.rule(rule).columns)
    return "its values cannot be compared" if personal else error


def _unknown(rules: Sequence[Rule], beside: Surroundings) -> Iterator[tuple[str, str]]:
    """The rules on another table that nothing is known of, with what to do."""
    for rule in rules:
        known = beside.measures if rule.expectation == RECONCILE else beside.references
        name = rule.id if rule.expectation == RECONCILE else rule.reference
        if rule.reference and name not in known:
            yield rule.id, f"the keys of {rule.reference} are not known: publish that table first"


def _by_delivery(batch: Sequence[Delivery], whole: Findings) -> list[Findings]:
    """The findings cut by week, with the cells that the cast lost: `required` is not broken where `type` is."""
    ends = np.cumsum([delivery.table.num_rows for delivery in batch])
    cut: list[Findings] = []
    for delivery, end in zip(batch, ends, strict=True):
        if not delivery.table.num_rows:
            cut.append({})
            continue
        start = end - delivery.table.num_rows
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
