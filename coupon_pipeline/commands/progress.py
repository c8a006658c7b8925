"""Shows a running job: what it works on now and how far it is, and one line per asset when it is done."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.status import Status


class Progress:
    """Listens to the events of one run."""

    def __init__(self, console: Console, status: Status) -> None:
        self.console = console
        self.status = status
        self.started: dict[str, float] = {}
        self.rows: dict[tuple[str, dg.AssetKey], list[int]] = defaultdict(list)

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Take note of one event."""
        event = entry.dagster_event
        if event is None and entry.step_key is not None and entry.level == logging.INFO:
            self.status.update(f"[bold]{entry.step_key.replace('__', '/')}[/]  {entry.user_message}")
        if event is None or event.step_key is None:
            return
        step = event.step_key
        if event.event_type is dg.DagsterEventType.STEP_START:
            self.started[step] = time.monotonic()
            self.status.update(f"[bold]{step.replace('__', '/')}[/]")
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            count = event.step_materialization_data.materialization.metadata.get("dagster/row_count")
            self.rows[step, event.asset_key].append(_integer(count))
        elif event.event_type in {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}:
            self._done(step, event.event_type is dg.DagsterEventType.STEP_SUCCESS)

    def _done(self, step: str, succeeded: bool) -> None:
        seconds = time.monotonic() - self.started[step]
        if not succeeded:
            self.console.print(f"  [red]failed[/] {step}")
        for (of, key), counts in self.rows.items():
            if of == step:
                parts = f"{len(counts):>2} weeks" if len(counts) > 1 else ""
                name = "/".join(key.path[1:])
                self.console.print(f"  {name:<34}{sum(counts):>12,} rows {parts:>9} {seconds:>7.1f} s", highlight=False)


def _integer(value: object) -> int:
    return value.value or 0 if isinstance(value, dg.IntMetadataValue) else 0


@contextmanager
def shown(console: Console, instance: dg.DagsterInstance, run_id: str) -> Generator[None]:
    """Show the events of a run while the block executes it in this process."""
    with console.status("") as status:
        instance.add_event_listener(run_id, Progress(console, status))
        yield


QUIET: Mapping[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run configuration that leaves the terminal to the progress lines."""
