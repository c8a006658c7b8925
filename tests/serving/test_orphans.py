"""No worker outlives the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from serving.orphans import end_with_parent
from tests.serving.conftest import until


def is_running(pid: int) -> bool:
    """A process that has ended and was not waited for yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_ends_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-m", "tests.serving.orphaned"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        assert is_running(worker)
        program.send_signal(signal.SIGKILL)
        program.wait()
        until(lambda: not is_running(worker))


def test_a_process_that_is_no_worker_goes_on() -> None:
    end_with_parent()
    os.kill(os.getpid(), 0)
