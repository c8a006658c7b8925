"""Delivers the mutations of a contract as weeks of one batch, and says which of them its rules have caught."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from tests.contracts.spoiling.breaking import Mutation, Spoiled
from tests.contracts.spoiling.mutations import mutations
from tests.contracts.spoiling.valid import Maker, as_texts, week
from tests.contracts.spoiling.valid_beside import surroundings

from coupon_pipeline.contracts.compiling.builtin_rules import (
    HARMLESS,
    PRESENT,
    SEEN,
    TYPED,
)
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.verdict import Outcome, Verdict

SPOILED_KEYS = 90_000
"""Keys of spoiled rows count from here, those of valid rows from 0."""

PADDING = 2
"""Valid weeks before one that is out of proportion and passes: the median of eight weeks must not become like it."""


@dataclass(frozen=True)
class Found:
    """What became of a mutation: whether its rule caught it as declared, else `why` not; `wrong` counts other rows."""

    mutation: Mutation
    why: str
    wrong: int

    @property
    def caught(self) -> bool:
        """Whether the rule did what it says."""
        return not self.why


@dataclass
class Week:
    """A week of a delivery: whole, or valid rows with spoiled ones among them, at `places`."""

    number: int
    table: pa.Table
    spoiled: list[tuple[Mutation, Spoiled, list[int]]] = field(default_factory=list)
    whole: Mutation | None = None


def survey(contract: Contract, rules: Collection[str] | None = None, judged_by: Contract | None = None) -> list[Found]:
    """What a contract, or another one in its place, finds of the mutations of its rules, or of some of them."""
    maker = Maker(contract)
    weeks = list(_weeks(maker, mutations(maker, rules)))
    tables = {week(each.number): each.table for each in weeks}
    off: dict[str, dict[int, int]] = {}
    seen: dict[int, list[pa.Table]] = {}
    for mutation, spoiled, _ in (one for each in weeks for one in each.spoiled):
        off.setdefault(mutation.rule.id, {}).update(spoiled.off)
        if spoiled.seen is not None:
            seen.setdefault(spoiled.seen[0], []).append(spoiled.seen[1])
    beside = surroundings(maker, tables, off, {back: pa.concat_tables(rows) for back, rows in seen.items()})
    verdicts = check_weeks(judged_by or contract, list(tables), tables.__getitem__, beside)
    return [found for each, verdict in zip(weeks, verdicts, strict=True) for found in _found(contract, each, verdict)]


def without(contract: Contract, rules: Collection[str]) -> Contract:
    """The contract as if some rules had been lost on the way."""
    columns = tuple(replace(column, required=False) for column in contract.columns)
    kept = tuple(rule for rule in contract.rules if rule.id not in rules)
    return replace(contract, rules=kept, columns=columns)


def _weeks(maker: Maker, all_of_them: Sequence[Mutation]) -> Iterator[Week]:
    """Rows to be quarantined together, as many a week as are allowed; every warning and every table rule by itself."""
    contract = maker.contract
    # What was clean before is so in the weeks before week 0.
    set_aside = [each for each in all_of_them if each.rows and each.rule.action == "quarantine"]
    set_aside.sort(key=lambda each: each.rule.id != SEEN)
    number = 0
    allowed = max(2, int(maker.rows * contract.quarantine_max_percent / 100))
    while set_aside:
        together, bad = [], 0
        while set_aside and bad + 2 <= allowed:
            together.append(set_aside.pop(0))
            bad += 2 if together[-1].rule.id not in HARMLESS else 0
        yield _mixed(maker, number, together)
        number += 1
    yield Week(number, maker.table(number))
    number += 1
    for each in all_of_them:
        if each.rows and each.rule.action == "quarantine":
            continue
        for _ in range(PADDING if each.week and each.rule.action == "warn" else 0):
            yield Week(number, maker.table(number))
            number += 1
        yield _mixed(maker, number, [each]) if each.rows else Week(number, _made(each, number), whole=each)
        number += 1


def _made(mutation: Mutation, number: int) -> pa.Table:
    if mutation.week is None:
        raise ValueError(f"rule {mutation.rule.id} is no rule of a week")
    return mutation.week(number)


def _mixed(maker: Maker, number: int, together: Sequence[Mutation]) -> Week:
    """Valid rows and the spoiled ones of some mutations, in random order."""
    made = [
        (each, each.rows(number, SPOILED_KEYS + 10 * place))
        for place, each in enumerate(together)
        if each.rows is not None
    ]
    rows = [row for _, spoiled in made for row in spoiled.rows]
    valid = as_texts(maker.table(number))
    table = pa.concat_tables([valid, pa.Table.from_pylist(rows, valid.schema)])
    rng = np.random.default_rng(number)
    places = np.sort(rng.choice(table.num_rows, len(rows), replace=False))
    order = np.empty(table.num_rows, np.int64)
    order[places] = valid.num_rows + np.arange(len(rows))
    order[np.setdiff1d(np.arange(table.num_rows), places)] = rng.permutation(valid.num_rows)
    of_each = iter(places.tolist())
    spoiled = [(each, one, [next(of_each) for _ in one.rows]) for each, one in made]
    return Week(number, table.take(order), spoiled)


def _found(contract: Contract, delivered: Week, verdict: Verdict) -> Iterator[Found]:
    outcomes = {outcome.rule: outcome for outcome in verdict.outcomes}
    if not delivered.spoiled and delivered.whole is None:
        failed = [one.rule for one in verdict.outcomes if one.failed or not (one.could_run and one.applied)]
        if failed or not verdict.passed:
            raise ValueError(f"{contract.name}: valid rows break {', '.join(failed)}: {verdict.reasons}")
        return
    rows = verdict.quarantined.select(["_row", "_rule", "_reason"]).to_pylist()
    rules: dict[int, list[str]] = {row["_row"]: str(row["_rule"] or "").split(",") for row in rows}
    if delivered.whole is not None:
        rule = delivered.whole.rule
        wrong = 0 if rule.id in (PRESENT, TYPED) or delivered.whole.also else len(rules)
        yield Found(delivered.whole, _week_missed(delivered.whole, outcomes, verdict), wrong)
        return
    touched = {
        place for _, one, places in delivered.spoiled for place, bad in zip(places, one.caught, strict=True) if bad
    }
    wrong = len(set(rules) - touched)
    for mutation, spoiled, places in delivered.spoiled:
        wanted = [place for place, bad in zip(places, spoiled.caught, strict=True) if bad]
        why = _row_missed(mutation, wanted, rules, outcomes)
        if not why and not verdict.passed and contract.quarantine_max_percent:
            why = f"the week is blocked: {verdict.reasons[0]}"
        yield Found(mutation, why, wrong)
        wrong = 0


def _row_missed(
    mutation: Mutation, wanted: Sequence[int], rules: dict[int, list[str]], outcomes: dict[str, Outcome]
) -> str:
    """Why the rule of a row is not what it declares, or nothing."""
    rule, outcome = mutation.rule, outcomes.get(mutation.rule.id)
    if outcome is None:
        return "the rule is not reported"
    if rule.action == "quarantine":
        missed = [place for place in wanted if rule.id not in rules.get(place, [])]
        return f"row {missed[0]} has {rules.get(missed[0], 'no rule')}" if missed else ""
    if any(rule.id in each for each in rules.values()):
        return "rows that only warn are in quarantine"
    if outcome.failed != len(wanted):
        return f"{outcome.failed} rows reported instead of {len(wanted)}"
    return "" if mutation.also or not rules else f"in quarantine: {next(iter(rules.values()))}"


def _week_missed(mutation: Mutation, outcomes: dict[str, Outcome], verdict: Verdict) -> str:
    rule, outcome = mutation.rule, outcomes.get(mutation.rule.id)
    if outcome is None or not outcome.failed:
        return "the rule is not reported" if outcome is None else f"found {outcome.observed}, not failed"
    if rule.action == "warn":
        others = [reason for reason in verdict.reasons if not any(also in reason for also in mutation.also)]
        return f"the week is blocked: {others[0]}" if others else ""
    if verdict.passed:
        return "the week passes"
    # The rules on columns say which column it is instead.
    named = rule.id in (PRESENT, TYPED) or any(rule.id in reason for reason in verdict.reasons)
    return "" if named else f"no reason names the rule: {verdict.reasons}"
