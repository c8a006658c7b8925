"""What a validation found, as Dagster checks: one per dimension of the contract, the share of bad rows, the schema."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import dagster as dg

from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.verdict import Outcome, Verdict

SHARE, SCHEMA = "quarantine_share", "schema"


@dataclass(frozen=True)
class Summary:
    """What is kept of a week's verdict once its rows are written."""

    week: str
    rows_in: int
    clean: int
    quarantined: int
    share: float
    passed: bool
    outcomes: tuple[Outcome, ...]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """The counts and findings of a verdict."""
        clean, quarantined = verdict.clean.num_rows, verdict.quarantined.num_rows
        return cls(
            verdict.week,
            verdict.rows_in,
            clean,
            quarantined,
            verdict.share,
            verdict.passed,
            verdict.outcomes,
            tuple(verdict.reasons),
        )


def check_names(contract: Contract) -> list[str]:
    """The checks of a table: one per dimension that has a rule, the share of bad rows, and the schema."""
    return [*sorted({rule.dimension for rule in contract.rules}), SHARE, SCHEMA]


def check_results(contract: Contract, key: dg.AssetKey, summaries: Sequence[Summary]) -> Iterator[dg.AssetCheckResult]:
    """One result per check for all weeks of a run: a dimension warns of quarantined rows, and fails where it blocks."""
    for dimension in check_names(contract)[:-2]:
        outcomes = [(s.week, o) for s in summaries for o in s.outcomes if o.dimension == dimension and o.failed]
        blocked = any(_blocks(contract, outcome) for _, outcome in outcomes)
        yield _result(dimension, key, not outcomes, blocked, _by_rule(outcomes))
    blocked_by_share = [s for s in summaries if s.share * 100 > contract.quarantine_max_percent]
    worst = max((s.share for s in summaries), default=0.0)
    shares = {"allowed": contract.quarantine_max_percent / 100, "worst_week": worst}
    yield _result(SHARE, key, not blocked_by_share, True, shares | _sentences(blocked_by_share))
    broken = [s for s in summaries if any(_breaks_schema(outcome) for outcome in s.outcomes)]
    yield _result(SCHEMA, key, not broken, True, _sentences(broken))


def _breaks_schema(outcome: Outcome) -> bool:
    return outcome.rule.startswith("columns.") and outcome.severity == "error" and outcome.failed > 0


def _blocks(contract: Contract, outcome: Outcome) -> bool:
    scopes = {rule.id: rule.scope for rule in contract.rules}
    is_row = scopes.get(outcome.rule, "table") == "row"
    return not outcome.could_run or (outcome.severity == "error" and not is_row)


def _by_rule(outcomes: Sequence[tuple[str, Outcome]]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for _, outcome in outcomes:
        counts[outcome.rule] += outcome.failed
    return dict(counts)


def _sentences(summaries: Sequence[Summary]) -> dict[str, str]:
    return {found.week: " ".join(found.reasons) for found in summaries}


def _result(
    name: str, key: dg.AssetKey, passed: bool, blocks: bool, metadata: Mapping[str, Any]
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(check_name=name, asset_key=key, passed=passed, severity=severity, metadata=metadata)
