"""What a feature is, and the named selection of features that one model is trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from coupon_pipeline.fingerprints import fingerprint


@dataclass(frozen=True)
class Feature:
    """One number per household, coupon or pair of both; its expression stands in the module of its family."""

    name: str
    """`<family>__<what>`."""
    doc: str
    unit: str
    window: str
    null: str
    """What a null means."""
    version: int = 1
    """Goes up when the meaning changes."""
    dtype: str = "float64"

    @property
    def family(self) -> str:
        """household, coupon or pair."""
        return self.name.partition("__")[0]


@dataclass(frozen=True)
class FeatureSet:
    """A named, ordered selection of features; a model is never scored with another one than it was trained with."""

    name: str
    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in model order."""
        return tuple(feature.name for feature in self.features)

    def of(self, family: str) -> tuple[str, ...]:
        """The names of one family, in model order."""
        return tuple(feature.name for feature in self.features if feature.family == family)

    @property
    def hash(self) -> str:
        """Digest of what the features mean: name, dtype, window, null meaning and version of each, in order."""
        facts = [asdict(feature) for feature in self.features]
        return fingerprint([[f["name"], f["dtype"], f["window"], f["null"], f["version"]] for f in facts])
