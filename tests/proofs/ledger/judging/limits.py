"""Limits and caps over time: what was surely reserved never passes them, what was refused for them had no room."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.judging.told import FOREVER, Told

from coupon_pipeline.ledger.records import CouponTerms

MONEY: Final = frozenset({"total", "campaign", "supplier"})
REFUSALS: Final = frozenset(
    {"liability_exhausted", "campaign_cap", "coupon_cap", "household_cap", "day_cap", "category_taken"}
)
DAY_MS: Final = 86_400_000
Scope = tuple[str, object]
"""A limit: its kind, and whose it is."""


@dataclass(frozen=True, slots=True)
class Span:
    """How long one issue may, and must, have counted against limits, on the machine's clock."""

    terms: CouponTerms
    owner: int | str
    day: int
    called: int
    acknowledged: int
    first_use: int = FOREVER
    """Earliest instant at which it may have stopped to be `issued`."""
    first_release: int = FOREVER
    """Earliest instant at which what it reserves may have been free again."""
    last_release: int = FOREVER
    """Instant from which on it surely is."""

    def least_end(self, kind: str) -> int:
        """Until when it surely counts."""
        return self.first_release if kind in MONEY else self.first_use if kind == "category_taken" else FOREVER


class Curve:
    """A sum that changes with time."""

    def __init__(self, changes: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(changes)
        self._instants = [instant for instant, _ in ordered]
        self._totals = [0, *accumulate(amount for _, amount in ordered)]

    def most(self, since: int = -FOREVER, until: int = FOREVER) -> int:
        """The highest sum from `since` to `until`, both included."""
        first, last = bisect_right(self._instants, since), bisect_right(self._instants, until)
        return max(self._totals[first : last + 1])


def scopes(span: Span, told: Told) -> Iterator[tuple[Scope, int, int]]:
    """Every limit that an issue counts against: (scope, amount, limit)."""
    terms, campaign, definitions = span.terms, told.campaigns[span.terms.campaign_id], told.definitions
    share = -(-terms.value_cents * terms.supplier_share_bp // 10_000)
    supplier = definitions.supplier_liability_cents.get(terms.supplier_id or -1)
    category = None if terms.category is None else 1
    for kind, whose, amount, limit in (
        ("total", 0, terms.value_cents, definitions.total_liability_cents),
        ("campaign", campaign.campaign_id, terms.value_cents, campaign.liability_cents),
        ("supplier", terms.supplier_id, share, supplier),
        ("campaign_cap", campaign.campaign_id, 1, campaign.max_issues),
        ("coupon_cap", terms.coupon_id, 1, terms.max_issues),
        ("household_cap", (campaign.campaign_id, span.owner), 1, campaign.per_household),
        ("day_cap", (span.owner, span.day), 1, definitions.per_household_day),
        ("category_taken", (span.owner, terms.category), 1, category),
    ):
        if limit is not None:
            yield (kind, whose), amount, limit


def passed(spans: Iterable[Span], told: Told) -> Iterator[tuple[Scope, str]]:
    """Limits that were surely passed at some instant: (scope, what is wrong)."""
    changes: dict[Scope, list[tuple[int, int]]] = defaultdict(list)
    limits: dict[Scope, int] = {}
    for span in spans:
        for scope, amount, limit in scopes(span, told):
            limits[scope] = limit
            if span.acknowledged < span.least_end(scope[0]):
                changes[scope] += [(span.acknowledged, amount), (span.least_end(scope[0]), -amount)]
    for scope, limit in limits.items():
        most = Curve(changes[scope]).most()
        if most > limit:
            yield scope, f"{most} of {limit}"


def wrongly_refused(refused: Iterable[Attempt], spans: Sequence[Span], told: Told) -> Iterator[tuple[Attempt, str]]:
    """Refusals for a limit that had room all the while: (attempt, what is wrong)."""
    changes: dict[Scope, list[tuple[int, int]]] = defaultdict(list)
    for span in spans:
        for scope, amount, _ in scopes(span, told):
            ends = span.last_release + 1 if scope[0] in MONEY else FOREVER
            changes[scope] += [(span.called, amount), (ends, -amount)]
    curves = {scope: Curve(found) for scope, found in changes.items()}
    for attempt in refused:
        rooms = list(_rooms(attempt, curves, told))
        if not any(room < amount for _, room, amount in rooms):
            yield attempt, f"{attempt.refusal}, though there was room: {rooms}"


def _rooms(attempt: Attempt, curves: dict[Scope, Curve], told: Told) -> Iterator[tuple[Scope, int, int]]:
    """The least room that there may have been while an attempt lasted, and what it asked for, by limit."""
    terms, returned = told.coupons[attempt.request["coupon_id"]], attempt.returned or FOREVER
    day = told.latest(attempt.returned) // DAY_MS
    for scope, amount, limit in scopes(
        Span(terms, attempt.request["household_id"], day, attempt.called, returned), told
    ):
        if attempt.refusal == ("liability_exhausted" if scope[0] in MONEY else scope[0]):
            used = curves[scope].most(attempt.called, returned - 1) if scope in curves else 0
            yield scope, limit - used, amount
