"""The registry on a real MLflow store: versions, aliases, and a text that nobody can exchange unnoticed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import lightgbm as lgb
import mlflow
import numpy as np
import pytest
from mlflow.models import get_model_info
from mlflow.types import DataType

from models.redemption import Recipe, TrainingError, fit, load, matrix
from models.registry import DIGEST_TAG, FEATURES_TAG, Entry, Registry, RegistryError, digest_of
from tests.models.rows import SMALL, offered

from coupon_pipeline.features.feature import FeatureSet
from coupon_pipeline.settings import Settings

ROWS = offered(households=60, coupons=20, intercept=-2).rows


@cache
def text(seed: int = 0) -> str:
    return fit(ROWS, SMALL, Recipe(seed=seed, boosters=2, rounds=5, negative_share=0.5))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store with its tables; making one takes seconds, copying it does not."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def settings(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    settings = Settings(data=tmp_path / "data", source="synthetic")
    (tmp_path / "data" / "mlflow").mkdir(parents=True)
    shutil.copy(migrated, tmp_path / "data" / "mlflow" / "mlflow.db")
    # Both are set for the whole process by MLflow or the registry.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.mlflow_uri)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    monkeypatch.chdir(tmp_path)
    yield settings
    # None unsets it, for children too; the annotation leaves that out.
    mlflow.set_tracking_uri(None)  # ty: ignore[invalid-argument-type]


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings)


@pytest.fixture
def log(registry: Registry, tmp_path: Path) -> Callable[..., Entry]:
    """Logs a model with a folder of two files, one of them in a folder of its own."""
    files = tmp_path / "files"
    (files / "plots").mkdir(parents=True)
    (files / "data.json").write_text('{"rows": 1200}\n')
    (files / "plots" / "gains.txt").write_text("gains\n")

    def logged(model: str | None = None, features: FeatureSet = SMALL) -> Entry:
        example = matrix(ROWS.slice(0, 2), SMALL)
        parameters, metrics, tags = {"rounds": 5}, {"auc": 0.75}, {"test_campaign": "13"}
        return registry.log(model or text(), features, example, parameters, metrics, tags, files)

    return logged


def aliases(registry: Registry) -> dict[str, str]:
    return {alias: str(v) for alias, v in registry.client.get_registered_model(registry.name).aliases.items()}


def stored_model(settings: Settings) -> Path:
    [path] = settings.mlflow_artifacts.rglob("model.lgb")
    return path


def test_before_the_first_model_there_is_no_champion(registry: Registry) -> None:
    assert registry.champion() is None


def test_a_challenger_is_not_yet_a_champion(registry: Registry, log: Callable[..., Entry]) -> None:
    entry = log()
    assert aliases(registry) == {"challenger": entry.version}
    assert registry.champion() is None


def test_the_registered_text_is_the_one_that_was_trained(log: Callable[..., Entry]) -> None:
    entry = log()
    assert entry.text == text()
    assert (entry.name, entry.version, entry.digest) == ("synthetic-redemption", "1", digest_of(text()))
    assert entry.feature_hash == SMALL.hash


def test_the_newest_model_is_the_challenger(registry: Registry, log: Callable[..., Entry]) -> None:
    first, second = log(text(0)), log(text(1))
    assert (first.version, second.version) == ("1", "2")
    assert aliases(registry) == {"challenger": "2"}
    assert registry.entry("1") == first


def test_the_champion_before_stays_reachable_as_previous(registry: Registry, log: Callable[..., Entry]) -> None:
    first, second = log(text(0)), log(text(1))
    registry.promote(first.version)
    assert aliases(registry) == {"challenger": "2", "champion": "1"}
    registry.promote(second.version)
    assert aliases(registry) == {"challenger": "2", "champion": "2", "previous": "1"}
    assert registry.champion() == second


def test_promoting_the_champion_again_keeps_the_previous_one(registry: Registry, log: Callable[..., Entry]) -> None:
    first, second = log(text(0)), log(text(1))
    for version in (first.version, second.version, second.version):
        registry.promote(version)
    assert aliases(registry)["previous"] == first.version


def test_promoting_a_version_that_does_not_exist_moves_no_alias(registry: Registry, log: Callable[..., Entry]) -> None:
    registry.promote(log().version)
    before = aliases(registry)
    with pytest.raises(RegistryError, match="has no version 99"):
        registry.promote("99")
    assert aliases(registry) == before


def test_the_version_and_its_run_carry_digest_and_features(registry: Registry, log: Callable[..., Entry]) -> None:
    entry = log()
    expected = {DIGEST_TAG: digest_of(text()), FEATURES_TAG: SMALL.hash}
    version = registry.client.get_model_version(registry.name, entry.version)
    assert version.tags.items() >= expected.items()
    run = registry.client.get_run(entry.run_id)
    assert run.data.tags.items() >= (expected | {"test_campaign": "13"}).items()
    assert run.data.metrics == {"auc": 0.75}
    assert run.data.params == {"rounds": "5"}


def test_findings_can_be_written_on_a_version(registry: Registry, log: Callable[..., Entry]) -> None:
    entry = log()
    registry.tag(entry.version, {"gate.calibrated": "passed: 1.02"})
    version = registry.client.get_model_version(registry.name, entry.version)
    assert version.tags["gate.calibrated"] == "passed: 1.02"
    assert registry.entry(entry.version) == entry


def test_the_signature_names_every_feature_as_a_double(registry: Registry, log: Callable[..., Entry]) -> None:
    signature = get_model_info(f"models:/{registry.name}/{log().version}").signature
    assert signature is not None
    assert tuple(signature.inputs.input_names()) == SMALL.names
    assert set(signature.inputs.input_types()) == {DataType.double}


def test_the_stored_model_scores_as_the_trained_one(registry: Registry, log: Callable[..., Entry]) -> None:
    values = matrix(ROWS, SMALL)
    stored = load(registry.entry(log().version).text, SMALL)
    assert np.asarray(stored.predict(values)).tobytes() == np.asarray(load(text(), SMALL).predict(values)).tobytes()


def edited(path: Path) -> None:
    """Another value in one leaf: a valid model, which LightGBM would load without a word."""
    path.write_text(re.sub(r"(?<=^leaf_value=)\S+", "3.0", path.read_text(), count=1, flags=re.MULTILINE))


def cut(path: Path) -> None:
    """Half of the text: LightGBM would abort the process."""
    path.write_text(path.read_text()[: path.stat().st_size // 2])


@pytest.mark.parametrize("tamper", [edited, cut])
def test_an_exchanged_model_is_refused_before_lightgbm_reads_it(
    registry: Registry,
    settings: Settings,
    log: Callable[..., Entry],
    monkeypatch: pytest.MonkeyPatch,
    tamper: Callable[[Path], None],
) -> None:
    entry = log()
    registry.promote(entry.version)
    tamper(stored_model(settings))
    monkeypatch.setattr(lgb, "Booster", lambda *_, **__: pytest.fail("LightGBM parsed an unverified model"))
    with pytest.raises(RegistryError, match=r"version 1 of synthetic-redemption is not the model .*SHA-256 differs"):
        registry.champion()


def test_reading_a_version_adds_nothing_to_the_store(
    registry: Registry, settings: Settings, log: Callable[..., Entry]
) -> None:
    registry.entry(log().version)
    # A download without a destination of its own leaves this file in the live folder.
    assert not list(settings.mlflow_artifacts.rglob("registered_model_meta"))


def test_a_model_of_other_features_is_not_registered(registry: Registry, log: Callable[..., Entry]) -> None:
    with pytest.raises(TrainingError, match="other features than the set 'fewer'"):
        log(features=FeatureSet("fewer", SMALL.features[:-1]))
    assert registry.champion() is None
    assert registry.client.search_model_versions(f"name='{registry.name}'") == []


def test_the_files_of_a_run_can_be_copied_out(registry: Registry, log: Callable[..., Entry], tmp_path: Path) -> None:
    folder = registry.download(log().run_id, tmp_path / "new" / "copies")
    copied = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert copied == {"data.json": '{"rows": 1200}\n', "plots/gains.txt": "gains\n"}


def test_nothing_is_written_outside_the_data_folder(log: Callable[..., Entry], tmp_path: Path) -> None:
    log()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "files"}


def test_sources_have_models_of_their_own(registry: Registry, settings: Settings, log: Callable[..., Entry]) -> None:
    registry.promote(log().version)
    assert Registry(settings.model_copy(update={"source": "elsewhere"})).champion() is None
