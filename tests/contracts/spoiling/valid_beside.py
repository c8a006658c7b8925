"""What generated weeks are judged beside: keys that other tables know, what these add up to, the weeks before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tests.contracts.spoiling.valid import CALENDAR, LATER, UNKNOWN, Maker, as_texts, week

from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.judging.reconciling import MEASURE
from coupon_pipeline.contracts.judging.references import Reference
from coupon_pipeline.contracts.judging.seen import hashed
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK, Past, Surroundings
from coupon_pipeline.contracts.judging.table_rules import profile


def surroundings(
    maker: Maker,
    tables: Mapping[str, pa.Table],
    off: Mapping[str, Mapping[int, int]] = MappingProxyType({}),
    seen: Mapping[int, pa.Table] = MappingProxyType({}),
) -> Surroundings:
    """What the weeks in `tables`, as types or as text, are valid beside.

    `off` changes what a rule reconciles with: rule id -> key -> by how much. `seen` has rows whose keys were clean so
    many weeks before week 0.
    """
    contract, first = maker.contract, min(tables)
    texts = [as_texts(table) for table in tables.values()]
    keys: dict[str, list[np.ndarray]] = {}
    for column, target in contract.references.items():
        keys.setdefault(target, []).extend(_whole(table, column) for table in texts)
    measures = {
        rule.id: _measure(rule, dict(zip(tables, texts, strict=True)), off.get(rule.id, {}))
        for rule in contract.rules
        if rule.expectation == kinds.RECONCILE
    }
    past = tuple(_past(maker, back, seen.get(back)) for back in range(WEEKS_BACK, 0, -1))
    references = {target: _reference(np.concatenate(found), first) for target, found in keys.items()}
    return Surroundings(CALENDAR.opens_at, CALENDAR.decision_time, references, measures, past)


def _whole(table: pa.Table, column: str) -> np.ndarray:
    """The cells that are whole numbers, as int64."""
    cells = table.column(column) if column in table.column_names else pa.chunked_array([[]], pa.string())
    options = pc.MatchSubstringOptions(r"^[+-]?[0-9]{1,18}$")
    cells = cells.filter(pc.call_function("match_substring_regex", [cells], options).fill_null(False))
    return cells.cast(pa.int64()).to_numpy()


def _reference(keys: np.ndarray, first: str) -> Reference:
    known = np.unique(keys[(keys < UNKNOWN) | (keys >= LATER)])
    later = str(date.fromisoformat(first) + timedelta(weeks=100))
    return Reference(known, np.where(known >= LATER, later, first))


def _measure(rule: Rule, texts: Mapping[str, pa.Table], off: Mapping[int, int]) -> pa.Table:
    parts = [MEASURE.empty_table()]
    for name, table in texts.items():
        if not {rule.kwargs["key"], rule.kwargs["column"]} <= set(table.column_names):
            continue
        rows = zip(*(table.column(rule.kwargs[each]).to_pylist() for each in ("key", "column")), strict=True)
        whole = {int(key): int(value) for key, value in rows if _is_whole(key) and _is_whole(value)}
        values = [value + off.get(key, 0) for key, value in whole.items()]
        columns = [list(whole), [date.fromisoformat(name)] * len(whole), values]
        parts.append(pa.table([pa.array(*each) for each in zip(columns, MEASURE.types, strict=True)], schema=MEASURE))
    return pa.concat_tables(parts)


def _is_whole(text: str | None) -> bool:
    return text is not None and re.fullmatch(r"-?[0-9]{1,18}", text) is not None


def _past(maker: Maker, back: int, seen: pa.Table | None) -> Past:
    table = maker.table(-back)
    keys = hashed(table, maker.contract.key)
    if seen is not None:
        keys = np.concatenate([keys, hashed(seen, maker.contract.key)])
    return Past(week(-back), profile(maker.contract, table, table.num_rows), keys)
