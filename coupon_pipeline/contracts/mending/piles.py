"""Sums waiting rows up by rule: how many, since when, one example, where it came from, and what to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.contract import MASK, Contract
from coupon_pipeline.contracts.mending.waiting import NO_KEY, WEEK
from coupon_pipeline.tables import Store


@dataclass(frozen=True)
class Pile:
    """The rows of a table that wait because of one rule.

    `share` (0..1) is their part of the rows that came in the weeks in which they came; of `no_key` of them nobody can
    tell whether they came again. `example` and its source are those of the first row, personal data masked.
    """

    table: str
    rule: str
    rows: int
    no_key: int
    share: float
    first_week: str
    last_week: str
    example: str
    source_file: str | None
    source_row: int | None
    todo: str


def piles(store: Store, contract: Contract, rows: pa.Table, only: str | None = None) -> list[Pile]:
    """The waiting rows of a table by rule, or by one `only`, the most first; a row counts under each rule it breaks."""
    broken = [each.split(",") for each in rows["_rule"].to_pylist()]
    names = sorted({rule for rules in broken for rule in rules if only in (None, rule)})
    found = [_pile(store, contract, rows, rule, np.array([rule in rules for rules in broken])) for rule in names]
    return sorted(found, key=lambda pile: (-pile.rows, pile.rule))


def came(store: Store, table: str, weeks: Collection[str]) -> int:
    """Rows of a table that were judged in some weeks: those that landed and those that were let in again."""
    layers = [(layer, week) for week in weeks for layer in ("raw", "replays")]
    return sum(store.row_count(layer, table, week) for layer, week in layers if store.path(layer, table, week).exists())


def _pile(store: Store, contract: Contract, rows: pa.Table, rule: str, marks: np.ndarray) -> Pile:
    own = rows.filter(pa.array(marks))
    weeks = sorted(set(own[WEEK].to_pylist()))
    [first] = own.slice(0, 1).to_pylist()
    return Pile(
        contract.name,
        rule,
        own.num_rows,
        sum(own[NO_KEY].to_pylist()),
        own.num_rows / max(came(store, contract.name, weeks), 1),
        weeks[0],
        weeks[-1],
        _example(contract, rule, first),
        first["_source_file"],
        first["_source_row"],
        _todo(contract, rule),
    )


def _example(contract: Contract, rule: str, row: dict[str, str | None]) -> str:
    """The cells that a rule reads; not cut out of `_value`, where a cell may look like the name of another."""
    known = {each.id: each.columns for each in contract.rules}
    shown = {name: MASK if contract.column(name).personal else row[name] for name in known.get(rule, ())}
    return "; ".join(f"{name}={'null' if cell is None else cell}" for name, cell in shown.items())


def _todo(contract: Contract, rule: str) -> str:
    known = {each.id: each for each in contract.rules}
    if rule not in known:
        return f"No rule of today's contract: let the rows in again, or ask {contract.owner}"
    found = known[rule]
    return " ".join([f"{found.reason.rstrip('.')}.", found.impact, f"Ask {contract.owner}"])
