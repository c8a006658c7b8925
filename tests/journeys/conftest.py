"""The real service, answering from the bundle of the whole run; the whole run on the small chain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Loop
from tests.journeys.chain import ChainRun, prepare

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def service(loop: Loop) -> Iterator[str]:
    """The address of the real service, in a process of its own."""
    settings = loop.pipeline.settings
    command = [sys.executable, "-m", "coupon_pipeline", "serve", "--port", "0"]
    chosen = {"COUPON_DATA": str(settings.data), "COUPON_SOURCE": settings.source}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **chosen}
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
        process.terminate()


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> ChainRun:
    """One whole run on the small chain."""
    found = prepare(tmp_path_factory.mktemp("chain-run"))
    done = found.command("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return found
