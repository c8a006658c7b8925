"""What a check of one week says: the clean rows, the quarantined rows, and whether the week may be published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.arrow import schema
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.delivery import Delivery
from coupon_pipeline.contracts.quarantine import examples, quarantined
from coupon_pipeline.contracts.suite import Finding
from coupon_pipeline.contracts.table_rules import ROW_COUNT

DUPLICATE = "row.duplicate"
EXAMPLES = 3
NO_ROWS = np.empty(0, np.int64)


class RowsLostError(AssertionError):
    """A check that made or lost rows: a fault of this package, never of the data."""


@dataclass(frozen=True)
class Outcome:
    """How one rule fared: `failed` rows, or 1 for a rule of the whole table; examples show no personal data."""

    rule: str
    dimension: str
    severity: str
    failed: int
    could_run: bool = True
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """One checked week; `clean` may be published only if it `passed`, else `reasons` say why not.

    `share` is the part of the rows, 0..1, that is bad; surplus copies are not bad, though they are quarantined.
    """

    week: str
    clean: pa.Table
    quarantined: pa.Table
    rows_in: int
    passed: bool
    share: float
    outcomes: tuple[Outcome, ...]
    reasons: tuple[str, ...]


def judge(contract: Contract, delivery: Delivery, findings: Mapping[str, Finding], closes: datetime) -> Verdict:
    """The verdict on a week from what was found, row rule by row rule; raises RowsLostError if rows went astray."""
    if delivery.problem is not None:
        return _blocked(contract, delivery)
    broken = {
        rule.id: findings[rule.id].rows for rule in contract.rules if rule.id in findings and rule.severity == "error"
    }
    copies = broken.get(DUPLICATE, NO_ROWS)
    bad = _union(rows for rule, rows in broken.items() if rule != DUPLICATE)
    out = _union([bad, copies])
    keep = np.ones(delivery.table.num_rows, bool)
    keep[out] = False
    clean = delivery.table.filter(pa.array(keep)) if out.size else delivery.table
    outcomes = tuple(_outcome(contract, rule, delivery, findings, closes, len(copies)) for rule in contract.rules)
    reasons = _reasons(contract, delivery, outcomes, findings, len(bad))
    verdict = Verdict(
        week=delivery.week,
        clean=clean.cast(schema(contract)),
        quarantined=quarantined(contract, delivery.raw, out, broken),
        rows_in=delivery.raw.num_rows,
        passed=not reasons,
        share=len(bad) / max(delivery.raw.num_rows, 1),
        outcomes=outcomes,
        reasons=reasons,
    )
    if verdict.rows_in != verdict.clean.num_rows + verdict.quarantined.num_rows:
        raise RowsLostError(f"{contract.label}, week {delivery.week}: {verdict.rows_in} rows came, others left")
    return verdict


def _blocked(contract: Contract, delivery: Delivery) -> Verdict:
    outcomes = tuple(
        _table_outcome(rule, delivery, int(rule.id == "columns.present"))
        for rule in contract.rules
        if rule.id in ("columns.present", "extra.columns")
    )
    nothing = quarantined(contract, delivery.raw, NO_ROWS, {})
    rows_in = delivery.raw.num_rows
    return Verdict(delivery.week, delivery.table, nothing, rows_in, False, 0.0, outcomes, (str(delivery.problem),))


def _outcome(
    contract: Contract, rule: Rule, delivery: Delivery, findings: Mapping[str, Finding], closes: datetime, copies: int
) -> Outcome:
    if rule.scope == "table":
        return _table_outcome(rule, delivery, int(not _holds(rule, delivery, closes, copies)))
    finding = findings.get(rule.id, Finding(NO_ROWS))
    shown = examples(contract, delivery.raw, finding.rows[:EXAMPLES], rule.columns) if finding.rows.size else ()
    return Outcome(rule.id, rule.dimension, rule.severity, len(finding.rows), finding.error is None, shown)


def _table_outcome(rule: Rule, delivery: Delivery, failed: int) -> Outcome:
    if rule.id == "extra.columns":
        return Outcome(rule.id, rule.dimension, rule.severity, len(delivery.unexpected), True, delivery.unexpected)
    return Outcome(rule.id, rule.dimension, rule.severity, failed)


def _holds(rule: Rule, delivery: Delivery, closes: datetime, copies: int) -> bool:
    """Whether a rule of the whole table holds in this week."""
    if rule.expectation is None:
        return True
    if rule.expectation == ROW_COUNT:
        low, high = rule.kwargs["min_value"], rule.kwargs["max_value"]
        rows = delivery.table.num_rows - copies
        return (low is None or rows >= low) and (high is None or rows <= high)
    # How late nothing is cannot be said: the row count tells of an empty week.
    instants = delivery.table.column(rule.kwargs["column"]).drop_null().to_numpy()
    return not instants.size or bool(instants.max() >= np.datetime64(closes - rule.kwargs["max_age"]))


def _reasons(
    contract: Contract, delivery: Delivery, outcomes: tuple[Outcome, ...], findings: Mapping[str, Finding], bad: int
) -> tuple[str, ...]:
    """Why the week is blocked, in sentences; empty where it is not."""
    rules = {rule.id: rule for rule in contract.rules}
    where = f"{contract.label}, week {delivery.week}"
    reasons = [
        f"{where}: the rule {o.rule} could not run: {findings[o.rule].error}" for o in outcomes if not o.could_run
    ]
    reasons += [
        f"{where}: {rules[o.rule].reason} (rule {o.rule}); ask {contract.owner}"
        for o in outcomes
        if rules[o.rule].scope == "table" and o.severity == "error" and o.failed
    ]
    rows, bound = delivery.raw.num_rows, contract.quarantine_max_percent
    if bad * 100 > bound * rows:
        worst = sorted((o for o in outcomes if _counts(rules[o.rule], o)), key=lambda o: (-o.failed, o.rule))[:5]
        listed = ", ".join(f"{o.rule} {o.failed}" for o in worst)
        reasons.append(
            f"{where}: {bad} of {rows} rows ({bad / rows:.1%}) are bad; the contract allows {bound:.1f}%: {listed}; "
            f"ask {contract.owner}"
        )
    return tuple(reasons)


def _counts(rule: Rule, outcome: Outcome) -> bool:
    return rule.scope == "row" and rule.severity == "error" and outcome.failed > 0 and rule.id != DUPLICATE


def _union(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([NO_ROWS, *parts]))
