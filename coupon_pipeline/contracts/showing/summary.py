"""What is kept of a week's verdict once its rows are written: counts and findings, no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from coupon_pipeline.contracts.judging.verdict import Outcome, Verdict


@dataclass(frozen=True)
class Summary:
    """One checked week; `share` is the part of its rows, 0..1, that is bad, `reasons` say why it is blocked."""

    week: str
    rows_in: int
    clean: int
    quarantined: int
    share: float
    passed: bool
    outcomes: tuple[Outcome, ...]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """The counts and findings of a verdict."""
        return cls(
            verdict.week,
            verdict.rows_in,
            verdict.clean.num_rows,
            verdict.quarantined.num_rows,
            verdict.share,
            verdict.passed,
            verdict.outcomes,
            tuple(verdict.reasons),
        )
