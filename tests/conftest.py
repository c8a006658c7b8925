"""Fixtures that several folders share: the real slice, and one whole run of the pipeline on it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from rich.console import Console
from xdist.scheduler import LoadScopeScheduling

from assets.pipeline import Pipeline
from tests.slice import write_slice

from coupon_pipeline.commands.run import run
from coupon_pipeline.settings import Settings

TOGETHER = (
    ("tests/journeys/test_ledger.py", "tests/journeys/test_simulated.py"),
    ("tests/journeys/",),
    ("tests/models/test_registry.py",),
    ("tests/simulation/dirt/",),
    ("tests/sources/test_postgresql.py",),
    ("tests/sources/test_simulated.py",),
)
"""Tests that share something costly, such as one whole run, and so stay in one process; the first group counts."""


class SharedTogether(LoadScopeScheduling):
    """Spreads tests over processes one by one, but those of TOGETHER as one block each."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group[0] for group in TOGETHER if nodeid.startswith(group)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Let pytest-xdist use the scheduling above."""
    return SharedTogether(config, log)


# template:start
def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--template`, which `make test-template` gives."""
    parser.addoption("--template", action="store_true", help="also run the long tests of the template")


# template:end
@pytest.fixture(scope="session")
def slice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eight files of a small real slice of Complete Journey."""
    return write_slice(tmp_path_factory.mktemp("complete-journey"))


@dataclass(frozen=True)
class Loop:
    """A pipeline that has run from landing to snapshot, and what it printed."""

    pipeline: Pipeline
    printed: str

    @property
    def last(self) -> str:
        """The week of the cycle that was decided."""
        return self.pipeline.source.calendar.weeks[-1]

    def run_again(self) -> int:
        """Run the pipeline once more; returns how many jobs that took."""
        with dg.DagsterInstance.ephemeral() as instance:
            run(self.pipeline.settings, instance, Console(file=io.StringIO()))
            return len(instance.get_runs())


@pytest.fixture(scope="session")
def loop(slice_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """One whole run of the real pipeline on the slice."""
    folder = tmp_path_factory.mktemp("loop")
    settings = Settings(source="complete-journey", data=folder / "data", complete_journey=slice_folder)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.chdir(settings.data.parent)
        run(settings, instance, Console(file=printed, width=160))
    return Loop(Pipeline(settings), printed.getvalue())
