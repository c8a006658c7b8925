"""The connector for files that other systems drop into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.formats import read_file
from coupon_pipeline.sources.listing import Listing
from coupon_pipeline.sources.rows import Rows, Window, no_rows, stamped
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.starting import Starter
from coupon_pipeline.sources.systems import FilesSystem


class Files:
    """Reads the files of one folder; their times are never read, the path alone tells when a file was known."""

    def __init__(self, system: FilesSystem, root: Path, starter: Starter) -> None:
        self.system = system
        self.root = root
        self.starter = starter
        self.listing = Listing(root)
        self._listed: tuple[str, ...] = ()
        self._by_day: dict[str, dict[date, list[str]]] = {}

    def prepare(self) -> None:
        """Make the folder by the system's command where it is missing; raises SourceError."""
        self.starter.make(self.system, self.root)
        if not self.root.is_dir():
            raise SourceError(f"the folder {self.root} is missing: set `root` of the system to where its files are")

    def rows(self, table: TableConfig, window: Window) -> Rows | None:
        """The rows of the week's files, by path and line; those of the newest dump where the table is one."""
        if table.known_at.path is None:
            return self._of_column_or_arrival(table, window)
        days = self._days(table)
        missing = [day for day in window.days if day not in days] if table.required_days else []
        if missing:
            raise SourceError(f"no file of {missing[0]} in {self.root}: it must be sent, or `required_days` be removed")
        delivered = [day for day in window.days if day in days]
        if table.delivery == "full":
            if not delivered:
                return None
            delivered = delivered[-1:]
        return self._read(table, window, {path: day for day in delivered for path in days[day]})

    def before(self, table: TableConfig, window: Window) -> Rows | None:
        """The rows of the newest dump before the week."""
        days = self._days(table)
        earlier = [day for day in days if day < window.days[0]]
        return self._read(table, window, dict.fromkeys(days[max(earlier)], max(earlier))) if earlier else None

    def inputs(self, table: TableConfig, window: Window) -> list[Any]:
        """Path, size and digest of each file that `rows` and `before` read."""
        if table.known_at.arrival:
            return []  # what arrived stays as it was
        if table.known_at.path is None:
            return [self.listing.digest(path) for path in self._matching(table)]
        days = self._days(table)
        read = [day for day in days if day in window.days]
        if table.delivery == "full":
            earlier = [day for day in days if day < window.days[0]]
            read = [*read, *([max(earlier)] if earlier else [])]
        return [self.listing.digest(path) for day in sorted(read) for path in days[day]]

    def _of_column_or_arrival(self, table: TableConfig, window: Window) -> Rows:
        found = self._read(table, window, dict.fromkeys(self._matching(table), window.days[-1]))
        if table.known_at.column is None:
            return found
        known_at = found.cells[table.known_at.column]
        return Rows(found.cells, known_at, found.lineage).known_in(window, table.known_at.time)

    def _read(self, table: TableConfig, window: Window, files: Mapping[str, date]) -> Rows:
        parts = [self._file(table, path) for path in sorted(files)]
        if not parts:
            return no_rows(table, window)
        instants = [
            stamped(cells, window.end_of(files[path])) for path, (cells, _) in zip(sorted(files), parts, strict=True)
        ]
        known_at = pa.chunked_array([chunk for rows in instants for chunk in rows.known_at.chunks])
        empty = tuple(path for path, (cells, _) in zip(sorted(files), parts, strict=True) if not cells.num_rows)
        lineage = Lineage(tuple(run for _, origin in parts for run in origin.runs), empty)
        return Rows(pa.concat_tables([cells for cells, _ in parts]).combine_chunks(), known_at, lineage)

    def _file(self, table: TableConfig, path: str) -> tuple[pa.Table, Lineage]:
        try:
            cells, numbers = read_file(self.root / path, table)
        except SourceError as error:
            raise SourceError(f"{path}: {error}") from error
        return cells, Lineage.numbered(path, numbers)

    def _matching(self, table: TableConfig) -> Sequence[str]:
        return [path for path in self.listing.files() if table.pattern.fullmatch(path)]

    def _days(self, table: TableConfig) -> Mapping[date, list[str]]:
        """Day -> the table's files that were known on it; matched again only where files have come or gone."""
        files = self.listing.files()
        if files is not self._listed:
            self._listed, self._by_day = files, {}
        if table.pattern.pattern not in self._by_day:
            found: dict[date, list[str]] = {}
            for path in files:
                match = table.pattern.fullmatch(path)
                if match is not None:
                    found.setdefault(_day(path, match["day"]), []).append(path)
            self._by_day[table.pattern.pattern] = found
        return self._by_day[table.pattern.pattern]


def _day(path: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SourceError(
            f"{path}: {text!r} is no day: the group `day` of known_at.path must find YYYY-MM-DD"
        ) from error
