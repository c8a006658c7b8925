"""Breaks the rules of a week as a whole: its columns, its rows, its shape, its age."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor

import numpy as np
import pyarrow as pa

from tests.contracts.spoiling.breaking import Mutation
from tests.contracts.spoiling.solving import Line, broken, relaxed
from tests.contracts.spoiling.valid import Maker, as_texts

from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.compiling.builtin_rules import PRESENT, TYPED
from coupon_pipeline.contracts.compiling.promise_rules import FRESHNESS
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.delivery import FEWEST_LOST
from coupon_pipeline.contracts.judging.table_rules import MEAN as MEAN_OF
from coupon_pipeline.contracts.judging.table_rules import PRESENT as SHARE_OF
from coupon_pipeline.contracts.judging.table_rules import profile
from coupon_pipeline.contracts.lineage import Lineage


def broken_weeks(maker: Maker, rule: Rule) -> Iterator[Mutation]:
    """The ways to break a rule of the table."""
    contract, kwargs = maker.contract, rule.kwargs
    usual = profile(contract, maker.table(-1), maker.rows)
    if rule.expectation is None:
        yield from _of_columns(maker, rule)
    elif rule.expectation == kinds.FILES:
        empty = tuple(f"empty-{number}.csv" for number in range(kwargs["max_empty"] + 1))
        yield Mutation(rule, "empty files", week=lambda n: _filed(maker.table(n), empty))
    elif rule.expectation in (kinds.ROW_COUNT, kinds.ROW_COUNT_NEAR):
        near = rule.expectation == kinds.ROW_COUNT_NEAR
        low, high = (kwargs[f"{side}_{'ratio' if near else 'value'}"] for side in ("min", "max"))
        # Spoiled rows count too: the weeks before have some more than those that are valid.
        few, many = (0.9 * maker.rows, 1.1 * maker.rows) if near else (1, 1)
        if low:
            yield Mutation(rule, "too few rows", week=_week(maker, rows=max(0, ceil(low * few) - 1)))
        if high is not None:
            yield Mutation(rule, "too many rows", week=_week(maker, rows=floor(high * many) + 1))
    elif rule.expectation in (kinds.PRESENT, kinds.PRESENT_NEAR):
        share = usual[SHARE_OF.format(rule.columns[0])]
        change = kwargs.get("max_change", 0)
        low, high = kwargs.get("min_value", share - change), kwargs.get("max_value", share + change)
        if low > 0 and not contract.column(rule.columns[0]).required:
            yield Mutation(rule, "no value present", week=_week(maker, filled={rule.columns[0]: 0.0}))
        if high < 1:
            yield Mutation(rule, "every value present", week=_week(maker, filled={rule.columns[0]: 1.0}))
    elif rule.expectation in (kinds.MEAN, kinds.MEAN_NEAR, FRESHNESS):
        mean = usual.get(MEAN_OF.format(rule.columns[0]), np.nan)
        for how, line in broken(contract, rule, mean).items():
            templates, also = relaxed(contract, [*maker.demands, *_usual(contract, usual)], line, 3)
            yield Mutation(rule, how, week=_week(maker, templates=templates), also=also)


def _usual(contract: Contract, usual: Mapping[str, float]) -> Iterator[Line]:
    """The other means as they are, so that they stay in proportion."""
    for rule in contract.rules:
        if rule.expectation == kinds.MEAN_NEAR:
            mean, ratios = usual[MEAN_OF.format(rule.columns[0])], rule.kwargs
            low, high = mean * (1 + 3 * ratios["min_ratio"]) / 4, mean * (1 + 3 * ratios["max_ratio"]) / 4
            yield Line(rule.id, {rule.columns[0]: 1.0}, low, high)


def _of_columns(maker: Maker, rule: Rule) -> Iterator[Mutation]:
    first, last = maker.contract.columns[0].name, maker.contract.columns[-1].name
    typed = next(each.name for each in maker.contract.columns if each.physical_type != "VARCHAR")
    if rule.id == PRESENT:
        yield Mutation(rule, "removed", week=lambda n: maker.table(n).drop_columns(last))
        yield Mutation(rule, "renamed", week=lambda n: _renamed(maker.table(n), last, f"{last}_2"))
        yield Mutation(rule, "given twice", week=lambda n: _added(maker.table(n), last))
    elif rule.id == TYPED:
        yield Mutation(rule, "words for values", week=lambda n: _replaced(as_texts(maker.table(n)), typed))
        yield Mutation(rule, "lists for values", week=lambda n: _listed(maker.table(n), first))
    else:
        yield Mutation(rule, "added", week=lambda n: _added(maker.table(n), "weather"))


def _week(
    maker: Maker,
    rows: int | None = None,
    templates: Sequence[Mapping[str, float]] = (),
    filled: Mapping[str, float] | None = None,
) -> Callable[[int], pa.Table]:
    return lambda number: maker.table(number, rows, templates, filled or {})


def _filed(table: pa.Table, empty: tuple[str, ...]) -> pa.Table:
    return Lineage((("full.csv", 1, table.num_rows),), empty).attached(table)


def _renamed(table: pa.Table, name: str, other: str) -> pa.Table:
    return table.rename_columns([other if each == name else each for each in table.column_names])


def _added(table: pa.Table, name: str) -> pa.Table:
    return table.append_column(name, pa.array(["rain"] * table.num_rows))


def _replaced(table: pa.Table, name: str) -> pa.Table:
    count = max(FEWEST_LOST, table.num_rows * 2 // 3)
    cells = ["two"] * count + table.column(name).to_pylist()[count:]
    return table.set_column(table.column_names.index(name), name, pa.array(cells, pa.string()))


def _listed(table: pa.Table, name: str) -> pa.Table:
    cells = [[value] for value in table.column(name).to_pylist()]
    return table.set_column(table.column_names.index(name), name, pa.array(cells))
