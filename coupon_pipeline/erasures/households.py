"""The list of erased households: who, since when, and in which week that became known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.casting import cast
from coupon_pipeline.erasures.rule import ERASED_AT, HOUSEHOLD, tombstones
from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.tables import ERASURES, Store, read_parquet

LIST = pa.schema([pa.field(HOUSEHOLD, pa.int64(), nullable=False), pa.field(ERASED_AT, pa.timestamp("us"))])
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Erasures:
    """The erased households of a source."""

    store: Store
    weeks: Mapping[str, Mapping[int, datetime]]
    """Week -> household -> since when; a household is in the first week in which its erasure became known."""

    @classmethod
    def of(cls, store: Store) -> Self:
        """All erasures that are known."""
        weeks: dict[str, dict[int, datetime]] = {}
        seen: set[int] = set()
        for week in store.calendar.weeks:
            found = {household: at for household, at in listed(store, week).items() if household not in seen}
            seen.update(found)
            if found:
                weeks[week] = found
        return cls(store, weeks)

    @cached_property
    def households(self) -> np.ndarray:
        """Their numbers, int64, sorted."""
        return np.array(sorted(household for found in self.weeks.values() for household in found), np.int64)

    @cached_property
    def digest(self) -> str:
        """A digest of the list."""
        return fingerprint([[week, sorted(found)] for week, found in self.weeks.items()])

    def rows(self, contract: Contract, week: str) -> pa.Table:
        """What a table of households keeps in a week: its erasures, as known at the week's last instant."""
        known_at = pa.scalar(last_instant(self.store, week), pa.timestamp("us"))
        return tombstones(contract, _table(self.weeks.get(week, {})), known_at)


def last_instant(store: Store, week: str) -> datetime:
    """The last microsecond of a week, naive UTC."""
    return store.calendar.decision_time(week) - INSTANT


def listed(store: Store, week: str) -> dict[int, datetime]:
    """The households whose erasure is listed in a week, with the instant of each."""
    path = store.path(*ERASURES, week)
    rows = read_parquet(path) if path.exists() else LIST.empty_table()
    return dict(zip(rows[HOUSEHOLD].to_pylist(), rows[ERASED_AT].to_pylist(), strict=True))


def add(store: Store, week: str, found: Mapping[int, datetime]) -> int:
    """List households as erased in a week, unless they are listed in any; returns how many the week has."""
    folder = store.root.joinpath(*ERASURES)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        before = listed(store, week)
        known = set(store.erased().tolist())
        after = {**{household: at for household, at in found.items() if household not in known}, **before}
        if after != before or not store.path(*ERASURES, week).exists():
            rows = _table(after)
            store.write(*ERASURES, week, rows, fingerprint(rows[HOUSEHOLD].to_pylist()))
    return len(after)


def told_by(store: Store, contract: Contract, week: str) -> dict[int, datetime]:
    """The households that a week calls erased, in clean rows and in those that another rule has set aside.

    A wish that can be read is heard, whatever else is wrong with its row, and whether its week is fit to use or not.
    """
    wishes = [_wishes(store, contract, layer, week) for layer in ("quarantine", "clean")]
    return {household: at for found in wishes for household, at in found.items()}


def _wishes(store: Store, contract: Contract, layer: str, week: str) -> dict[int, datetime]:
    path = store.path(layer, contract.name, week)
    if not path.exists() or not {HOUSEHOLD, ERASED_AT} <= set(pq.read_schema(path).names):
        return {}
    columns = tuple(contract.column(name) for name in (HOUSEHOLD, ERASED_AT))
    rows = cast(replace(contract, columns=columns), read_parquet(path, [HOUSEHOLD, ERASED_AT]))[0].drop_null()
    return dict(zip(rows[HOUSEHOLD].to_pylist(), rows[ERASED_AT].to_pylist(), strict=True))


def _table(found: Mapping[int, datetime]) -> pa.Table:
    ordered = sorted(found.items())
    return pa.table([[household for household, _ in ordered], [at for _, at in ordered]], schema=LIST)
