"""The Parquet store: one file per layer, table and week, and the one cut that keeps the future out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coupon_pipeline.contracts import reader, sql
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.erasures.rule import ERASED_AT, HOUSEHOLD, Rule
from coupon_pipeline.files import replacing
from coupon_pipeline.weeks import Calendar

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as types

ERASURES = ("erasures", "households")
"""Layer and table of the erased households, in the week in which their erasure became known."""
DIGEST = b"digest"
VALID_FROM = "valid_from"
"""In the key of a change log: the first day on which a change holds; of several that hold, the last one counts."""


class MissingTableError(LookupError):
    """A table that the source does not deliver and that nothing works without."""


class MissingWeekError(FileNotFoundError):
    """A week of a table that is needed and was never delivered."""


def write_parquet(path: Path, rows: pa.Table, digest: str) -> None:
    """Replace a file by rows, atomically; the same rows and digest give the same bytes."""
    with replacing(path) as temporary:
        # Last, also where the rows were read from a file: the order of the keys is part of the bytes.
        told = {key: value for key, value in (rows.schema.metadata or {}).items() if key != DIGEST}
        marked = rows.replace_schema_metadata({**told, DIGEST: digest.encode()})
        pq.write_table(marked, temporary, compression="zstd")


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of one file, all columns or some, without columns from the names of its folders."""
    return pq.ParquetFile(path).read(columns)


def read_digest(path: Path) -> str | None:
    """What a file was made from; None where it is missing or unreadable."""
    return read_metadata(path).get(DIGEST, b"").decode() or None


def read_metadata(path: Path) -> Mapping[bytes, bytes]:
    """What a file says of itself; nothing where it is missing or unreadable."""
    try:
        return pq.read_metadata(path).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}


@dataclass(frozen=True)
class Store:
    """The tables of one source below `root`, as `<layer>/<table>/week=<W>/part.parquet`."""

    root: Path
    calendar: Calendar
    threads: int = 2
    memory_limit: str = "1GB"
    delivered: tuple[str, ...] | None = None
    """The tables that the source delivers; None: all that have a contract."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that the source delivers."""
        return reader.names() if self.delivered is None else self.delivered

    def delivers(self, table: str) -> bool:
        """Whether the source has a table at all; an optional one that it has not is empty for every reader.

        Raises MissingTableError for a mandatory table that it has not.
        """
        if table in self.tables:
            return True
        if reader.load(table).mandatory:
            raise MissingTableError(
                f"the source of {self.root} delivers no {table}, which its contract calls mandatory: add the table to "
                "the source"
            )
        return False

    def path(self, layer: str, table: str, week: str) -> Path:
        """Where a week of a table lies, whether it exists or not."""
        return self.root / layer / table / f"week={week}" / "part.parquet"

    def write(self, layer: str, table: str, week: str, rows: pa.Table, digest: str) -> Path:
        """Replace a week of a table, atomically; `digest` says what it was made from."""
        path = self.path(layer, table, self.calendar.check(week))
        write_parquet(path, rows, digest)
        return path

    def read(self, layer: str, table: str, week: str, columns: list[str] | None = None) -> pa.Table:
        """A week of a table, all columns or some; raises MissingWeekError if it was never delivered."""
        return read_parquet(self._existing(layer, table, week), columns)

    def digest(self, layer: str, table: str, week: str) -> str | None:
        """What a week of a table was made from; None where it is missing or unreadable."""
        return read_digest(self.path(layer, table, week))

    def metadata(self, layer: str, table: str, week: str) -> Mapping[bytes, bytes]:
        """What a week of a table says of itself; nothing where it is missing or unreadable."""
        return read_metadata(self.path(layer, table, week))

    def row_count(self, layer: str, table: str, week: str) -> int:
        """Rows in a week of a table, from the file's footer."""
        return pq.read_metadata(self._existing(layer, table, week)).num_rows

    def latest(self, layer: str, table: str) -> str:
        """The last week of a table; raises MissingWeekError if it has none."""
        for week in reversed(self.calendar.weeks):
            if self.path(layer, table, week).exists():
                return week
        raise MissingWeekError(f"{layer}/{table} has no week yet: run the job `backfill`, or `make run`")

    def gaps(self, table: str, until_week: str) -> tuple[str, ...]:
        """The weeks up to and including `until_week` without clean rows of a table; none where it is not delivered."""
        if not self.delivers(table):
            return ()
        weeks = (week for week in self.calendar.weeks if week <= until_week)
        return tuple(week for week in weeks if not self.path("clean", table, week).exists())

    def age(self, table: str, week: str) -> int:
        """How many weeks before `week` the last one of a table with clean rows lies; 0 where it is that week."""
        gaps = set(self.gaps(table, week))
        until = [one for one in self.calendar.weeks if one <= week]
        return next((age for age, one in enumerate(reversed(until)) if one not in gaps), len(until))

    def erased(self) -> np.ndarray:
        """The households whose erasure is known, whatever the week: int64, sorted, each once."""
        layer, table = ERASURES
        files = sorted((self.root / layer / table).glob("week=*/part.parquet"))
        found = [read_parquet(path, [HOUSEHOLD])[HOUSEHOLD].to_numpy() for path in files]
        return np.unique(np.concatenate([np.empty(0, np.int64), *found]))

    def as_of(self, instant: datetime) -> AsOf:
        """What was known before `instant` (naive UTC): the only way to read clean tables for a decision."""
        return AsOf(self, instant)

    def _existing(self, layer: str, table: str, week: str) -> Path:
        path = self.path(layer, table, week)
        if not path.exists():
            raise MissingWeekError(
                f"{layer}/{table} has no week {week}: run the job `backfill` over a range that holds it, or `make run`"
            )
        return path


class AsOf:
    """The clean tables as they were known just before an instant, as Ibis expressions on one DuckDB connection.

    Whatever the instant, of households whose erasure is known today there is nothing but the rows in `customers` that
    say so. A sale stays, without its household.
    """

    def __init__(self, store: Store, instant: datetime) -> None:
        import ibis

        self.store = store
        self.instant = instant
        self.erased = store.erased()
        self.connection = ibis.duckdb.connect(threads=store.threads, memory_limit=store.memory_limit)
        self.connection.raw_sql("set enable_progress_bar = false")

    def table(self, name: str) -> ibis.Table:
        """All rows of a log with `known_at` before the instant; raises MissingWeekError for a gap in its weeks.

        An optional table that the source does not deliver has no rows, nor has a week of one that was not fit to use.
        """
        return self._known(name).drop("file_row_number")

    def state(
        self,
        name: str,
        valid_at: date | None = None,
        where: Callable[[ibis.Table], ibis.Table] | None = None,
    ) -> ibis.Table:
        """The last known row per key of a change log that has not ended; ties go to the later source row.

        An erased household has ended.

        Where `valid_from` is part of the key, the last change of the rest of the key that holds on the store-local day
        `valid_at`, by default that of the instant. `where` cuts the log first, for speed, by columns that never change
        for a key.
        """
        import ibis

        rows = self._known(name)
        key = list(reader.load(name).key)
        rows = _last(rows if where is None else where(rows), key, "known_at", "file_row_number")
        rows = rows.filter(~rows.is_deleted.fill_null(False))
        if HOUSEHOLD in key and len(self.erased):
            rows = rows.filter(~self._is_erased(rows))
        if VALID_FROM in key:
            day = self.day() if valid_at is None else ibis.date(valid_at)
            rest = [column for column in key if column != VALID_FROM]
            rows = _last(rows.filter(rows.valid_from <= day), rest, VALID_FROM)
        return rows.drop("file_row_number", "is_deleted")

    def _known(self, name: str) -> ibis.Table:
        import ibis

        weeks = self.store.calendar.known_before(self.instant)
        paths = self._paths(name, weeks) if self.store.delivers(name) else []
        if not paths:
            schema = ibis.schema({**sql.ibis_schema(reader.load(name)), "file_row_number": "int64"})
            return ibis.memtable([], schema=schema)
        rows = self.connection.read_parquet(paths, hive_partitioning=False, file_row_number=True)
        known = rows.filter(rows.known_at < ibis.literal(self.instant))
        return self._without_erased(known, reader.load(name)) if len(self.erased) else known

    def _paths(self, name: str, weeks: Sequence[str]) -> list[str]:
        """The files of a table that is delivered; a mandatory one has all weeks, an optional one the fit ones."""
        if not weeks:
            raise MissingWeekError(f"nothing of {name} was known before {self.instant}: the calendar starts later")
        if reader.load(name).mandatory:
            return [str(self.store._existing("clean", name, week)) for week in weeks]
        paths = [self.store.path("clean", name, week) for week in weeks]
        return [str(path) for path in paths if path.exists()]

    def _without_erased(self, rows: ibis.Table, contract: Contract) -> ibis.Table:
        import ibis

        if HOUSEHOLD not in rows.columns:
            return rows
        erased, rule = self._is_erased(rows), Rule.of(contract)
        if rule.drops:
            # What says that it is erased stays, and of that nothing else.
            rows = rows.filter(~erased | rows[ERASED_AT].notnull() if rule.keeps_erasure else ~erased)
        return rows.mutate(
            **{name: ibis.ifelse(erased, ibis.null(rows[name].type()), rows[name]) for name in rule.blanks}
        )

    def _is_erased(self, rows: ibis.Table) -> types.BooleanValue:
        import ibis

        ids = ibis.memtable(pa.table({HOUSEHOLD: self.erased}), schema={HOUSEHOLD: "int64"})
        return rows[HOUSEHOLD].isin(ids[HOUSEHOLD]).fill_null(False)

    def day(self) -> types.DateValue:
        """The store-local day of the instant."""
        import ibis

        return ibis.date(self.store.calendar.local_day(self.instant))


def _last(rows: ibis.Table, key: list[str], *by: str) -> ibis.Table:
    """The row per key that comes last by some columns."""
    import ibis

    order = [rows[column].desc() for column in by]
    ranked = rows.mutate(_age=ibis.row_number().over(group_by=key, order_by=order))
    return ranked.filter(ranked._age == 0).drop("_age")
