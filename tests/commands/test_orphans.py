"""A run whose process was killed does not block the next one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from coupon_pipeline.commands.orphans import PROCESS, end_orphans, own_process


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def started(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    @dg.job
    def anything() -> None:
        pass

    run = instance.create_run_for_job(anything, tags=tags, status=dg.DagsterRunStatus.STARTED)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def ended_process() -> str:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return str(process.pid)


def test_a_run_of_a_process_that_is_gone_is_reported_as_failed(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, {PROCESS: ended_process()})
    assert end_orphans(instance) == 1
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE
    assert end_orphans(instance) == 0


def test_a_run_of_a_living_process_goes_on(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, own_process())
    assert end_orphans(instance, untagged=True) == 0
    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED


def test_a_run_of_a_daemon_is_ended_only_where_none_can_be_running(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, {})
    assert end_orphans(instance) == 0
    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
    assert end_orphans(instance, untagged=True) == 1
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE
