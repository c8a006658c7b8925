"""The asset graph: what Dagster shows, and what loading it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.pipeline import Pipeline

from coupon_pipeline.definitions import build
from coupon_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("graph.json")
HEAVY = ("great_expectations", "mlflow", "lightgbm", "bentoml", "matplotlib", "sklearn")


SOURCES = ("complete-journey", "simulated")


@cache
def definitions_of(source: str) -> dg.Definitions:
    return build(Pipeline(Settings(source=source)))


@pytest.fixture(params=SOURCES)
def definitions(request: pytest.FixtureRequest) -> dg.Definitions:
    return definitions_of(request.param)


def described(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    assets = {
        node.key.to_user_string(): {
            "group": node.group_name,
            "weekly": node.is_partitioned,
            "parents": sorted(key.to_user_string() for key in node.parent_keys),
            "checks": sorted(key.name for key in node.check_keys),
        }
        for node in graph.asset_nodes
    }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        for job in definitions.resolve_all_job_defs()
        if not job.name.startswith("__")
    }
    return {"assets": assets, "jobs": jobs}


def test_the_graphs_are_the_ones_that_were_reviewed() -> None:
    """After a change that is meant: write `found` to tests/assets/graph.json and review the difference."""
    found = {source: described(definitions_of(source)) for source in SOURCES}
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_definitions_are_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_says_what_it_is_who_owns_it_and_what_it_is_made_with(definitions: dg.Definitions) -> None:
    for node in definitions.resolve_asset_graph().asset_nodes:
        assert node.description, node.key
        assert node.owners, node.key
        assert node.kinds, node.key


def test_nothing_runs_by_itself(definitions: dg.Definitions) -> None:
    assert not definitions.schedules
    assert not definitions.sensors


def test_loading_the_definitions_leaves_heavy_libraries_out() -> None:
    statements = [
        "import sys",
        "import coupon_pipeline.definitions",
        f"print([module for module in {HEAVY} if module in sys.modules])",
    ]
    code = "\n".join(statements)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
