"""What validation is compared with: DuckDB SQL that applies the same rules to the same rows and splits them alike.

Its shape is what a person would write by hand for a table of facts; the conditions come from the contract, so that no
rule is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.compiling import named_rules as named
from coupon_pipeline.contracts.compiling.builtin_rules import DUPLICATE, SEEN
from coupon_pipeline.contracts.compiling.column_rules import (
    BETWEEN,
    IN_WEEK,
    KNOWN_WEEKS,
    UNIQUE,
)
from coupon_pipeline.contracts.compiling.promise_rules import LATENCY
from coupon_pipeline.contracts.contract import KNOWN_AT, Contract, Rule
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK, Surroundings


class Split(NamedTuple):
    """A week's clean rows, its quarantined ones, as text with their rules, and the figures of the whole week."""

    clean: pa.Table
    quarantined: pa.Table
    figures: tuple[Any, ...]


class Baseline:
    """The SQL for one contract, on an engine that is opened once."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        # One thread keeps nearly all rows in their order, and costs no more CPU than two.
        self.engine = duckdb.connect(config={"threads": 1})
        self.rules = [rule for rule in contract.rules if rule.scope == "row" and _has_condition(rule)]
        self.key = ", ".join(map(_name, contract.key))

    def split(self, raw: Mapping[str, pa.Table], beside: Surroundings, past: pa.Table) -> dict[str, Split]:
        """Apply the rules to whole weeks in memory; `past` has the clean keys of the weeks before, with `@week`."""
        numbered = {week: _numbered(week, rows) for week, rows in raw.items()}
        self._register(numbered, beside, past)
        for statement in self._statements(past.num_rows > 0):
            self.engine.execute(statement)
        return self._weeks(list(raw))

    def broken(self) -> dict[tuple[str, str], int]:
        """Week and row rule -> rows that break it, where there are any, as the last split found them."""
        sums = ", ".join(f"count_if(bits & {1 << n} > 0)" for n in range(len(self.rules)))
        counted = self.engine.sql(f'select "@week"::varchar, {sums} from marked group by 1').fetchall()
        return {
            (week, rule.id): count
            for week, *counts in counted
            for rule, count in zip(self.rules, counts, strict=True)
            if count
        }

    def _weeks(self, weeks: Sequence[str]) -> dict[str, Split]:
        names = [_name(column.name) for column in self.contract.columns]
        texts = ", ".join(f"r.{name}::varchar as {name}" for name in names)
        ids = ", ".join(
            f"case when bits & {1 << n} > 0 then '{rule.id}' end"
            for n, rule in enumerate(self.rules)
            if rule.action == "quarantine"
        )
        clean = self._table(f'select {", ".join(names)}, "@week" from rows anti join bad using ("@week", "@row")')
        quarantined = self._table(
            f"""select {texts}, array_to_string(list_filter([{ids}], lambda x: x is not null), ',') as _rule,
                r."@row" as _row, r."@week" from rows r join bad using ("@week", "@row")
                order by r."@week", r."@row" """
        )
        cut = zip(_by_week(clean, weeks), _by_week(quarantined, weeks), self._figures(clean), strict=True)
        return {week: Split(*parts) for week, parts in zip(weeks, cut, strict=True)}

    def _register(self, numbered: Mapping[str, pa.Table], beside: Surroundings, past: pa.Table) -> None:
        bounds = {
            "week": np.array(list(numbered), "datetime64[D]"),
            "opens": [beside.opens_at(week) for week in numbered],
            "closes": [beside.closes_at(week) for week in numbered],
        }
        self.engine.register("rows", pa.concat_tables(numbered.values()))
        self.engine.register("bounds", pa.table(bounds))
        self.engine.register("past", past)
        for target, known in beside.references.items():
            first = pa.array(known.first_week.astype("datetime64[D]"))
            self.engine.register(_view(target), pa.table({"key": known.keys, "first": first}))

    def _statements(self, has_past: bool) -> Sequence[str]:
        every = ", ".join(_name(column.name) for column in self.contract.columns)
        quarantine = sum(1 << n for n, rule in enumerate(self.rules) if rule.action == "quarantine")
        seen = 1 << [rule.id for rule in self.rules].index(SEEN)
        back = 7 * WEEKS_BACK
        same = " and ".join(f"e.{_name(name)} = s.{_name(name)}" for name in self.contract.key)
        earlier = f'e."@week" between s."@week" - {back} and s."@week" - 1'
        before = f'union select s."@week", s."@row" from rows s semi join past e on {same} and {earlier}'
        return (
            f"create or replace temp table again as select {self.key} from rows group by all having count(*) > 1",
            f"""create or replace temp table copies as select r.*,
                row_number() over (partition by "@week", {every} order by "@row") > 1 as copy
                from rows r semi join again using ({self.key})""",
            f"""create or replace temp table suspects as select *,
                count(*) filter (where not copy) over (partition by "@week", {self.key}) > 1 as twice from copies""",
            self._found(),
            f"""create or replace temp table marked as
                with seen as (
                    select s."@week", s."@row" from suspects s where exists (
                        select 1 from suspects e anti join (select * from found where bits & {quarantine} > 0)
                        using ("@week", "@row") where {same} and {earlier})
                    {before if has_past else ""}
                ), either as (select * from found union all select "@week", "@row", {seen} from seen)
                select "@week", "@row", bit_or(bits) as bits from either group by all""",
            f"create or replace temp table bad as from marked where bits & {quarantine} > 0",
        )

    def _found(self) -> str:
        """Every row that breaks a rule other than `key.seen`, with a bit per rule."""
        conditions = {n: _condition(rule) for n, rule in enumerate(self.rules) if rule.id != SEEN}
        bits = " + ".join(f"case when {condition} then {1 << n} else 0 end" for n, condition in conditions.items())
        joins = " ".join(
            f"left join {_view(target)} on {_view(target)}.key = r.{_name(column)}"
            for column, target in self.contract.references.items()
        )
        return f"""create or replace temp table found as select r."@week", r."@row", {bits} as bits
            from rows r join bounds on bounds.week = r."@week"
            left join suspects on suspects."@week" = r."@week" and suspects."@row" = r."@row" {joins}
            where {" or ".join(conditions.values())}"""

    def _figures(self, clean: pa.Table) -> list[tuple[Any, ...]]:
        """What the rules of the whole week are held against, week by week."""
        read = dict.fromkeys(name for rule in self.contract.rules if rule.scope == "table" for name in rule.columns)
        kinds = {column.name: column.physical_type for column in self.contract.columns}
        each = [f"count({_name(name)})" for name in read]
        each += [f"{'max' if kinds[name] == 'TIMESTAMP' else 'avg'}({_name(name)})" for name in read]
        self.engine.register("clean", clean)
        sql = f'select {", ".join(["count(*)", *each])} from clean group by "@week" order by "@week"'
        return self.engine.sql(sql).fetchall()

    def _table(self, sql: str) -> pa.Table:
        return self.engine.sql(sql).to_arrow_table()


def _has_condition(rule: Rule) -> bool:
    """Whether the rule can break: these rows come typed."""
    return rule.expectation is not None or rule.id in (DUPLICATE, SEEN)


def _condition(rule: Rule) -> str:
    """The SQL of a broken rule; raises ValueError for one that it has no words for."""
    if rule.id == DUPLICATE:
        return "suspects.copy"
    # Of equal rows only the first is judged.
    return f"(suspects.copy is not true and {_broken(rule)})"


def _broken(rule: Rule) -> str:
    kwargs, kind = rule.kwargs, rule.expectation
    column = f"r.{_name(rule.columns[0])}"
    if kind == "expect_column_values_to_not_be_null":
        return f"{column} is null"
    if kind == "expect_column_values_to_be_in_set":
        return f"{column} not in ({', '.join(map(repr, kwargs['value_set']))})"
    if kind == UNIQUE and rule.id == "key.unique":
        return "suspects.twice"
    if kind == named.PAIR:
        first, second = (f"r.{_name(kwargs[name])}" for name in ("column_A", "column_B"))
        return f"{first} {'<' if kwargs['or_equal'] else '<='} {second}"
    if kind == named.WEIGHTED_SUM:
        parts = zip(kwargs["weights"], kwargs["column_list"], strict=True)
        return f"{' + '.join(f'{weight} * r.{_name(name)}' for weight, name in parts)} < {kwargs['min_value']}"
    if kind == BETWEEN:
        return _outside(rule, column)
    raise ValueError(f"the baseline has no SQL for the rule {rule.id} ({kind}): add it")


def _outside(rule: Rule, column: str) -> str:
    name, read, bounds = rule.columns[0], rule.kwargs["column"], rule.kwargs
    if read == KNOWN_WEEKS.format(name):
        view = _view(str(rule.reference))
        return f'({column} is not null and ({view}.first is null or {view}.first > r."@week"))'
    if read == IN_WEEK.format(name):
        return f"({column} < bounds.opens or {column} >= bounds.closes)"
    if read == LATENCY.format(name):
        return f"r.{_name(KNOWN_AT)} > {column} + interval {int(bounds['max_value'] * 3600)} seconds"
    low, high = bounds.get("min_value"), bounds.get("max_value")
    sides = [f"{column} < {low}"] * (low is not None) + [f"{column} > {high}"] * (high is not None)
    return f"({' or '.join(sides)})"


def _numbered(week: str, rows: pa.Table) -> pa.Table:
    """The rows with their week and their number in it."""
    rows = rows.replace_schema_metadata()
    rows = rows.append_column("@week", pa.array(np.full(rows.num_rows, np.datetime64(week, "D"))))
    return rows.append_column("@row", pa.array(np.arange(rows.num_rows)))


def _by_week(rows: pa.Table, weeks: Sequence[str]) -> list[pa.Table]:
    """The rows of each week, which hardly ever come out of turn: DuckDB keeps some back in small batches."""
    found = rows.column("@week").to_numpy().astype("datetime64[D]")
    if np.any(found[1:] < found[:-1]):
        order = np.argsort(found, kind="stable")
        rows, found = rows.take(order), found[order]
    starts = np.searchsorted(found, np.array(weeks, "datetime64[D]"))
    rows = rows.drop_columns(["@week"])
    ends = [*starts[1:], len(found)]
    return [rows.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _view(target: str) -> str:
    return "known_" + target.replace(".", "_")


def _name(name: str) -> str:
    return f'"{name}"'
