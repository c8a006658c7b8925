"""Dagster's event log in SQLite, at a fifth of the cost: a run over many weeks writes thousands of events."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

BUSY_SECONDS = 60
BATCH: Final = {"DAGSTER_EVENT_BATCH_SIZE": "100"}
"""Environment in which Dagster hands over events of several weeks together."""


@lru_cache(maxsize=64)
def _engine(address: str) -> Engine:
    """One engine a file, which keeps the statements that it has compiled; Dagster compiles each one anew."""
    return create_engine(address, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})


class EventLog(SqliteEventLogStorage):
    """The event log of dagster.yaml; a batch of events is one transaction in each file."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._batch = threading.local()
        super().__init__(base_dir, inst_data)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events together: all of them, or none."""
        with self._together():
            super().store_event_batch(events)

    @contextmanager
    def _together(self) -> Generator[None]:
        with ExitStack() as stack:
            self._batch.stack, self._batch.connections = stack, {}
            try:
                yield
            finally:
                self._batch.connections = None

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        opened: dict[str, Connection] | None = getattr(self._batch, "connections", None)
        if opened is None:
            with self._ready(shard).begin() as connection:
                yield connection
            return
        if shard not in opened:
            opened[shard] = self._batch.stack.enter_context(self._ready(shard).begin())
        yield opened[shard]

    def _ready(self, shard: str) -> Engine:
        engine = _engine(self.conn_string_for_shard(shard))
        with self._db_lock:
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
        return engine


class History(DagsterSqliteStorage):
    """Dagster's SQLite storage below a folder, with the event log above."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """The storage that dagster.yaml describes."""
        return cls(config_value["base_dir"], inst_data)
