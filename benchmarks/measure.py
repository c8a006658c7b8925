"""Runs a command as a process of its own and measures what it has used of the machine, its children included."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of what `ru_maxrss` counts."""


class FailedMeasurementError(RuntimeError):
    """A measured command that failed; the message is the last line that it printed."""


@dataclass(frozen=True)
class Measured:
    """What a process and its children used."""

    wall_seconds: float
    cpu_seconds: float
    peak_gib: float
    """Of the largest of them."""
    printed: str

    @property
    def answer(self) -> dict[str, Any]:
        """What a task says: the JSON of its last line."""
        return json.loads(self.printed.splitlines()[-1])


def environment(data: Path, **changes: str) -> dict[str, str]:
    """The environment of a command of the project, with none of the user's own settings of it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COUPON_")}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "COUPON_DATA": str(data),
        "COUPON_CRM_URL": f"http://127.0.0.1:{free_port()}",
        "NO_COLOR": "1",
        **changes,
    }


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measured(words: Sequence[str], settings: Mapping[str, str], folder: Path = ROOT) -> Measured:
    """Run `python <words>` in a folder to its end; raises FailedMeasurementError where that is not 0."""
    began = time.monotonic()
    command = [sys.executable, *words]
    with subprocess.Popen(command, cwd=folder, env=dict(settings), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        printed = child.stdout.read()
        # Of this child alone: RUSAGE_CHILDREN would be the sum over all that have ended so far.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode != 0:
        last = next(reversed(printed.strip().splitlines()), "it printed nothing")
        raise FailedMeasurementError(f"`python {' '.join(words)}` ended with {child.returncode}: {last}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * UNIT / 2**30, printed)


def task(name: str, settings: Mapping[str, str], **options: object) -> Measured:
    """Run a function of `benchmarks.tasks` in a process of its own."""
    return measured(["-m", "benchmarks.tasks", name, json.dumps(options)], settings)
