"""The private list of injected faults: what was done to which row or file, and which rule should catch it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.simulation.feeds.text import joined

HARMLESS: Final = "harmless"
"""Instead of a rule: a fact that every user of the data must live with."""
LANDING: Final = "landing"
"""Instead of a rule: the connector must refuse the delivery."""
VOLUME: Final = "volume"
"""Instead of a rule: rows are missing, which only a bound on a file's rows can tell."""
SCHEMA: Final = pa.schema({name: pa.string() for name in ("fault", "table", "key", "rule", "delivered_in", "note")})
"""`table` and the columns in `key` (`name=value`, joined by commas) are those of the contracts."""


def listed(fault: str, table: str, rule: str, keys: pa.Table, week: str, note: str | pa.ChunkedArray) -> pa.Table:
    """One entry per row of `keys`."""
    rows = keys.num_rows
    same = {"fault": fault, "table": table, "rule": rule, "delivered_in": week}
    columns: dict[str, Any] = {name: pa.array([value] * rows, pa.string()) for name, value in same.items()}
    columns["note"] = pa.array([note] * rows, pa.string()) if isinstance(note, str) else note
    columns["key"] = _keys(keys) if rows else pa.array([], pa.string())
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def of_files(fault: str, table: str, rule: str, paths: Sequence[str], week: str, note: str) -> pa.Table:
    """One entry per file, named by its path below the feeds."""
    return listed(fault, table, rule, pa.table({"path": pa.array(paths, pa.string())}), week, note)


def _keys(keys: pa.Table) -> Any:
    parts: list[Any] = []
    for name in keys.column_names:
        texts = pc.call_function("coalesce", [keys[name].cast(pa.string()), pa.scalar("null")])
        if pa.types.is_timestamp(keys.schema.field(name).type):
            options = pc.ReplaceSubstringOptions(".000000", "")
            texts = pc.call_function("replace_substring", [texts], options)
        parts += [f"{', ' if parts else ''}{name}=", texts]
    return joined(*parts)


def together(parts: Iterable[pa.Table]) -> pa.Table:
    """One list of several, in a fixed order."""
    whole = pa.concat_tables([SCHEMA.empty_table(), *parts])
    return whole.sort_by([(name, "ascending") for name in SCHEMA.names]).combine_chunks()
