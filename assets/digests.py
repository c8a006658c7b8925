"""What each weekly file is made from: a file whose digest differs from the planned one is stale."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property

from assets.pipeline import Pipeline
from models.dataset import inputs

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging import published
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.fingerprints import code_of, fingerprint

JUDGES = (
    "coupon_pipeline.contracts.judging",
    "coupon_pipeline.contracts.mending.replays",
    "coupon_pipeline.contracts.arrow",
    "coupon_pipeline.contracts.lineage",
)
"""What decides over a row; the rest of the contracts' code only reads or shows."""
FEATURE_TABLES = ("household", "coupon", "pair")
DECISION_TABLES = ("coupon_assignments", "decision_contexts")
ISSUES = ("ledger", "issues")
"""Layer and table of a cycle's issues."""


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
        self._read: dict[tuple[str, str, str], str | None] = {}

    def found(self, layer: str, table: str, week: str) -> str | None:
        """The digest that a file has; None if it is missing."""
        key = (layer, table, week)
        if key not in self._read:
            self._read[key] = self.pipeline.store.digest(*key)
        return self._read[key]

    def raw(self, table: str, week: str) -> str:
        """What a landed week is made from."""
        return fingerprint(self.pipeline.source.fingerprint(table, week))

    def clean(self, table: str, week: str) -> str:
        """What a validated week is made from: the landed one, what was let in again, and what it is held against.

        Not from the contract: a published week stays as it was judged, and another contract judges the weeks to come.
        """
        contract = reader.load(table)
        held_against = [[name, self._up_to(name, week)] for name in contract.others if name in self._tables]
        replayed = self.found("replays", table, week)
        return fingerprint(self._input("raw", table, week), replayed, held_against, code_of(*JUDGES))

    def is_published(self, table: str, week: str) -> bool:
        """Whether what is published of a week is what its delivery comes to."""
        digest = self.clean(table, week)
        return all(self.found(layer, table, week) == digest for layer in ("quarantine", "clean"))

    def is_judged(self, table: str, week: str) -> bool:
        """Whether a week has its verdict: it is published, or refused by today's contract where it is optional."""
        contract = reader.load(table)
        if self.is_published(table, week):
            return True
        refused = published.is_refused(self.pipeline.store, contract, week, self.clean(table, week))
        return refused and not contract.mandatory

    def candidates(self, week: str) -> str:
        """What a cycle's candidates are made from."""
        code = code_of(
            "coupon_pipeline.decisions.candidates",
            "coupon_pipeline.decisions.arms",
        )
        given = self.pipeline.source.assignment
        clean = [[table, self._up_to(table, week)] for table in inputs(self._tables)]
        erased = self.pipeline.store.erased().tolist()
        return fingerprint(clean, erased, None if given is None else asdict(given), code)

    def features(self, week: str) -> str:
        """What a cycle's features are made from."""
        code = code_of("coupon_pipeline.features")
        return fingerprint(self.candidates(week), REDEMPTION.hash, code)

    def decisions(self, week: str, model_digest: str) -> str:
        """What a cycle's decisions are made from."""
        return fingerprint(self.features(week), self.pipeline.terms.version(REDEMPTION.hash, model_digest))

    def issues(self, week: str, model_digest: str) -> str:
        """What a cycle's issues are made from."""
        code = code_of("coupon_pipeline.issuing")
        return fingerprint(self.decisions(week, model_digest), asdict(self.pipeline.limits), code)

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
            self._known[key] = self._made(*key) if self.planned else self.found(*key)
        return self._known[key]

    def _made(self, layer: str, table: str, week: str) -> str | None:
        if layer == "raw":
            return self.raw(table, week)
        digest = self.clean(table, week)
        # What is blocked for good is missing, or is still what was published before.
        blocked = self.found(layer, table, week) != digest and self.is_judged(table, week)
        return self.found(layer, table, week) if blocked else digest

    @cached_property
    def _tables(self) -> tuple[str, ...]:
        return self.pipeline.source.tables()
