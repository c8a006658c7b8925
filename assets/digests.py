"""What each weekly file is made from: a file whose digest differs from the planned one is stale."""

from __future__ import annotations

from dataclasses import asdict

from assets.pipeline import Pipeline
from models.dataset import inputs

from coupon_pipeline.contracts import reader
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.fingerprints import code_of, fingerprint

FEATURE_TABLES = ("household", "coupon", "pair")
DECISION_TABLES = ("coupon_assignments", "decision_contexts")


class Digests:
    """Digests of weekly files, from the digests of their inputs.

    A file is marked with the digests that its inputs have (`planned=False`). What it should be marked with follows
    from what the source would deliver now (`planned=True`). Each file's own digest is read once: make a new object
    after files have changed.
    """

    def __init__(self, pipeline: Pipeline, planned: bool = False) -> None:
        self.pipeline = pipeline
        self.planned = planned
        self._known: dict[tuple[str, str, str], str | None] = {}

    def found(self, layer: str, table: str, week: str) -> str | None:
        """The digest that a file has; None if it is missing."""
        return self.pipeline.store.digest(layer, table, week)

    def raw(self, table: str, week: str) -> str:
        """What a landed week is made from."""
        return fingerprint(self.pipeline.source.fingerprint(table, week))

    def clean(self, table: str, week: str) -> str:
        """What a validated week is made from: the landed one, the contract, and the keys it refers to."""
        contract = reader.load(table)
        referenced = sorted({target.split(".")[0] for target in contract.references.values()})
        keys = [[name, self._up_to(name, week)] for name in referenced]
        code = code_of("coupon_pipeline.contracts")
        return fingerprint(self._input("raw", table, week), contract.digest, keys, code)

    def candidates(self, week: str) -> str:
        """What a cycle's candidates are made from."""
        code = code_of(
            "coupon_pipeline.decisions.candidates",
            "coupon_pipeline.decisions.arms",
        )
        given = self.pipeline.source.assignment
        clean = [[table, self._up_to(table, week)] for table in inputs(self.pipeline.source.tables())]
        return fingerprint(clean, None if given is None else asdict(given), code)

    def features(self, week: str) -> str:
        """What a cycle's features are made from."""
        code = code_of("coupon_pipeline.features")
        return fingerprint(self.candidates(week), REDEMPTION.hash, code)

    def decisions(self, week: str, model_digest: str) -> str:
        """What a cycle's decisions are made from."""
        return fingerprint(self.features(week), self.pipeline.terms.version(REDEMPTION.hash, model_digest))

    def snapshot(self, week: str, model_digest: str) -> str:
        """What a cycle's bundle is made from."""
        code = code_of("coupon_pipeline.snapshot", "assets.snapshot")
        return fingerprint(self.decisions(week, model_digest), code)

    def _up_to(self, table: str, week: str) -> list[str | None]:
        weeks = self.pipeline.source.calendar.weeks
        return [self._input("clean", table, other) for other in weeks if other <= week]

    def _input(self, layer: str, table: str, week: str) -> str | None:
        key = (layer, table, week)
        if key not in self._known:
            make = {"raw": self.raw, "clean": self.clean}[layer]
            self._known[key] = make(table, week) if self.planned else self.found(*key)
        return self._known[key]
