"""Generates, from a contract alone, weeks that it has nothing to say against, with what they are judged beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from math import ceil
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from tests.contracts.spoiling.solving import MINUTES, Line, holds, lines, solve
from tests.contracts.spoiling.texts import ABOUT_TEXT, good_texts

from coupon_pipeline.contracts.arrow import TYPES
from coupon_pipeline.contracts.compiling import builtin_rules as built_in
from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.compiling.column_rules import BETWEEN, UNIQUE
from coupon_pipeline.contracts.compiling.promise_rules import FRESHNESS
from coupon_pipeline.contracts.contract import Column, Contract
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2024, 1, 1), date(2027, 1, 4), "UTC")
FIRST = 60
"""Position in the calendar of the week with number 0."""
REQUIRED = "expect_column_values_to_not_be_null"
EXPECTATIONS = frozenset(
    {
        *ABOUT_TEXT,
        *(REQUIRED, BETWEEN, UNIQUE, FRESHNESS, kinds.PAIR, kinds.WEIGHTED_SUM, kinds.RECONCILE, kinds.FILES),
        *(kinds.ROW_COUNT, kinds.ROW_COUNT_NEAR, kinds.MEAN, kinds.MEAN_NEAR, kinds.PRESENT, kinds.PRESENT_NEAR),
    }
)
"""What is known here: of any other a contract is refused, so that no kind of rule goes untested."""
BUILT_IN = frozenset({built_in.PRESENT, built_in.TYPED, built_in.EXTRA, built_in.DUPLICATE, built_in.SEEN})
TEMPLATES = 8
FEWEST_ROWS = 100
FILLED = 0.6
"""Share of values in a column that may be null, where no rule bounds it."""
KEYS_PER_WEEK = 100_000
UNKNOWN, LATER = 2_000_000_000, 2_100_000_000
"""From here on a key is not known to the other table, and from there on only a week later."""


class UnknownKindError(ValueError):
    """A rule of a kind that nothing here can meet or break; names the contract and the rule."""


def week(number: int) -> str:
    """The name of the week with that number; those before 0 lie in the past."""
    return CALENDAR.weeks[FIRST + number]


class Maker:
    """Makes weeks of valid rows for a contract: a few solved rows, each many times under other keys."""

    def __init__(self, contract: Contract) -> None:
        for rule in contract.rules:
            kind = rule.expectation in EXPECTATIONS if rule.expectation else rule.id in BUILT_IN
            if not kind and not (rule.expectation is None and rule.id.endswith(".type")):
                raise UnknownKindError(f"{contract.name}: rule {rule.id} is of a kind that no generator here knows")
        self.contract = contract
        self.demands = [line for rule in contract.rules for line in lines(contract, rule)]
        self.ids = _ids(contract, self.demands)
        self.distinct = _distinct(contract, self.ids)
        self.texts = {each.name: good_texts(contract, each.name) for each in contract.columns if _is_text(each)}
        self.templates = self.solved(self.demands)
        self.rows = _rows(contract)

    def solved(self, demands: Sequence[Line]) -> list[dict[str, float]]:
        """A few rows that meet some demands."""
        return [solve(self.contract, demands, np.random.default_rng(seed)) for seed in range(TEMPLATES)]

    def table(
        self,
        number: int,
        rows: int | None = None,
        templates: Sequence[Mapping[str, float]] = (),
        filled: Mapping[str, float] = MappingProxyType({}),
        start: int = 0,
    ) -> pa.Table:
        """A week of `rows` rows in the contract's types, the keys counted from `start` on.

        `filled` gives the share of values that are not null by column. Raises ValueError, naming the rule, where the
        rows break one.
        """
        at = np.arange(start, start + (self.rows if rows is None else rows))
        solved = templates or self.templates
        values = {name: np.array([row[name] for row in solved])[at % len(solved)] for name in solved[0]}
        for name in self.ids:
            low = max(1, *(line.low for line in self.demands if list(line.weights) == [name]), 1)
            values[name] = low + (KEYS_PER_WEEK * (number + 20) + at if name in self.distinct else at % 7)
        if not templates:
            for line in self.demands:
                if not holds(line, values).all():
                    raise ValueError(f"{self.contract.name}: rows do not meet rule {line.rule}")
        shares = {**_filled(self.contract), **filled}
        return pa.table(
            {
                column.name: _cells(
                    column, self._values(column, values, at, number), _null(at, place, shares[column.name])
                )
                for place, column in enumerate(self.contract.columns)
            }
        )

    def full(self, number: int, start: int, template: Mapping[str, float] | None = None) -> pa.Table:
        """One row without nulls, whose keys are those of the row `start` of a week."""
        everything = {column.name: 1.0 for column in self.contract.columns}
        return self.table(number, 1, [template or self.templates[0]], everything, start)

    def _values(self, column: Column, values: Mapping[str, np.ndarray], at: np.ndarray, number: int) -> Any:
        if column.name in self.texts:
            texts = self.texts[column.name]
            return [texts[place % len(texts)] for place in at]
        if column.physical_type == "BOOLEAN":
            return at % 2 == 0
        found = values[column.name]
        if column.physical_type in MINUTES:
            unit = "D" if column.physical_type == "DATE" else "m"
            opens = np.datetime64(CALENDAR.opens_at(week(number)), unit)
            return (opens + found.astype(np.int64)).astype("datetime64[D]" if unit == "D" else "datetime64[us]")
        return found if column.physical_type == "DOUBLE" else found.astype(np.int64)


def as_texts(table: pa.Table) -> pa.Table:
    """The same cells as text."""
    return pa.table(
        {name: table.column(name).cast(pa.string()) for name in table.column_names if _castable(table, name)}
    )


def _castable(table: pa.Table, name: str) -> bool:
    return table.column_names.count(name) == 1 and not pa.types.is_nested(table.schema.field(name).type)


def _is_text(column: Column) -> bool:
    return column.physical_type == "VARCHAR"


def _cells(column: Column, values: Any, null: np.ndarray) -> pa.Array:
    return pa.array(values, TYPES[column.physical_type], mask=null)


def _null(at: np.ndarray, place: int, filled: float) -> np.ndarray:
    """Which rows have no value, spread evenly and otherwise in each column."""
    return (at * 0.618034 + place * 0.271) % 1.0 >= filled


def _ids(contract: Contract, demands: Sequence[Line]) -> list[str]:
    """The whole numbers that only name something: their size means nothing."""
    tied = {name for line in demands if len(line.weights) > 1 for name in line.weights}
    tied |= {rule.columns[0] for rule in contract.rules if rule.expectation in (kinds.MEAN, kinds.MEAN_NEAR)}
    named = {*contract.key, *contract.references}
    named |= {rule.kwargs["key"] for rule in contract.rules if rule.expectation == kinds.RECONCILE}
    named |= {rule.columns[0] for rule in contract.rules if rule.expectation == UNIQUE}
    named |= {column.name for column in contract.columns if column.unit == "identifier"}
    whole = [column.name for column in contract.columns if column.physical_type in ("BIGINT", "INTEGER")]
    return [name for name in whole if name in named - tied]


def _distinct(contract: Contract, ids: Collection[str]) -> list[str]:
    """The columns that must not repeat a value; raises ValueError, naming the rule, where one cannot be counted up."""
    wanted = {rule.id: rule.columns for rule in contract.rules if rule.expectation == UNIQUE}
    wanted |= {rule.id: (rule.kwargs["key"],) for rule in contract.rules if rule.expectation == kinds.RECONCILE}
    found = []
    for rule, columns in wanted.items():
        name = next((name for name in columns if name in ids), None)
        if name is None:
            raise UnknownKindError(
                f"{contract.name}: rule {rule} needs distinct {', '.join(columns)}: none is a number"
            )
        found.append(name)
    return found


def _filled(contract: Contract) -> dict[str, float]:
    shares = {each.name: 1.0 if each.required or each.name in contract.key else FILLED for each in contract.columns}
    for rule in contract.rules:
        if rule.expectation == kinds.PRESENT:
            low, high = rule.kwargs["min_value"], rule.kwargs["max_value"]
            shares[rule.columns[0]] = (low + high) / 2 if high < 1 else 1.0 - (1.0 - low) / 4
    return shares


def _rows(contract: Contract) -> int:
    """So many rows that a few bad ones are allowed, and that a week with far fewer still has the fewest allowed."""
    counts = [rule.kwargs for rule in contract.rules if rule.expectation == kinds.ROW_COUNT]
    near = [rule.kwargs["min_ratio"] for rule in contract.rules if rule.expectation == kinds.ROW_COUNT_NEAR]
    fewest = max([1, *(bounds["min_value"] or 1 for bounds in counts)])
    few_bad = 300 / contract.quarantine_max_percent if contract.quarantine_max_percent else 0
    rows = ceil(max(FEWEST_ROWS, few_bad, *((fewest + 2) / ratio for ratio in near), fewest * 1.0))
    return min([rows, *(bounds["max_value"] for bounds in counts if bounds["max_value"] is not None)])
