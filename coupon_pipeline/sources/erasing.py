"""What a source itself keeps of its households: the numbers of text ids, and dumps that arrived."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.contracts import reader
from coupon_pipeline.erasures.rule import (
    HOUSEHOLD,
    Rule,
    blanked,
    matches,
)
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.columns import Column
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.ledgered import (
    opened,
    systems_of,
    there_is_a_ledger,
)
from coupon_pipeline.sources.source import Source
from coupon_pipeline.sources.values import to_text
from coupon_pipeline.tables import Store


def number_of(source: Source, text: str) -> int | None:
    """The number of a household whose id the grocer writes like this; None where no household can have it."""
    source = systems_of(source)
    if isinstance(source, Connected):
        for entity in sorted(_entities(source)):
            [number] = source.identifiers.found(entity, [text])
            if number is not None:
                return number
        if _entities(source):
            return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def forget(source: Source, households: np.ndarray) -> None:
    """Remove households (int64) from what the source keeps; killed at any point, it can run again."""
    source = systems_of(source)
    if not isinstance(source, Connected) or not len(households):
        return
    for table, spec in source.config.tables.items():
        column = spec.columns.get(HOUSEHOLD)
        if spec.known_at.arrival and column is not None and column.column is not None:
            source.state.erase(table, lambda rows, table=table: _left(source, table, rows, households))
    for entity in _entities(source):
        source.identifiers.erase(entity, households.tolist())


def forget_in_ledger(settings: Settings, store: Store, households: np.ndarray) -> None:
    """Remove households (int64) from the source's ledger, if it has one: open coupons are void, the books stay."""
    if not len(households) or not there_is_a_ledger(settings):
        return
    last = store.calendar.decision_time(store.calendar.weeks[-1])
    with opened(settings, lambda: to_epoch(last) - 1) as ledger:
        for household in households.tolist():
            ledger.erase(household)


def kept(source: Source) -> list[Path]:
    """The files in which a source keeps dumps that arrived."""
    source = systems_of(source)
    return source.state.files() if isinstance(source, Connected) else []


def _entities(source: Connected) -> set[str]:
    """What a household's text id is called where numbers are given; empty where ids are numbers."""
    columns = (spec.columns.get(HOUSEHOLD) for spec in source.config.tables.values())
    return {column.id for column in columns if column is not None and column.id is not None}


def _left(source: Connected, table: str, rows: pa.Table, households: np.ndarray) -> pa.Table:
    """A dump, in the system's columns, by the rule that holds for the contract's."""
    contract, spec = reader.load(table), source.config.tables[table].columns
    rule = Rule.of(contract)
    named = matches(contract, pa.table({HOUSEHOLD: _numbers(source, spec[HOUSEHOLD], rows)}), households)
    if not named.any():
        return rows
    if rule.drops:
        return rows.filter(pa.array(~named)).combine_chunks()
    columns = {spec[name].column for name in rule.blanks if name in spec}
    return blanked(rows, named, [at for at, name in enumerate(rows.column_names) if name in columns])


def _numbers(source: Connected, column: Column, rows: pa.Table) -> pa.ChunkedArray:
    cells = rows[str(column.column)]
    if column.id is None:
        return cells
    return pa.chunked_array([pa.array(source.identifiers.found(column.id, to_text(cells).to_pylist()), pa.int64())])
