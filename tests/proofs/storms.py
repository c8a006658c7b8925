"""Killed by the system at random moments, over and over: what is there in the end is what is there without that."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.proofs.same import differing
from tests.simulation.chains import ROOT, begin_life, content
from tests.simulation.crm import serving

from coupon_pipeline.commands.outcome import Outcome

SEED = 7
WEEKS = {"WARMUP_WEEKS": "6", "ISSUE_WEEKS": "4"}
MOST_STORMS = 50
"""Storms in which nothing was killed, because it had ended by then, are not endless."""

Begin = Callable[[Path], "subprocess.Popen[str]"]
Content = Callable[[Path], Mapping[str, str]]


def rows(short: bool) -> Iterator[Outcome]:
    """Kills of the simulation and of landing, and files and tables that differ in the end."""
    kills = 2 if short else 20
    with TemporaryDirectory(prefix="storms-") as name:
        folder = Path(name)
        yield from _stormed("simulate", folder / "simulate", kills, begin_life_of_weeks, _of_feeds)
        chain = folder / "simulate" / "calm" / "chain"
        with serving(chain / "feeds") as crm:

            def begin_landing(data: Path) -> subprocess.Popen[str]:
                if not (data / "chain").exists():
                    data.mkdir(parents=True)
                    (data / "chain").symlink_to(chain)
                return subprocess.Popen(
                    [sys.executable, "-m", "tests.proofs.landing", str(data)],
                    cwd=ROOT,
                    env={**os.environ, "COUPON_CRM_URL": f"http://127.0.0.1:{crm.port}"},
                    stdout=subprocess.PIPE,
                    text=True,
                )

            yield from _stormed("landing", folder / "landing", kills, begin_landing, _of_landed)


def begin_life_of_weeks(data: Path) -> subprocess.Popen[str]:
    """Begin to live the storms' chain."""
    return begin_life(data, 0, **WEEKS)


def _of_feeds(data: Path) -> Mapping[str, str]:
    return content(data / "chain" / "feeds")


def _of_landed(data: Path) -> Mapping[str, str]:
    """Digest of every landed file; what a killed writer has left beside them is hidden, and swept when it is old."""
    root = data / "simulated" / "raw"
    return {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for path in root.rglob("[!.]*.parquet")}


def _stormed(name: str, folder: Path, kills: int, begin: Begin, found: Content) -> Iterator[Outcome]:
    seconds, _ = _until_end(begin, folder / "calm", None)
    calm, draw = found(folder / "calm"), random.Random(SEED)
    killed, differ = 0, 0
    for number in range(MOST_STORMS):
        if killed >= kills:
            break
        data = folder / f"storm-{number}"
        _, more = _until_end(begin, data, lambda: draw.uniform(0, seconds), kills - killed)
        killed, differ = killed + more, differ + differing(calm, found(data))
    yield Outcome(f"{name}: kills", killed, op=">=", bar=kills)
    yield Outcome(f"{name}: files and tables", len(calm), op=">=", bar=50)
    yield Outcome(f"{name}: different after kills", differ, op="<=", bar=0)


def _until_end(begin: Begin, data: Path, after: Callable[[], float] | None, most: int = 0) -> tuple[float, int]:
    """Begin again after each kill until the work ends; seconds of the last time, and kills."""
    killed = 0
    while True:
        with begin(data) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n", f"{process.args} has not begun"
            began = time.monotonic()
            if after is not None and killed < most:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(after())
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    continue
            assert process.wait() == 0, f"{process.args} has failed"
            return time.monotonic() - began, killed
