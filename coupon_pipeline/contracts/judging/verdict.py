"""What a check of one week says: the clean rows, the quarantined rows, and whether the week may be published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.arrow import schema
from coupon_pipeline.contracts.compiling.builtin_rules import (
    EXTRA,
    HARMLESS,
    PRESENT,
    TYPED,
)
from coupon_pipeline.contracts.compiling.named_rules import FILES
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.delivery import Delivery
from coupon_pipeline.contracts.judging.positions import union
from coupon_pipeline.contracts.judging.quarantine import examples, quarantined
from coupon_pipeline.contracts.judging.suite import Finding
from coupon_pipeline.contracts.judging.surroundings import Profile, Surroundings
from coupon_pipeline.contracts.judging.table_rules import held, newest, profile
from coupon_pipeline.contracts.lineage import Lineage

EXAMPLES = 3


class RowsLostError(AssertionError):
    """A check that made or lost rows: a fault of this package, never of the data."""


@dataclass(frozen=True)
class Outcome:
    """How one rule fared: `failed` rows, or 1 for a rule of the whole table; examples show no personal data.

    `observed` is the figure that a rule of the whole table bounds. A rule is not `applied` where too few weeks are
    known, or where the source does not deliver the table that it is held against.
    """

    rule: str
    dimension: str
    severity: str
    failed: int
    could_run: bool = True
    examples: tuple[str, ...] = ()
    observed: float | None = None
    applied: bool = True


@dataclass(frozen=True)
class Verdict:
    """One checked week; `clean` may be published only if it `passed`, else `reasons` say why not.

    `keep` (bool) marks the delivered rows that are clean. `share` is the part of the rows, 0..1, that is bad; rows that
    are in clean already are not bad, though they are quarantined. `profile` has the figures of the clean rows.
    """

    week: str
    clean: pa.Table
    quarantined: pa.Table
    keep: np.ndarray
    rows_in: int
    passed: bool
    share: float
    outcomes: tuple[Outcome, ...]
    reasons: tuple[str, ...]
    profile: Profile


def judge(
    contract: Contract,
    delivery: Delivery,
    findings: Mapping[str, Finding],
    past: Sequence[Profile],
    beside: Surroundings,
) -> Verdict:
    """The verdict on a week from what was found, row rule by row rule; raises RowsLostError if rows went astray."""
    if delivery.problem is not None:
        return _whole(_blocked(contract, delivery), contract)
    broken = {
        rule.id: findings[rule.id].rows
        for rule in contract.rules
        if rule.id in findings and rule.action == "quarantine"
    }
    harmless = union(rows for rule, rows in broken.items() if rule in HARMLESS)
    bad = np.setdiff1d(union(rows for rule, rows in broken.items() if rule not in HARMLESS), harmless)
    out = union([bad, harmless])
    keep = np.ones(delivery.table.num_rows, bool)
    keep[out] = False
    clean = (delivery.table.filter(pa.array(keep)) if out.size else delivery.table).cast(schema(contract))
    empty = Lineage.of(delivery.raw).empty
    figures = profile(contract, clean, delivery.table.num_rows - len(harmless), len(empty))
    outcomes = tuple(_outcomes(contract, delivery, clean, findings, figures, past, beside))
    reasons = tuple(_reasons(contract, delivery, outcomes, findings, len(bad)))
    verdict = Verdict(
        week=delivery.week,
        clean=clean,
        quarantined=quarantined(contract, delivery.raw, out, broken),
        keep=keep,
        rows_in=delivery.raw.num_rows,
        passed=not reasons,
        share=len(bad) / max(delivery.raw.num_rows, 1),
        outcomes=outcomes,
        reasons=reasons,
        profile=figures,
    )
    return _whole(verdict, contract)


def _whole(verdict: Verdict, contract: Contract) -> Verdict:
    """The verdict itself, once every row that came is found in one of its two tables."""
    left = verdict.clean.num_rows + verdict.quarantined.num_rows
    if verdict.rows_in != left:
        raise RowsLostError(f"{contract.label}, week {verdict.week}: {verdict.rows_in} rows came, {left} are left")
    return verdict


def _blocked(contract: Contract, delivery: Delivery) -> Verdict:
    """A week whose columns are not the contract's: no cell can be judged, so that every row goes to quarantine."""
    every = np.arange(delivery.raw.num_rows)
    outcomes = tuple(_columns_outcome(rule, delivery) for rule in contract.rules if rule.id in (PRESENT, TYPED, EXTRA))
    return Verdict(
        week=delivery.week,
        clean=delivery.table,
        quarantined=quarantined(contract, delivery.raw, every, {str(delivery.broken): every}),
        keep=np.zeros(len(every), bool),
        rows_in=len(every),
        passed=False,
        share=float(len(every) > 0),
        outcomes=outcomes,
        reasons=(f"{delivery.problem}; ask {contract.owner}",),
        profile={},
    )


def _outcomes(
    contract: Contract,
    delivery: Delivery,
    clean: pa.Table,
    findings: Mapping[str, Finding],
    figures: Profile,
    past: Sequence[Profile],
    beside: Surroundings,
) -> Iterator[Outcome]:
    closes = beside.closes_at(delivery.week)
    for rule in contract.rules:
        if rule.scope == "row":
            yield _row_outcome(contract, rule, delivery, findings.get(rule.id), beside)
        elif rule.expectation is None:
            yield _columns_outcome(rule, delivery)
        else:
            found = held(rule, figures, past, newest(clean, rule), closes)
            failed = int(not found.holds)
            shown = Lineage.of(delivery.raw).empty[:EXAMPLES] if rule.expectation == FILES and failed else ()
            yield Outcome(rule.id, rule.dimension, rule.severity, failed, True, shown, found.observed, found.applied)


def _row_outcome(
    contract: Contract, rule: Rule, delivery: Delivery, finding: Finding | None, beside: Surroundings
) -> Outcome:
    if finding is None:
        applied = rule.other not in beside.absent
        return Outcome(rule.id, rule.dimension, rule.severity, 0, applied=applied)
    rows = finding.rows
    shown = examples(contract, delivery.raw, rows[:EXAMPLES], rule.columns) if rows.size else ()
    return Outcome(rule.id, rule.dimension, rule.severity, len(rows), finding.error is None, shown)


def _columns_outcome(rule: Rule, delivery: Delivery) -> Outcome:
    if rule.id == EXTRA:
        return Outcome(rule.id, rule.dimension, rule.severity, len(delivery.unexpected), True, delivery.unexpected)
    return Outcome(rule.id, rule.dimension, rule.severity, int(rule.id == delivery.broken))


def _reasons(
    contract: Contract,
    delivery: Delivery,
    outcomes: Sequence[Outcome],
    findings: Mapping[str, Finding],
    bad: int,
) -> Iterator[str]:
    """Why the week is blocked, in sentences; none where it is not."""
    rules = {rule.id: rule for rule in contract.rules}
    where = f"{contract.label}, week {delivery.week}"
    for one in outcomes:
        if not one.could_run:
            yield f"{where}: the rule {one.rule} could not run: {findings[one.rule].error}"
        elif rules[one.rule].action == "block" and one.failed:
            found = "" if one.observed is None else f", found {', '.join(one.examples) or f'{one.observed:g}'}"
            yield f"{where}: {rules[one.rule].reason}{found} (rule {one.rule}); ask {contract.owner}"
    rows, bound = delivery.raw.num_rows, contract.quarantine_max_percent
    if contract.is_too_bad(bad, rows):
        counted = [one for one in outcomes if rules[one.rule].action == "quarantine" and one.rule not in HARMLESS]
        worst = sorted((one for one in counted if one.failed), key=lambda one: (-one.failed, one.rule))[:5]
        listed = ", ".join(f"{one.rule} {one.failed}" for one in worst)
        yield (
            f"{where}: {bad} of {rows} rows ({bad / rows:.1%}) are bad; the contract allows {bound:.1f}%: {listed}; "
            f"ask {contract.owner}"
        )
