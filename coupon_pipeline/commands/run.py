"""`make run`: backfill, train and one cycle through the same definitions as the UI, doing only what is stale."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import dagster as dg
from rich.console import Console

from assets.pipeline import Pipeline

from coupon_pipeline.commands.failed import FailedRunError
from coupon_pipeline.commands.orphans import end_orphans, own_process
from coupon_pipeline.commands.plan import cycle_is_stale, model_is_stale, stale_tables
from coupon_pipeline.commands.progress import QUIET, shown
from coupon_pipeline.commands.summary import Usage, print_summary
from coupon_pipeline.definitions import build
from coupon_pipeline.files import check_writable, sweep
from coupon_pipeline.settings import Settings
from coupon_pipeline.tables import ERASURES

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def run(settings: Settings, instance: dg.DagsterInstance, console: Console, force: bool = False) -> None:
    """Bring everything up to date and say what came out; raises FailedRunError or an error of `PLAIN_ERRORS`."""
    began = time.monotonic()
    pipeline = Pipeline(settings)
    check_writable(settings.data)
    sweep(settings.data)
    end_orphans(instance)
    jobs = Jobs(build(pipeline), instance, console)
    *past, last = pipeline.source.calendar.weeks

    backfill = stale_tables(pipeline, past, force)
    if backfill is None:
        console.print("[green]fresh[/]  backfill: every week is landed and validated")
    else:
        keys = [
            dg.AssetKey([settings.source, layer, table])
            for table in backfill.tables
            for layer in ("raw", "clean", "quarantine")
        ]
        keys.append(dg.AssetKey([settings.source, *ERASURES]))
        tags = {RANGE_START: backfill.weeks[0], RANGE_END: backfill.weeks[-1]}
        console.print(f"[bold]backfill[/]  {len(backfill.tables)} tables, {backfill.weeks[0]} to {backfill.weeks[-1]}")
        jobs.execute("backfill", asset_selection=keys, tags=tags)

    if force or model_is_stale(pipeline):
        console.print("[bold]train[/]  the redemption model")
        jobs.execute("train")
    else:
        console.print("[green]fresh[/]  train: the model was trained on these rows")

    if force or cycle_is_stale(pipeline, last):
        console.print(f"[bold]cycle[/]  {last}: decide for the week after")
        jobs.execute("cycle", partition_key=last)
    else:
        console.print(f"[green]fresh[/]  cycle {last}: decided and published")
    print_summary(pipeline, last, Usage.measured(time.monotonic() - began), console)


class Jobs:
    """Executes jobs of the definitions in this process and shows their progress."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, console: Console) -> None:
        self.definitions = definitions
        self.instance = instance
        self.console = console

    def execute(self, name: str, tags: Mapping[str, str] | None = None, **options: Any) -> None:
        """Run a job to its end; raises FailedRunError with what the first failed asset said."""
        run_id = str(uuid4())
        job = self.definitions.resolve_job_def(name)
        with shown(self.console, self.instance, run_id):
            result = job.execute_in_process(
                instance=self.instance,
                run_id=run_id,
                raise_on_error=False,
                run_config=dict(QUIET),
                tags={**own_process(), **(tags or {})},
                **options,
            )
        if not result.success:
            raise FailedRunError(failure_of(result))


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What the first failed step of a run said, in one line."""
    for event in result.all_events:
        if event.is_step_failure:
            return f"{event.step_key} failed: {_reason(event.step_failure_data)}"
    return f"run {result.run_id} failed before its first step: see `make dev`"


def _reason(failure: Any) -> str:
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error.cause is not None:
        error = error.cause
    return error.message.strip()
