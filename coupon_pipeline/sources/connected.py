"""A grocer's own systems as a source, as one YAML file describes them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.files import sha256_of
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.sources.changes import changed
from coupon_pipeline.sources.config import load
from coupon_pipeline.sources.connectors import Connectors
from coupon_pipeline.sources.identifiers import Identifiers
from coupon_pipeline.sources.mapping import mapped
from coupon_pipeline.sources.rows import Rows, Window, no_rows, stamped
from coupon_pipeline.sources.source import Assignment, Clock, EvaluationPlan, SourceError
from coupon_pipeline.sources.state import State
from coupon_pipeline.weeks import WEEK, Calendar


class Connected:
    """The tables of a YAML file, read by the connectors for files, databases and HTTP APIs."""

    def __init__(self, path: Path, data: Path) -> None:
        self.config = load(path)
        self.name = self.config.name
        self.currency = self.config.currency
        self.clock: Clock = self.config.clock
        self.assumptions: Mapping[str, str] = self.config.assumptions
        self.plan = EvaluationPlan(**self.config.evaluation.model_dump())
        given = self.config.assignment
        self.assignment = None if given is None else Assignment(**given.model_dump())
        folder = data / self.name
        self.identifiers = Identifiers(folder / "identifiers.db")
        self.state = State(folder / "state")
        self.connectors = Connectors(self.config.systems, data, folder / "starting")
        self._digests: dict[str, str] = {}

    @property
    def calendar(self) -> Calendar:
        """The weeks of the file, and those after them that are closed, without a gap."""
        given = self.config.calendar
        last = given.last
        while given.closed and self.connectors.path(given.closed.replace("{week}", str(last + WEEK))).exists():
            last += WEEK
        return Calendar(given.first, last, given.timezone)

    def tables(self) -> tuple[str, ...]:
        """The tables of the file, referenced tables first."""
        return self._tables

    def read(self, table: str, week: str) -> pa.Table:
        """The rows that became known in a week, in the contract's columns; whole, or SourceError."""
        window = Window.of(self.calendar, week)
        with self._named(table, week):
            spec = self.config.tables[table]
            if spec.known_at.arrival:
                return self._arrived(table, window)
            connector = self.connectors.of(spec.system)
            connector.prepare()
            rows = connector.rows(spec, window)
            if rows is None:
                return self._mapped(table, no_rows(spec, window))
            if spec.delivery == "full":
                return self._difference(table, rows, connector.before(spec, window))
            return self._mapped(table, self._in_order(table, rows))

    def fingerprint(self, table: str, week: str) -> str:
        """Digest of the file's part on a table, the world's identity, the week's files, and this package's code."""
        window = Window.of(self.calendar, week)
        with self._named(table, week):
            spec = self.config.tables[table]
            # Of the calendar only what this week is: that there is one more at its end changes nothing here.
            bounds = [week, str(window.opens_at), str(window.closes_at), self.config.calendar.timezone]
            files = self.connectors.of(spec.system).inputs(spec, window)
            return fingerprint(self._digest(table), bounds, self._identity(), files, code_of(__package__ or ""))

    @cached_property
    def _tables(self) -> tuple[str, ...]:
        waiting = list(self.config.tables)
        ordered: list[str] = []
        while waiting:
            ready = [name for name in waiting if not _referenced(name) & set(waiting)]
            # Contracts that refer to each other have no first one: the file's order decides.
            ordered.append((ready or waiting)[0])
            waiting.remove(ordered[-1])
        return tuple(ordered)

    def _arrived(self, table: str, window: Window) -> pa.Table:
        """The difference to what had arrived before; what arrives is kept, so that reading again tells the same."""
        spec = self.config.tables[table]
        cells = self.state.read(table, window.week, spec.wanted)
        if cells is None and self.state.has_later(table, window.week):
            # What the system says now is the future of this week.
            return self._mapped(table, no_rows(spec, window))
        if cells is None:
            connector = self.connectors.of(spec.system)
            connector.prepare()
            rows = connector.rows(spec, window) or no_rows(spec, window)
            cells = self._in_order(table, rows).cells
            self.state.write(table, window.week, cells)
        earlier = self.state.latest_before(table, window.week)
        before = None if earlier is None else self.state.read(table, earlier, spec.wanted)
        newest = stamped(cells, window.last_instant, self._dump(table, window.week, cells))
        if earlier is None or before is None:
            return self._difference(table, newest, None)
        return self._difference(table, newest, stamped(before, window.opens_at, self._dump(table, earlier, before)))

    def _difference(self, table: str, newest: Rows, before: Rows | None) -> pa.Table:
        earlier = None if before is None else self._mapped(table, before)
        ended_at = newest.known_at[0].as_py() if len(newest.known_at) else None
        return changed(self._mapped(table, newest), earlier, reader.load(table).key, ended_at)

    def _mapped(self, table: str, rows: Rows) -> pa.Table:
        local = ZoneInfo(self.config.calendar.timezone)
        found = mapped(rows, reader.load(table), self.config.tables[table], local, self.identifiers)
        return (rows.lineage if rows.lineage.runs or rows.lineage.empty else self._origin(table, found)).attached(found)

    def _origin(self, table: str, rows: pa.Table, when: str = "") -> Lineage:
        """Where rows come from that no file has: the system, and what it is asked for."""
        spec = self.config.tables[table]
        asked = spec.table or spec.endpoint or (f"query of {table}" if spec.query else table)
        return Lineage.whole(f"{spec.system}: {asked}{when}", rows.num_rows)

    def _dump(self, table: str, week: str, rows: pa.Table) -> Lineage:
        """Where rows come from that arrived without a date; what the system told then is nowhere but in the state."""
        return self._origin(table, rows, f", as of {week}")

    def _in_order(self, table: str, rows: Rows) -> Rows:
        """Rows of databases and APIs by instant, `order_by` and key; files have an order of their own."""
        spec = self.config.tables[table]
        if self.config.systems[spec.system].kind == "files":
            return rows
        key = [spec.columns[name].column for name in reader.load(table).key if name in spec.columns]
        first = [*spec.order_by, *(name for name in key if name is not None)]
        return rows.in_order(list(dict.fromkeys([*first, *spec.wanted])))

    def _digest(self, table: str) -> str:
        if table not in self._digests:
            spec = self.config.tables[table]
            system = self.config.systems[spec.system].identity()
            self._digests[table] = fingerprint(table, spec.model_dump(mode="json"), system)
        return self._digests[table]

    def _identity(self) -> str | None:
        if self.config.identity is None:
            return None
        path = self.connectors.path(self.config.identity)
        return sha256_of(path) if path.exists() else None

    @contextmanager
    def _named(self, table: str, week: str) -> Generator[None]:
        """Put system, table and week before what went wrong, in one line."""
        try:
            yield
        except (SourceError, OSError) as error:
            cause = " ".join(str(error).split())
            raise SourceError(f"{self.config.tables[table].system}: {table} of week {week}: {cause}") from error


def _referenced(table: str) -> set[str]:
    return set(reader.load(table).others)
