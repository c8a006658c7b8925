"""Python in processes of its own, for what one process cannot show: races, other users, full disks; and waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

ROOT = Path(__file__).parents[2]


def start(program: str, *arguments: str, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Start a program with its arguments; `prepare` runs in the process before it becomes Python."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What a program has printed; fails the test, with its errors, unless it ended with 0."""
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return printed.strip()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as a condition holds; fails the test after a while."""
    pause = Event()
    for _ in range(20_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it does not come true")
