"""Chains on disk, and what tells two of them apart."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL: Mapping[str, str] = {
    "HOUSEHOLDS": "150",
    "STORES": "3",
    "PRODUCTS": "800",
    "CATEGORIES": "24",
    "WAVE_COUPONS": "40",
    "WARMUP_WEEKS": "4",
    "ISSUE_WEEKS": "2",
}
"""Settings of a chain that lives a week in a tenth of a second."""

LIFE = """
import sys
from dataclasses import replace
from coupon_pipeline.settings import Settings
from coupon_pipeline.simulation.chain import Chain
from coupon_pipeline.simulation.settings import ChainSettings
chosen = ChainSettings()
spec = replace(chosen.spec, shard=int(sys.argv[1]) or chosen.spec.shard)
print("begins", flush=True)
list(Chain(spec, Settings().data / "chain", chosen.dirt).lived(spec.warmup_weeks))
"""
"""Lives a chain in shards of a size that no setting has, and says when it begins."""


def environment(data: Path, **changes: str) -> dict[str, str]:
    """The environment of a command on a small chain below `data`."""
    chosen = {f"COUPON_CHAIN_{name}": value for name, value in {**SMALL, **changes}.items()}
    return {**os.environ, **chosen, "COUPON_DATA": str(data)}


def start(data: Path, *options: str, **changes: str) -> subprocess.Popen[bytes]:
    """Begin `python -m coupon_pipeline simulate`."""
    return subprocess.Popen(
        [sys.executable, "-m", "coupon_pipeline", "simulate", *options],
        cwd=ROOT,
        env=environment(data, **changes),
        stdout=subprocess.DEVNULL,
    )


def begin_life(data: Path, shard: int, **changes: str) -> subprocess.Popen[str]:
    """Begin to live a small chain below `data`, in shards of so many households, 0 for the usual number.

    The first line of its output says that it has begun.
    """
    return subprocess.Popen(
        [sys.executable, "-c", LIFE, str(shard)],
        cwd=ROOT,
        env=environment(data, **changes),
        stdout=subprocess.PIPE,
        text=True,
    )


def simulated(data: Path, shard: int, **changes: str) -> Path:
    """The feeds of a small chain below `data`, lived by a process of its own."""
    with begin_life(data, shard, **changes) as life:
        assert life.wait() == 0
    return data / "chain" / "feeds"


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds; AssertionError after `seconds`."""
    latest = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < latest
        time.sleep(0.01)


def content(feeds: Path) -> dict[str, str]:
    """What the systems hold: files by hash, databases by the hash of their ordered rows, nothing hidden."""
    found = {}
    for path in sorted(feeds.rglob("*")):
        name = path.relative_to(feeds).as_posix()
        if path.suffix == ".db":
            found |= {f"{name}/{table}": digest for table, digest in _tables(path).items()}
        elif path.is_file() and not path.name.startswith(".") and not path.name.endswith(("-wal", "-shm")):
            found[name] = sha256(path.read_bytes()).hexdigest()
    return found


def _tables(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        return {
            name: sha256("\n".join(sorted(map(repr, connection.execute(f"select * from {name}")))).encode()).hexdigest()
            for name in names
        }
