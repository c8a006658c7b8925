"""Breaks each rule of a contract in one row of a valid week, or in a week as a whole, by the kind of the rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from tests.contracts.spoiling.breaking import Mutation, Row, Spoiled
from tests.contracts.spoiling.broken_weeks import broken_weeks
from tests.contracts.spoiling.solving import broken, lines, relaxed, solve
from tests.contracts.spoiling.texts import ABOUT_TEXT, bad_texts
from tests.contracts.spoiling.valid import LATER, REQUIRED, UNKNOWN, Maker, as_texts

from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.compiling.builtin_rules import (
    DUPLICATE,
    EXTRA,
    PRESENT,
    SEEN,
    TYPED,
)
from coupon_pipeline.contracts.compiling.column_rules import UNIQUE
from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK

UNREADABLE = {
    "BIGINT": {"a word": "two", "a fraction": "1.5", "too large": str(2**70)},
    "INTEGER": {"a word": "two", "a fraction": "1.5", "too large": str(2**40)},
    "DOUBLE": {"a word": "two"},
    "BOOLEAN": {"a word": "perhaps"},
    "DATE": {"a word": "soon", "no such day": "2025-02-30", "another order": "03.02.2025"},
    "TIMESTAMP": {"a word": "soon", "no such hour": "2025-03-03 25:00:00"},
}
"""Physical type -> texts that say nothing in it."""


def mutations(maker: Maker, rules: Collection[str] | None = None) -> list[Mutation]:
    """All ways to break the rules of a contract, or some of them; a rule that nothing can break has none."""
    chosen = [rule for rule in maker.contract.rules if rules is None or rule.id in rules]
    return [found for rule in chosen for found in _of(maker, rule)]


def kind(rule: Rule) -> str:
    """What a rule is like: its expectation, or the end of its id."""
    tail = rule.id if rule.id in (DUPLICATE, SEEN, PRESENT, TYPED, EXTRA) else rule.id.split(".")[-1]
    return tail if "." in rule.id or rule.expectation is None else rule.expectation


def _of(maker: Maker, rule: Rule) -> Iterator[Mutation]:
    if rule.scope == "table":
        yield from broken_weeks(maker, rule)
    elif rule.expectation in ABOUT_TEXT:
        for how, text in bad_texts(maker.contract, rule.columns[0], rule).items():
            yield Mutation(rule, how, _cell(maker, rule, text))
    elif rule.id.endswith(".exists_in"):
        yield Mutation(rule, "unknown", _cell(maker, rule, str(UNKNOWN)))
        yield Mutation(rule, "known later", _cell(maker, rule, str(LATER)))
    elif rule.expectation == REQUIRED:
        yield Mutation(rule, "null", _cell(maker, rule, None))
    elif rule.expectation == kinds.RECONCILE:
        step = int(rule.kwargs["tolerance"]) + 1
        yield Mutation(rule, "the other has more", _off(maker, rule, step))
        yield Mutation(rule, "the other has less", _off(maker, rule, -step))
    elif lines(maker.contract, rule):
        yield from _by_lines(maker, rule)
    else:
        yield from _of_keys(maker, rule)


def _of_keys(maker: Maker, rule: Rule) -> Iterator[Mutation]:
    if rule.id == DUPLICATE:
        yield Mutation(rule, "the same row again", lambda n, at: Spoiled([_row(maker, n, at)] * 2, (False, True)))
    elif rule.id == SEEN:
        for back in (1, WEEKS_BACK):
            yield Mutation(rule, f"clean {back} weeks before", _seen(maker, back))
    elif rule.expectation == UNIQUE:
        twin = _twin(maker, rule)
        if twin:
            yield Mutation(rule, "another row with its key", twin)
    else:
        for how, text in UNREADABLE[maker.contract.column(rule.columns[0]).physical_type].items():
            yield Mutation(rule, how, _cell(maker, rule, text))


def _by_lines(maker: Maker, rule: Rule) -> Iterator[Mutation]:
    of_row = [line for line in maker.demands if maker.contract.rule(line.rule).scope == "row"]
    for how, line in broken(maker.contract, rule).items():
        template, also = relaxed(maker.contract, of_row, line, 1)
        named = rule.columns[0] if rule.columns[0] in maker.ids else None
        value = line.high if np.isfinite(line.high) else line.low

        def rows(number: int, at: int, row=template[0], name=named, value=value) -> Spoiled:  # noqa: ANN001
            cells = {} if name is None else {name: str(int(value))}
            return Spoiled([_row(maker, number, at, row) | cells])

        yield Mutation(rule, how, rows, also=also)


def _row(maker: Maker, number: int, at: int, template: Mapping[str, float] | None = None) -> Row:
    return as_texts(maker.full(number, at, template)).to_pylist()[0]


def _cell(maker: Maker, rule: Rule, text: str | None) -> Callable[[int, int], Spoiled]:
    return lambda number, at: Spoiled([_row(maker, number, at) | {rule.columns[0]: text}])


def _off(maker: Maker, rule: Rule, by: int) -> Callable[[int, int], Spoiled]:
    def rows(number: int, at: int) -> Spoiled:
        row = _row(maker, number, at)
        return Spoiled([row], off={int(str(row[rule.kwargs["key"]])): by})

    return rows


def _seen(maker: Maker, back: int) -> Callable[[int, int], Spoiled]:
    return lambda number, at: Spoiled([_row(maker, number, at)], seen=(back, maker.full(number, at)))


def _twin(maker: Maker, rule: Rule) -> Callable[[int, int], Spoiled] | None:
    """Two rows that agree where they must not, and differ elsewhere; None where a row has nothing else."""
    contract, columns = maker.contract, set(rule.kwargs["column_list"])
    if not set(contract.unique_key) <= columns:
        return lambda number, at: Spoiled(
            [
                _row(maker, number, at),
                _row(maker, number, at + 1) | {name: _row(maker, number, at)[name] for name in columns},
            ],
            (True, True),
        )
    free = [column for column in contract.columns if column.name not in columns]
    if not free:
        return None
    for column in free:
        pool = maker.texts.get(column.name, ["true", "false"] if column.physical_type == "BOOLEAN" else [])
        if len(pool) > 1:
            return lambda number, at, name=column.name, pool=pool: _twins(
                _row(maker, number, at), {name: next(text for text in pool if text != _row(maker, number, at)[name])}
            )
    one = maker.templates[0]
    fixed = {name: one[name] for name in columns if name in one and name not in maker.ids}
    others = (solve(contract, maker.demands, np.random.default_rng(seed), fixed) for seed in range(99, 199))
    loose = [each.name for each in free if each.name in one and each.name not in maker.ids]
    other = next(row for row in others if any(row[name] != one[name] for name in loose))
    return lambda number, at: _twins(_row(maker, number, at), _row(maker, number, at, other))


def _twins(row: Row, cells: Row) -> Spoiled:
    return Spoiled([row, row | cells], (True, True))
