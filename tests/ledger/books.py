"""The books of the model: what is known, what was issued and redeemed, and what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import (
    Basket,
    CampaignTerms,
    CouponTerms,
    Definitions,
    Synced,
)

EVER = 2**53
Place = tuple[str, int]
"""A limit: its scope and the id within it."""


class RefusedError(Exception):
    """The answer is this refusal, and nothing has changed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass
class Entry:
    """An issue; `household` is None once it is erased."""

    number: int
    coupon: CouponTerms
    household: int | None
    at: int
    channel: str = "app"
    state: str = "issued"
    held_by: str | None = None
    held_until: int = 0

    def amounts(self) -> dict[Place, int]:
        """What it counts against each limit; the supplier's part is rounded up."""
        coupon = self.coupon
        share = -(-coupon.value_cents * coupon.supplier_share_bp // 10_000)
        supplier = {("supplier", coupon.supplier_id): share} if coupon.supplier_id else {}
        money = {("campaign", coupon.campaign_id): coupon.value_cents, **supplier, ("total", 0): coupon.value_cents}
        return {**money, ("campaign_issues", coupon.campaign_id): 1, ("coupon_issues", coupon.coupon_id): 1}


@dataclass
class Sale:
    """A redemption; without an entry, a key that was reversed before it came."""

    number: int
    entry: Entry | None
    asked: Any
    basket: Basket | None
    discount: int
    at: int
    group: str | None
    reversed_at: int | None = None


@dataclass
class Event:
    """A change of state."""

    topic: str
    entry: Entry
    sale: Sale | None = None


@dataclass
class Books:
    """What is known and what has happened; issues and redemptions are numbered from 1."""

    now: int
    campaigns: dict[int, CampaignTerms] = field(default_factory=dict)
    coupons: dict[int, CouponTerms] = field(default_factory=dict)
    consents: dict[int, bool] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    per_day: int | None = None
    granted: dict[Place, int | None] = field(default_factory=dict)
    paid: Counter[int] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)
    sales: dict[tuple[str, str], Sale] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    batches: list[tuple[int, list[Event]]] = field(default_factory=list)

    def open(self) -> list[Entry]:
        """The issues that are neither used nor ended."""
        return [one for one in self.entries if one.state == "issued"]

    def rivals(self, household: int | None, coupon: CouponTerms) -> list[Entry]:
        """The household's open issues of the coupon's category."""
        own = [one for one in self.open() if one.household == household and household is not None]
        return [one for one in own if coupon.category is not None and one.coupon.category == coupon.category]

    def end(self, entries: Iterable[Entry], state: str) -> None:
        """Issues that are void or expired."""
        for one in entries:
            one.state = state
            self.events.append(Event(state, one))

    def reserved(self, without: Iterable[Entry] = ()) -> Counter[Place]:
        """What each limit has given: face value outstanding or redeemed; of issues, all there ever were."""
        sums: Counter[Place] = Counter()
        for one in self.entries:
            is_owed = one.state in ("issued", "redeemed") and one not in without
            sums.update({at: n for at, n in one.amounts().items() if is_owed or at[0].endswith("_issues")})
        return sums

    def roll_up(self) -> None:
        """Note what each campaign has paid."""
        self.paid = Counter()
        for sale in self.sales.values():
            if sale.entry is not None and sale.reversed_at is None:
                self.paid[sale.entry.coupon.campaign_id] += sale.discount

    def expire(self) -> int:
        """End all that are due."""
        due = [one for one in self.open() if one.coupon.expires_at <= self.now]
        self.end(due, "expired")
        return len(due)

    def claim(self) -> tuple[int, int] | None:
        """Put the events since the last time into a batch; (instant, number of events)."""
        self.roll_up()
        fresh = self.events[sum(len(events) for _, events in self.batches) :]
        if not fresh:
            return None
        self.batches.append((max(self.now, self.batches[-1][0] + 1 if self.batches else 0), fresh))
        return self.batches[-1][0], len(fresh)

    def sync(self, told: Definitions) -> Synced:
        """Take over what is told; limits of what is named, the total and the cap per day always are."""
        fresh = {h: may for h, may in told.consents.items() if h not in self.erased and self.consents.get(h) != may}
        self.consents |= fresh
        unwanted = [one for one in self.open() if not self.consents.get(one.household or 0)]
        self.end(unwanted, "void")
        campaigns = sum(_terms(self.campaigns.get(one.campaign_id)) != _terms(one) for one in told.campaigns)
        coupons = sum(_terms(self.coupons.get(one.coupon_id)) != _terms(one) for one in told.coupons)
        self.per_day = told.per_household_day
        self.campaigns |= {one.campaign_id: one for one in told.campaigns}
        self.coupons |= {one.coupon_id: one for one in told.coupons}
        self.granted = {("supplier", one.supplier_id): None for one in told.coupons if one.supplier_id} | self.granted
        limits, used = limits_of(told), self.reserved()
        self.granted |= {at: None if limit is None else max(limit, used[at]) for at, limit in limits.items()}
        raised = [
            f"{scope} {number}"
            for (scope, number), limit in limits.items()
            if limit is not None and limit < used[scope, number]
        ]
        return Synced(campaigns, coupons, len(fresh), len(unwanted), tuple(raised))


def limits_of(told: Definitions) -> dict[Place, int | None]:
    """All limits that definitions set, in the order in which they are set."""
    limits: dict[Place, int | None] = {("total", 0): told.total_liability_cents}
    limits |= {("supplier", supplier): limit for supplier, limit in sorted(told.supplier_liability_cents.items())}
    for campaign in told.campaigns:
        limits["campaign", campaign.campaign_id] = campaign.liability_cents
        limits["campaign_issues", campaign.campaign_id] = campaign.max_issues
    for coupon in told.coupons:
        limits["coupon_issues", coupon.coupon_id] = coupon.max_issues
    return limits


def _terms(told: CampaignTerms | CouponTerms | None) -> Any:
    """What is told of a campaign or a coupon without its limits."""
    if told is None:
        return None
    terms = replace(told, max_issues=None)
    return replace(terms, liability_cents=None) if isinstance(terms, CampaignTerms) else terms
