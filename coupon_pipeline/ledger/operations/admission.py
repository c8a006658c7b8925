"""Which offers, owners and places an issue needs, as single and bulk issues alike read them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from coupon_pipeline.ledger.operations.escrow import TOTAL
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.statement import Row, Statement, Transaction

PER_DAY, TIMEZONE, NEXT_ISSUE = "per_household_day", "timezone", "next_issue_id"
"""Names of settings."""

_SHARDS: Final = "(select max(shard) + 1 from escrow where scope = '{scope}' and scope_id = {scope_id})"
OFFER: Final = Statement(
    "select c.campaign_id, c.category, c.value_cents, c.valid_from, c.expires_at, c.supplier_id, c.supplier_share_bp, "
    "g.state, g.per_household, g.budget_cents, g.paid_cents, "
    + ", ".join(
        _SHARDS.format(scope=scope, scope_id=scope_id)
        for scope, scope_id in (
            ("campaign", "c.campaign_id"),
            ("supplier", "c.supplier_id"),
            ("total", TOTAL),
            ("campaign_issues", "c.campaign_id"),
            ("coupon_issues", "c.coupon_id"),
        )
    )
    + " from coupon c join campaign g on g.campaign_id = c.campaign_id where c.coupon_id = :coupon_id"
)
SETTINGS: Final = Statement("select name, value from setting")
# The lock keeps consent as it is, and has two issues to one household take turns: each sees the other's places.
OWNER: Final = Statement(
    "select p.pid, c.marketing from pseudonym p join consent c on c.pid = p.pid where p.household_hmac = :household "
    "{lock}",
    "for no key update of c",
)
NEXT_IDS: Final = {
    "sqlite": Statement(
        "update setting set value = cast(value as integer) + :n where name = 'next_issue_id' "
        "returning cast(value as integer) - :n"
    ),
    "postgresql": Statement("select nextval('issue_id') from generate_series(1, :n)"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A coupon with its campaign, and in how many shards each of its limits lies (None: no limit)."""

    campaign_id: int
    category: str | None
    value_cents: int
    valid_from: int
    expires_at: int
    supplier_id: int | None
    supplier_share_bp: int
    campaign_state: str
    per_household: int
    budget_cents: int | None
    paid_cents: int
    campaign_shards: int | None
    supplier_shards: int | None
    total_shards: int | None
    campaign_issues_shards: int | None
    coupon_issues_shards: int | None

    @property
    def supplier_cents(self) -> int:
        """What counts against the supplier's liability: its share, rounded up."""
        return 0 if self.supplier_id is None else -(-self.value_cents * self.supplier_share_bp // 10_000)

    def refusal(self, now: int) -> Reason | None:
        """Why nothing of it can be issued, whoever asks."""
        if self.campaign_state != "open":
            return Reason.CAMPAIGN_CLOSED
        if self.expires_at <= now:
            return Reason.EXPIRED
        if self.budget_cents is not None and self.paid_cents >= self.budget_cents:
            return Reason.BUDGET_EXHAUSTED
        return None

    def limits(self, coupon_id: int) -> list[tuple[str, int, int, int]]:
        """(scope, id, amount, shards) of what one issue reserves, in the common order of locks."""
        found = [
            ("campaign", self.campaign_id, self.value_cents, self.campaign_shards),
            ("supplier", self.supplier_id, self.supplier_cents, self.supplier_shards),
            ("total", TOTAL, self.value_cents, self.total_shards),
            ("campaign_issues", self.campaign_id, 1, self.campaign_issues_shards),
            ("coupon_issues", coupon_id, 1, self.coupon_issues_shards),
        ]
        return [
            (scope, scope_id, amount, shards)
            for scope, scope_id, amount, shards in found
            if scope_id is not None and shards is not None and amount
        ]


WORDS: Final = {
    Reason.UNKNOWN_COUPON: ("no such coupon: the pipeline makes coupons known before a cycle issues them", "coupon_id"),
    Reason.NO_CONSENT: ("the household does not consent to coupons, or is not known: issue nothing", "household_id"),
    Reason.CAMPAIGN_CLOSED: ("the coupon's campaign is closed", "coupon_id"),
    Reason.EXPIRED: ("the coupon's time is over", "coupon_id"),
    Reason.BUDGET_EXHAUSTED: ("the campaign has paid out its budget; what is issued stays good", "coupon_id"),
    Reason.LIABILITY_EXHAUSTED: ("a limit of outstanding face value is reached; it is freed by expiry", "coupon_id"),
    Reason.HOUSEHOLD_CAP: ("the household has had as many coupons of the campaign as it may", "household_id"),
    Reason.DAY_CAP: ("the household has had as many coupons as a day allows: try tomorrow", "household_id"),
    Reason.COUPON_CAP: ("as many of the coupon are issued as may be", "coupon_id"),
    Reason.CAMPAIGN_CAP: ("as many of the campaign are issued as may be", "coupon_id"),
    Reason.CATEGORY_TAKEN: ("the household has a live coupon of the category", "coupon_id"),
    Reason.KEY_REUSED: ("the key belongs to another issue: take a fresh one for other parameters", "key"),
}
"""Reason -> what to do, and the field that it is about."""


def refusal(reason: Reason) -> RefusalError:
    """The refusal of an issue."""
    return RefusalError(reason, *WORDS[reason])


def offer(tx: Transaction, coupon_id: int) -> Offer | None:
    """A coupon with its campaign."""
    found = tx.one(OFFER, coupon_id=coupon_id)
    return None if found is None else Offer(*found)


def settings(tx: Transaction) -> dict[str, str]:
    """All settings by name."""
    return dict(tx.all(SETTINGS))


def next_ids(tx: Transaction, count: int) -> list[int]:
    """Ids that no issue has, ascending."""
    if tx.dialect == "postgresql":
        return [row[0] for row in tx.all(NEXT_IDS["postgresql"], n=count)]
    [first] = tx.one(NEXT_IDS["sqlite"], n=count) or (1,)
    return list(range(first, first + count))


def local_day(now: int, timezone: str) -> int:
    """The number (proleptic ordinal) of the store-local day of an instant."""
    return datetime.fromtimestamp(now / 1000, UTC).astimezone(_zone(timezone)).toordinal()


@lru_cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def free_slot(taken: Collection[int]) -> int:
    """The lowest number that is not taken; without gaps that is how many there are."""
    if len(taken) not in taken:
        return len(taken)
    return next(slot for slot in range(len(taken) + 1) if slot not in taken)


def slots(rows: list[Row]) -> set[int]:
    """The numbers in rows of one column."""
    return {row[0] for row in rows}
