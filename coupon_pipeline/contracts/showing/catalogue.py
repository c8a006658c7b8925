"""What people read about each table: a page per contract and an index, in Markdown, from the contracts alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from coupon_pipeline.contracts.arrow import TYPES
from coupon_pipeline.contracts.contract import Column, Contract, Promise, Rule

INDEX: Final = "README.md"
KINDS: Final = {
    "fact": "facts: each row comes once",
    "change_log": "change log: a row each time that something changed",
}
MANDATORY: Final = {
    True: "yes: a blocked week stops the cycle",
    False: "no: a source may leave it out, and a blocked week lets the cycle go on without it",
}
UNITS: Final = {"h": "hour", "d": "day", "w": "week", "m": "month", "y": "year"}
PLAIN: Final = re.compile(r"([\\`*<\[|$])")
"""What Markdown would read as markup within a line."""


def pages(contracts: Sequence[Contract], uses: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """File name -> text of every page; `uses` says, for some tables, what they are used for."""
    described = {f"{each.name}.md": page(each, contracts, uses.get(each.name, ())) for each in contracts}
    return {INDEX: index(contracts), **described}


def index(contracts: Sequence[Contract]) -> str:
    """The list of all tables."""
    rows = [
        (
            f"[`{each.name}`]({each.name}.md)",
            _text(each.domain),
            _text(each.owner),
            each.kind.replace("_", " "),
            "yes" if each.mandatory else "no",
            str(len(each.rules)),
            f"{each.quarantine_max_percent:g} %",
        )
        for each in contracts
    ]
    heads = ("table", "domain", "owner", "kind", "mandatory", "rules", "bad rows allowed")
    return _lines(
        [
            "# The tables and their contracts",
            "",
            "`make docs` writes these pages from `data_contracts/`; a change belongs there.",
            "",
            *_table(heads, rows),
        ]
    )


def page(contract: Contract, contracts: Sequence[Contract], uses: Sequence[str]) -> str:
    """The page of one table; `contracts` are all, for the links between them."""
    return _lines(
        [
            f"# {_text(contract.title)}",
            "",
            f"`make docs` writes this page from [the contract](../../data_contracts/{contract.name}.odcs.yaml); "
            "a change belongs there.",
            "",
            _text(contract.description),
            *(["", f"**Limits.** {_text(contract.limitations)}"] if contract.limitations else []),
            "",
            *_table((f"`{contract.name}`", ""), _facts(contract)),
            *(["", "## Promises", "", *_promises(contract.promises)] if contract.promises else []),
            "",
            "## Columns",
            "",
            *_table(("column", "type", "unit", "meaning", "examples"), map(_column, contract.columns)),
            "",
            "The type is that of DuckDB, then that of Arrow; *null* marks a column that may be empty, and **personal** "
            "one whose values no report shows.",
            "",
            "## Rules",
            "",
            *_table(("rule", "what must hold", "dimension", "action", "why"), map(_rule, contract.rules)),
            "",
            "*quarantine* sets the row aside, *block* keeps the whole week from being published, *warn* only tells.",
            "",
            "## Where it belongs",
            "",
            *_lineage(contract, contracts, uses),
        ]
    )


def _facts(contract: Contract) -> Iterator[tuple[str, str]]:
    yield "contract", f"{_text(contract.id)}, version {_text(contract.version)}"
    yield "domain", _text(contract.domain)
    yield "owner", _text(contract.owner)
    yield "kind", KINDS[contract.kind]
    yield "one row is", _text(contract.granularity)
    yield "key", ", ".join(f"`{name}`" for name in contract.key)
    yield "mandatory", MANDATORY[contract.mandatory]
    few = f", or fewer than {contract.quarantine_min_rows} rows" if contract.quarantine_min_rows > 1 else ""
    yield "bad rows allowed", f"{contract.quarantine_max_percent:g} % of a week{few}"


def _promises(promises: Iterable[Promise]) -> list[str]:
    return _table(("promise", "within or every", "of"), map(_promise, promises))


def _promise(promise: Promise) -> tuple[str, str, str]:
    unit = UNITS.get(promise.unit, promise.unit)
    plural = "s" if unit in UNITS.values() and promise.value != "1" else ""
    of = f"`{promise.element}`" if promise.element else ""
    return promise.property, f"{_text(promise.value)} {unit}{plural}".strip(), of


def _column(column: Column) -> tuple[str, ...]:
    type_ = f"{column.physical_type}, {TYPES[column.physical_type]}{'' if column.required else ', *null*'}"
    meaning = _text(column.description)
    if column.personal:
        meaning = f"**personal ({_text(str(column.classification))})**: {meaning}"
    if column.enum:
        meaning = f"{meaning}; one of {_codes(column.enum)}"
    return f"`{column.name}`", type_, _text(column.unit), meaning, _codes(column.examples)


def _rule(rule: Rule) -> tuple[str, ...]:
    pattern = rule.kwargs.get("regex")
    holds = _text(rule.reason)
    if isinstance(pattern, str):
        holds = f"{_text(rule.reason.removesuffix(pattern))} {_codes([pattern])}"
    return f"`{rule.id}`", holds, rule.dimension, rule.action, _text(rule.impact)


def _lineage(contract: Contract, contracts: Sequence[Contract], uses: Sequence[str]) -> Iterator[str]:
    others = [each for each in contracts if each.name != contract.name]
    to = [(rule.other, _link(rule)) for rule in contract.rules if rule.other not in (None, contract.name)]
    by = [
        (each.name, f"[`{each.name}`]({each.name}.md) by `{rule.id}`")
        for each in others
        for rule in each.rules
        if rule.other == contract.name
    ]
    yield f"- refers to: {_joined(text for _, text in sorted(to))}"
    yield f"- referred to by: {_joined(text for _, text in sorted(by))}"
    yield f"- used for: {_joined(map(_text, uses))}"


def _link(rule: Rule) -> str:
    return f"[`{rule.reference}`]({rule.other}.md) by `{rule.id}`"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "nothing"


def _text(text: str) -> str:
    """Text as Markdown that reads the same, in one line."""
    return PLAIN.sub(r"\\\1", " ".join(text.split()))


def _codes(values: Iterable[Any]) -> str:
    """Values in code spans, which a table cell splits at a bar that is not escaped."""
    return ", ".join(f"`{str(value).replace('|', chr(92) + '|')}`" for value in values)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
