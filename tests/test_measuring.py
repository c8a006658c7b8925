"""A measured command is charged with what its children use, and with nothing that was used before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.measure import FailedMeasurementError, environment, measured

BURN = "import time\nwhile time.process_time() < 0.2: pass"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}], check=True)"


def test_the_children_of_a_command_count(tmp_path: Path) -> None:
    quiet = measured(["-c", "print('{}')"], environment(tmp_path))
    assert quiet.answer == {}
    busy = measured(["-c", CHILD], environment(tmp_path))
    assert busy.cpu_seconds > 0.2
    again = measured(["-c", "pass"], environment(tmp_path))
    assert again.cpu_seconds < 0.2
    assert again.wall_seconds > 0


def test_the_memory_is_that_of_the_command(tmp_path: Path) -> None:
    """Asked of a small process: Linux counts what the parent held when the child was made."""
    code = [
        "import sys",
        "from pathlib import Path",
        "from benchmarks.measure import environment, measured",
        "settings = environment(Path(sys.argv[1]))",
        "for line in ('pass', 'kept = bytearray(400 * 2**20)'):",
        "    print(measured(['-c', line], settings).peak_gib)",
    ]
    small, large = measured(["-c", "\n".join(code), str(tmp_path)], environment(tmp_path)).printed.split()
    assert 0 < float(small) < 0.2
    assert 0.39 < float(large) < 0.6


def test_a_command_that_fails_says_what_it_printed_last(tmp_path: Path) -> None:
    with pytest.raises(FailedMeasurementError, match=r"ended with 3: the cause"):
        measured(["-c", "print('the cause'); raise SystemExit(3)"], environment(tmp_path))


def test_the_users_own_settings_change_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_CHAIN_HOUSEHOLDS", "7")
    code = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('COUPON_')}))"
    seen = json.loads(measured(["-c", code], environment(tmp_path, COUPON_SOURCE="simulated")).printed)
    assert set(seen) == {"COUPON_DATA", "COUPON_CRM_URL", "COUPON_SOURCE"}
    assert os.environ["COUPON_CHAIN_HOUSEHOLDS"] == "7"
