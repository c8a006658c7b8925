"""The model registry: MLflow runs, versions and the aliases challenger, champion and previous."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.redemption import load

from coupon_pipeline.features.feature import FeatureSet
from coupon_pipeline.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST_TAG = "model_sha256"
FEATURES_TAG = "feature_hash"


class RegistryError(RuntimeError):
    """A registry that does not hold what it should."""


@dataclass(frozen=True)
class Entry:
    """A model as the registry has it."""

    name: str
    version: str
    run_id: str
    digest: str
    feature_hash: str
    text: str
    """The native LightGBM model; its SHA-256 is `digest`."""


def digest_of(text: str) -> str:
    """Hex SHA-256 of a model's text."""
    return hashlib.sha256(text.encode()).hexdigest()


class Registry:
    """One registered model per source in the MLflow store of the settings."""

    def __init__(self, settings: Settings) -> None:
        # Read while mlflow is imported; a plain `dagster dev` has not set them.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow
        from mlflow.utils.logging_utils import disable_logging

        # Both report every step: forty lines of migrations before the first result.
        disable_logging()
        logging.getLogger("alembic").setLevel(logging.ERROR)
        Path(settings.data / "mlflow").mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(settings.mlflow_uri)
        self.name = f"{settings.source}-redemption"
        self.artifacts = settings.mlflow_artifacts
        self.client: MlflowClient = mlflow.MlflowClient(settings.mlflow_uri)

    def log(
        self,
        text: str,
        features: FeatureSet,
        example: np.ndarray,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Path,
    ) -> Entry:
        """Log a run with its model and all files of a folder, register the model and call it the challenger."""
        import lightgbm
        import mlflow
        from mlflow.models import infer_signature

        booster = load(text, features)
        marks = {DIGEST_TAG: digest_of(text), FEATURES_TAG: features.hash}
        with mlflow.start_run(experiment_id=self._experiment(), tags={**tags, **marks}):
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics(dict(metrics))
            mlflow.log_artifacts(str(files))
            frame = pd.DataFrame(example, columns=list(features.names))
            signature = infer_signature(frame, booster.predict(example, num_threads=1))
            info = mlflow.lightgbm.log_model(
                booster,
                name="model",
                signature=signature,
                pip_requirements=[f"lightgbm=={lightgbm.__version__}"],
                registered_model_name=self.name,
            )
        version = str(info.registered_model_version)
        for key, value in marks.items():
            self.client.set_model_version_tag(self.name, version, key, value)
        entry = self.entry(version)
        self.client.set_registered_model_alias(self.name, "challenger", version)
        return entry

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, version, key, value)

    def promote(self, version: str) -> None:
        """Make a version the champion; the one before stays reachable as previous. Raises RegistryError as `entry`."""
        current = self._aliases().get("champion")
        if current == version:
            return
        self.entry(version)
        if current is not None:
            self.client.set_registered_model_alias(self.name, "previous", current)
        self.client.set_registered_model_alias(self.name, "champion", version)

    def champion(self) -> Entry | None:
        """The model that decides, or None before the first one."""
        version = self._aliases().get("champion")
        return None if version is None else self.entry(version)

    def entry(self, version: str) -> Entry:
        """A version with its text; raises RegistryError unless the text is the one that was registered."""
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version(self.name, version)
        except MlflowException as error:
            raise RegistryError(f"{self.name} has no version {version}: {error.message}") from error
        with tempfile.TemporaryDirectory() as folder:
            # With a local store, a download without a destination hands out the live folder of the registry.
            path = mlflow.artifacts.download_artifacts(f"models:/{self.name}/{version}", dst_path=folder)
            text = (Path(path) / "model.lgb").read_text(encoding="utf-8")
        if digest_of(text) != found.tags.get(DIGEST_TAG):
            raise RegistryError(
                f"version {version} of {self.name} is not the model that was registered (SHA-256 differs): "
                "train again with `make run FORCE=1`"
            )
        return Entry(self.name, version, str(found.run_id), digest_of(text), found.tags[FEATURES_TAG], text)

    def download(self, run_id: str, folder: Path) -> Path:
        """Copy the files that were logged with a run into a folder."""
        import mlflow

        folder.mkdir(parents=True, exist_ok=True)
        return Path(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(folder)))

    def _aliases(self) -> Mapping[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_registered_model(self.name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: str(version) for alias, version in found.items()}

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.name)
        if found is not None:
            return found.experiment_id
        return self.client.create_experiment(self.name, artifact_location=(self.artifacts / self.name).as_uri())
