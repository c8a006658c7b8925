"""Rewrites every file that still holds an erased household; each file is whole before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.published import PROFILE
from coupon_pipeline.contracts.judging.table_rules import (
    EMPTY,
    ROWS,
    profile,
)
from coupon_pipeline.erasures.households import Erasures
from coupon_pipeline.erasures.rule import HOUSEHOLD, Erased, Rule, matches
from coupon_pipeline.tables import (
    ERASURES,
    Store,
    read_digest,
    read_parquet,
    write_parquet,
)

DELIVERED = ("raw", "clean", "quarantine", "replays")
"""Layers whose tables have a contract."""
COUNTED = b"counted"
"""In a quarantine's metadata: the list of erasures after which `_row` is counted."""
ROW = "_row"


def rewrite(store: Store, erasures: Erasures) -> int:
    """Remove the erased households from all tables and training rows of a source; returns how many files changed.

    A file's digest stays, so that nothing counts as stale for it. Killed at any point, it ends the same when it runs
    again with the same list.
    """
    weeks = ((reader.load(table), week) for table in reader.names() for week in store.calendar.weeks)
    changed = sum(_rewrite_week(store, erasures, contract, week) for contract, week in weeks)
    return changed + sum(_without_rows(path, erasures.households) for path in _derived(store.root))


def _rewrite_week(store: Store, erasures: Erasures, contract: Contract, week: str) -> int:
    """The four files of a table's week. Raw comes last: its rows are what the quarantine's positions refer to."""
    paths = {layer: store.path(layer, contract.name, week) for layer in DELIVERED}
    held = {layer: path for layer, path in paths.items() if _holds(path, contract, erasures, week)}
    if not held:
        return 0
    left = {layer: _erased(path, layer, contract, erasures, week) for layer, path in held.items()}
    changed = _rewrite_quarantine(paths, left, erasures)
    for layer in ("clean", "replays", "raw"):
        if layer in left:
            changed += _replace(paths[layer], left[layer].rows)
    return changed


def _holds(path: Path, contract: Contract, erasures: Erasures, week: str) -> bool:
    """Whether a file may have to change: it names an erased household, or has to say that one is erased."""
    if not path.exists():
        return False
    if HOUSEHOLD not in pq.read_schema(path).names:
        return False
    if Rule.of(contract).keeps_erasure and week in erasures.weeks:
        return True
    return bool(matches(contract, read_parquet(path, [HOUSEHOLD]), erasures.households).any())


def _erased(path: Path, layer: str, contract: Contract, erasures: Erasures, week: str) -> Erased:
    before = read_parquet(path)
    added = erasures.rows(contract, week) if layer in ("raw", "clean") else None
    left = Rule.of(contract).erase(before, erasures.households, added)
    return replace(left, rows=_with_figures(left.rows, before, contract)) if PROFILE in _metadata(before) else left


def _with_figures(rows: pa.Table, before: pa.Table, contract: Contract) -> pa.Table:
    """Clean rows with the figures that the same rows would be published with."""
    figures = json.loads(_metadata(before)[PROFILE])
    count = figures.get(ROWS, before.num_rows) + rows.num_rows - before.num_rows
    told = json.dumps(dict(profile(contract, rows, count, figures.get(EMPTY, 0))), sort_keys=True).encode()
    return rows.replace_schema_metadata({**_metadata(rows), PROFILE: told})


def _metadata(rows: pa.Table) -> Mapping[bytes, bytes]:
    return rows.schema.metadata or {}


def _rewrite_quarantine(paths: dict[str, Path], left: dict[str, Erased], erasures: Erasures) -> int:
    """Rows that are gone from what was judged move the positions of those after them; once for each list."""
    path = paths["quarantine"]
    if not path.exists():
        return 0
    rows = left["quarantine"].rows if "quarantine" in left else read_parquet(path)
    counted = erasures.digest.encode()
    if ROW in rows.column_names and _metadata(rows).get(COUNTED) != counted:
        moved = _moved(rows[ROW], paths, left)
        if not moved.equals(rows[ROW]):
            rows = rows.set_column(rows.column_names.index(ROW), rows.schema.field(ROW), moved)
            rows = rows.replace_schema_metadata({**_metadata(rows), COUNTED: counted})
    return _replace(path, rows)


def _moved(positions: pa.ChunkedArray, paths: dict[str, Path], left: dict[str, Erased]) -> pa.ChunkedArray:
    """Where rows stand after the erasure: what was judged is the landed rows and then those that were let in again."""
    kept = [_kept(paths[layer], left.get(layer)) for layer in ("raw", "replays")]
    added = left["raw"].rows.num_rows - int(left["raw"].keep.sum()) if "raw" in left else 0
    places = np.concatenate([np.cumsum(kept[0]) - 1, np.cumsum(kept[1]) - 1 + kept[0].sum() + added])
    before = positions.to_numpy()
    known = before < len(places)
    after = before.copy()
    after[known] = places[before[known]]
    return pa.chunked_array([pa.array(after, pa.int64())])


def _kept(path: Path, found: Erased | None) -> np.ndarray:
    if found is not None:
        return found.keep
    return np.ones(pq.read_metadata(path).num_rows if path.exists() else 0, bool)


def _derived(root: Path) -> Iterator[Path]:
    """Files that no contract describes: features, coupons, training rows, all that is made from clean tables."""
    aside = (*DELIVERED, ERASURES[0], "state")
    for path in sorted(root.rglob("*.parquet")):
        if path.relative_to(root).parts[0] not in aside:
            yield path


def _without_rows(path: Path, households: np.ndarray) -> int:
    """Rows that are about a household go as a whole."""
    if HOUSEHOLD not in pq.read_schema(path).names:
        return 0
    named = np.isin(read_parquet(path, [HOUSEHOLD])[HOUSEHOLD].to_numpy(), households)
    return _replace(path, read_parquet(path).filter(pa.array(~named)).combine_chunks()) if named.any() else 0


def _replace(path: Path, rows: pa.Table) -> int:
    """Write a file again, with the digest that it has, unless it holds just that; returns whether it did."""
    if read_parquet(path).equals(rows, check_metadata=True):
        return 0
    write_parquet(path, rows, read_digest(path) or "")
    return 1
