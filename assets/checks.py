"""What a validation found, as Dagster checks: one per dimension of the contract, the share of bad rows, the schema."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import dagster as dg

from coupon_pipeline.contracts.compiling.builtin_rules import EXTRA, PRESENT, TYPED
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.verdict import Outcome
from coupon_pipeline.contracts.showing.summary import Summary

SHARE, SCHEMA = "quarantine_share", "schema"
MOST_RECORDS: Final = 50
"""Records of a table in the UI, which keeps all of them in one event."""
GRAVITY: Final = ("block", "quarantine", "warn")
RECORD: Final = dg.TableSchema(
    columns=[
        dg.TableColumn("week"),
        dg.TableColumn("rule"),
        dg.TableColumn("action"),
        dg.TableColumn("rows", "int", "Rows that break the rule; none for a rule of the whole week"),
        dg.TableColumn("example", description="One of them, personal data masked, or the figure of the week"),
        dg.TableColumn("reason"),
    ]
)
ADDED: Final = dg.TableSchema(columns=[dg.TableColumn("column"), dg.TableColumn("weeks")])


class Found(NamedTuple):
    """A rule that a week broke, or that could not run."""

    week: str
    rule: Rule
    outcome: Outcome

    @property
    def blocks(self) -> bool:
        """Whether it alone keeps the week from being published."""
        return not self.outcome.could_run or self.rule.action == "block"


def check_names(contract: Contract) -> list[str]:
    """The checks of a table: one per dimension that has a rule, the share of bad rows, and the schema."""
    return [*sorted({rule.dimension for rule in contract.rules}), SHARE, SCHEMA]


def check_specs(contract: Contract, key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of an asset; those of an optional table tell of a blocked week without stopping the cycle."""
    described = {
        SHARE: f"At most {contract.quarantine_max_percent:g} % of a week's rows are bad.",
        SCHEMA: "The columns are those of the contract.",
    }
    for dimension in check_names(contract)[:-2]:
        rules = [rule.id for rule in contract.rules if rule.dimension == dimension]
        described[dimension] = f"{contract.label}: {', '.join(rules)}"
    return [
        dg.AssetCheckSpec(name, asset=key, blocking=contract.mandatory, description=described[name])
        for name in check_names(contract)
    ]


def check_results(contract: Contract, key: dg.AssetKey, summaries: Sequence[Summary]) -> Iterator[dg.AssetCheckResult]:
    """One result per check for all weeks of a run: a dimension warns of quarantined rows, and fails where it blocks."""
    by_dimension: defaultdict[str, list[Found]] = defaultdict(list)
    for found in _found(contract, summaries):
        by_dimension[found.rule.dimension].append(found)
    for dimension in check_names(contract)[:-2]:
        findings = by_dimension[dimension]
        blocked = {found.week for found in findings if found.blocks}
        told = _findings(findings) | _sentences(one for one in summaries if one.week in blocked)
        yield _result(dimension, key, not findings, bool(blocked), told)
    over = [one for one in summaries if contract.is_too_bad(round(one.share * one.rows_in), one.rows_in)]
    worst = max((one.share for one in summaries), default=0.0)
    shares = {"allowed": contract.quarantine_max_percent / 100, "worst_week": worst}
    yield _result(SHARE, key, not over, True, shares | _sentences(over))
    broken = [one for one in summaries if any(_breaks_schema(outcome) for outcome in one.outcomes)]
    yield _result(SCHEMA, key, not broken, True, _added(summaries) | _sentences(broken))


def page_link(path: Path) -> dg.MetadataValue:
    """A results page as metadata: a path to copy, since a browser opens no file from a page of a server."""
    return dg.MetadataValue.path(path.absolute())


def _found(contract: Contract, summaries: Sequence[Summary]) -> Iterator[Found]:
    rules = {rule.id: rule for rule in contract.rules}
    for summary in summaries:
        for outcome in summary.outcomes:
            if outcome.failed or not outcome.could_run:
                yield Found(summary.week, rules[outcome.rule], outcome)


def _findings(findings: Sequence[Found]) -> dict[str, Any]:
    """The broken rules of a dimension, the gravest first, and how many rows each quarantined or told of in all."""
    if not findings:
        return {}
    counts: Counter[str] = Counter()
    for found in findings:
        counts[found.rule.id] += found.outcome.failed
    worst = sorted(findings, key=_gravity)[:MOST_RECORDS]
    table = dg.MetadataValue.table([_record(found) for found in worst], RECORD)
    left_out = {"not_shown": len(findings) - len(worst)} if len(findings) > len(worst) else {}
    return {"findings": table, "counts": dict(counts)} | left_out


def _gravity(found: Found) -> tuple[bool, int, int, str, str]:
    return (not found.blocks, GRAVITY.index(found.rule.action), -found.outcome.failed, found.week, found.rule.id)


def _record(found: Found) -> dg.TableRecord:
    outcome = found.outcome
    observed = "" if outcome.observed is None else f"found {outcome.observed:g}"
    example = next(iter(outcome.examples), observed) if outcome.could_run else "could not run"
    rows = outcome.failed if found.rule.scope == "row" else None
    cells = {"week": found.week, "rule": found.rule.id, "action": found.rule.action, "rows": rows}
    return dg.TableRecord({**cells, "example": example, "reason": found.rule.reason})


def _breaks_schema(outcome: Outcome) -> bool:
    return outcome.rule in (PRESENT, TYPED) and outcome.failed > 0


def _added(summaries: Sequence[Summary]) -> dict[str, Any]:
    """The columns that came beside those of the contract, with the weeks in which they did."""
    weeks: defaultdict[str, list[str]] = defaultdict(list)
    for summary in summaries:
        for outcome in summary.outcomes:
            for column in outcome.examples if outcome.rule == EXTRA else ():
                weeks[column].append(summary.week)
    records = [dg.TableRecord({"column": name, "weeks": ", ".join(found)}) for name, found in sorted(weeks.items())]
    return {"additional_columns": dg.MetadataValue.table(records[:MOST_RECORDS], ADDED)} if records else {}


def _sentences(summaries: Iterable[Summary]) -> dict[str, str]:
    return {found.week: " ".join(found.reasons) for found in summaries}


def _result(
    name: str, key: dg.AssetKey, passed: bool, blocks: bool, metadata: Mapping[str, Any]
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(check_name=name, asset_key=key, passed=passed, severity=severity, metadata=metadata)
