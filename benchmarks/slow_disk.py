"""A disk that is slower than the one at hand, for whichever process is started with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.measure import FailedMeasurementError

SOURCE: Final = Path(__file__).with_name("slow_disk.c")


def slow_disk(folder: Path, milliseconds: int) -> dict[str, str]:
    """Variables that add so much to every fsync of a process; what they need is compiled into the folder.

    Raises FailedMeasurementError where it does not compile.
    """
    library = folder / "slow_disk.so"
    caches = {name: str(folder / "zig") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    compiler = [sys.executable, "-m", "ziglang", "cc"]
    words = [*compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(words, env={**os.environ, **caches}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FailedMeasurementError(f"{SOURCE.name} does not compile: {done.stderr.strip()}")
    return {"LD_PRELOAD": str(library), "SLOW_DISK_MICROSECONDS": str(milliseconds * 1000)}
