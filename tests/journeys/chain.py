"""A whole run on a small simulated chain: the real commands, in a copy of the project that has no truth in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from assets.pipeline import Pipeline

from coupon_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
WEEKS, LAST = 11, "2025-03-17"
SMALL = {
    "SEED": "2",
    "HOUSEHOLDS": "4000",
    "STORES": "4",
    "PRODUCTS": "1000",
    "CATEGORIES": "30",
    "WAVE_COUPONS": "14",
    "WARMUP_WEEKS": str(WEEKS),
    "ISSUE_WEEKS": "7",
}
PACKAGE = ROOT / "coupon_pipeline"
PARTS = ("assets", PACKAGE.name, "data_contracts", "models", "serving", "dagster.yaml", "pyproject.toml")
TRUTH = Path(PACKAGE.name, "simulation", "truth")


@dataclass(frozen=True)
class ChainRun:
    """A small chain and the pipeline that ran on it."""

    project: Path
    """A copy of the project without the truth."""
    data: Path
    environment: dict[str, str]
    settings: Settings

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline, as this process sees it."""
        return Pipeline(self.settings)

    def copied(self, data: Path) -> ChainRun:
        """The same chain and pipeline in another folder, to live on by themselves."""
        shutil.copytree(self.data, data)
        environment = {**self.environment, "COUPON_DATA": str(data), "COUPON_CRM_URL": free_address()}
        return replace(
            self, data=data, environment=environment, settings=self.settings.model_copy(update={"data": data})
        )

    @contextmanager
    def variables(self) -> Generator[None]:
        """This process with the settings of the run."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                if name.startswith("COUPON_"):
                    patch.setenv(name, value)
            yield

    def python(self, code: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a few lines of Python in the copied project."""
        line = [sys.executable, "-c", code, *words]
        return subprocess.run(
            line, cwd=self.project, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m coupon_pipeline …` in the copied project."""
        line = [sys.executable, "-m", "coupon_pipeline", *words]
        return subprocess.run(
            line, cwd=self.project, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )


def prepare(folder: Path) -> ChainRun:
    """A copy of the project without its truth, and the YAML file of a chain that is smaller than the shipped one."""
    project, data = folder / "project", folder / "data"
    project.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, project / part)
        else:
            shutil.copy2(ROOT / part, project / part)
    shutil.rmtree(project / TRUTH)
    shipped = (PACKAGE / "sources" / "simulated.yaml").read_text(encoding="utf-8")
    small = shipped.replace("2025-12-29", LAST).replace("latest_campaigns: 4", "latest_campaigns: 1")
    config = folder / "simulated.yaml"
    config.write_text(small, encoding="utf-8")
    environment = {
        **os.environ,
        **{f"COUPON_CHAIN_{name}": value for name, value in SMALL.items()},
        "COUPON_DATA": str(data),
        "COUPON_SOURCE": "simulated",
        "COUPON_SOURCE_CONFIG": str(config),
        "COUPON_CRM_URL": free_address(),
        "NO_COLOR": "1",
    }
    settings = Settings(data=data, source="simulated", source_config=config)
    return ChainRun(project, data, environment, settings)


def free_address() -> str:
    """An address on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
