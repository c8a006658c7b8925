"""The history of runs in SQLite, as Dagster keeps it, with the events of a range of weeks in one transaction."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData

# Dagster hands events on one by one unless this says how many at once.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


def instance(folder: Path) -> dg.DagsterInstance:
    """The instance that `dagster.yaml` in a folder describes; one with SQLite is written to in batches.

    Files and tables are Dagster's own, so that `dagster dev`, which cannot import this module, shows the same history.
    """
    settings = yaml.safe_load((folder / "dagster.yaml").read_text(encoding="utf-8"))
    sqlite = settings.get("storage", {}).get("sqlite")
    if sqlite is None:
        return dg.DagsterInstance.from_config(str(folder))
    batching = {"storage": {"custom": {"module": __name__, "class": Storage.__name__, "config": sqlite}}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=batching))


class BatchingEventLog(SqliteEventLogStorage):
    """Dagster's event log, which opens two databases for each event, at 10 ms of CPU, unless it gets several."""

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events of one run and one asset, one per week."""
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(self.prepare_insert_event_batch(events))
        with self.index_transaction() as connection:
            stored = [connection.execute(self.prepare_insert_event(event)) for event in events]
            ids = [result.lastrowid for result in stored]
            self._store_asset_event_tags(connection, events, ids)
            # Of an asset the newest event alone is kept beside the log.
            self._store_asset_event(connection, events[-1], ids[-1])


class Storage(DagsterSqliteStorage):
    """Runs, schedules and events below `base_dir`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchingEventLog(str(Path(base_dir, "history", "runs", "")))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: SqliteStorageConfig) -> Self:
        """The storage that a configuration describes."""
        return cls.from_local(inst_data=inst_data, **config_value)
