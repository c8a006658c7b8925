"""`evaluate` scores any campaign from what had closed before it, and registers nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from models.campaigns import CampaignError
from models.registry import Registry
from tests.conftest import Loop

from coupon_pipeline.commands.evaluate import evaluate


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_named_campaign_gets_one_score_per_pair(loop: Loop, tmp_path: Path) -> None:
    printed = io.StringIO()
    registry = Registry(loop.pipeline.settings)
    before = {version.version for version in registry.client.search_model_versions("")}
    assert evaluate(loop.pipeline, 9, 1, tmp_path / "scores.csv", Console(file=printed))
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores.columns) == ["household_id", "campaign_id", "upc", "probability"]
    assert set(scores["campaign_id"]) == {9}
    assert scores["upc"].nunique() == 18
    assert len(scores) == scores["household_id"].nunique() * 18
    assert scores["probability"].between(0, 1, inclusive="neither").all()
    assert "fitted on campaigns 27, 5" in printed.getvalue()
    assert {version.version for version in registry.client.search_model_versions("")} == before


def test_a_campaign_that_outlives_the_data_is_scored_without_metrics(loop: Loop, tmp_path: Path) -> None:
    printed = io.StringIO()
    assert evaluate(loop.pipeline, 15, 1, tmp_path / "scores.parquet", Console(file=printed))
    assert len(pd.read_parquet(tmp_path / "scores.parquet"))
    assert "no metrics" in printed.getvalue()


def test_an_unknown_campaign_is_refused_with_the_known_ones(loop: Loop) -> None:
    with pytest.raises(CampaignError, match=r"unknown campaign 99: give one of 5, 8"):
        evaluate(loop.pipeline, 99, 1, None, Console(file=io.StringIO()))


def test_the_first_campaign_has_nothing_to_learn_from(loop: Loop) -> None:
    with pytest.raises(CampaignError, match="nothing to train on"):
        evaluate(loop.pipeline, 27, 1, None, Console(file=io.StringIO()))
