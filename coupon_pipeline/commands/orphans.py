"""Runs whose process was killed: Dagster would call them started for ever, and let no other run begin."""

from __future__ import annotations

import os
from typing import Final

import dagster as dg

PROCESS: Final = "coupon/process"
"""Tag of a run that a command executes in its own process: the process's number."""

UNFINISHED: Final = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def own_process() -> dict[str, str]:
    """The tag of runs that this process executes."""
    return {PROCESS: str(os.getpid())}


def end_orphans(instance: dg.DagsterInstance, untagged: bool = False) -> int:
    """Report unfinished runs as failed if the process in their tag is gone; returns how many.

    With `untagged` also those without the tag, which belong to a Dagster daemon: right only while none is running.
    """
    ended = 0
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        process = run.tags.get(PROCESS)
        if untagged if process is None else not _is_alive(int(process)):
            instance.report_run_failed(run, "its process is gone: run it again")
            ended += 1
    return ended


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists, and belongs to somebody else
    return True
