"""What the ledger is told and what it answers: plain values, money in cents, instants in epoch milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CampaignTerms:
    """A campaign and its limits; None limits nothing."""

    campaign_id: int
    is_open: bool = True
    per_household: int = 100
    """Most issues that one household ever gets, 1 to 100."""
    budget_cents: int | None = None
    """Once redemptions have cost so much, nothing new is issued."""
    liability_cents: int | None = None
    """Most face value outstanding or redeemed."""
    max_issues: int | None = None


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """An offer."""

    coupon_id: int
    campaign_id: int
    value_cents: int
    """Most that one redemption takes off."""
    valid_from: int
    expires_at: int
    """Exclusive: at this millisecond the coupon has expired."""
    category: str | None = None
    """A household has one live coupon of a category; None: any number."""
    min_quantity: int = 1
    """Units of the coupon's products that must be in the basket."""
    min_spend_cents: int = 0
    """What the coupon's products in the basket must cost."""
    supplier_id: int | None = None
    supplier_share_bp: int = 0
    """Part of the value that counts against the supplier's liability, in hundredths of a percent."""
    stacking_group: str | None = None
    """A basket uses one coupon of a group; None: stacks with all."""
    is_bound: bool = False
    """Whether the till must name the household."""
    max_issues: int | None = None
    product_ids: tuple[int, ...] = ()
    """Products that count; empty: all."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """What `sync` makes the ledger know. Campaigns, coupons, suppliers and households not named stay as they are.

    The total limit, the cap per day and the time zone are taken over as they stand here.
    """

    campaigns: tuple[CampaignTerms, ...] = ()
    coupons: tuple[CouponTerms, ...] = ()
    consents: Mapping[int, bool] = field(default_factory=dict)
    """Household -> whether it may be sent coupons."""
    total_liability_cents: int | None = None
    supplier_liability_cents: Mapping[int, int | None] = field(default_factory=dict)
    per_household_day: int | None = None
    """Most issues of one household on one store-local day."""
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Synced:
    """What `sync` has changed: how many of each differed."""

    campaigns: int
    coupons: int
    consents: int
    voided: int
    """Issues that ended because consent was withdrawn."""
    raised: tuple[str, ...] = ()
    """Limits that stay above what was asked for, because more is reserved: `campaign 7`."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A coupon to be issued to a household; the key of its issue is made from `decision_id`."""

    decision_id: str
    household_id: int
    coupon_id: int
    channel: str
    arm: str | None = None
    policy: str | None = None
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an assignment: an issue, new or known from before (`replay`), or the name of a refusal."""

    decision_id: str
    issue_id: int | None
    reason: str | None = None
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """A live issue from before the ledger, which keeps its id."""

    issue_id: int
    coupon_id: int
    household_id: int
    issued_at: int
    channel: str
    decision_id: str | None = None
    arm: str | None = None
    policy: str | None = None
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a basket."""

    product_id: int
    quantity: int
    gross_cents: int


@dataclass(frozen=True, slots=True)
class Basket:
    """Where and with what a coupon is used; texts are the till's own."""

    store_id: str
    basket_id: str
    till_id: str | None = None
    lines: tuple[Line, ...] | None = None
    """None: not told, so that nothing about them is checked (`validate` and `hold` alone)."""
    household_id: int | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """Answer of `issue`."""

    issue_id: int
    code: str
    valid_from: int
    expires_at: int
    replay: bool


@dataclass(frozen=True, slots=True)
class Valid:
    """Answer of `validate`: the coupon could be redeemed now. It promises nothing."""

    issue_id: int
    coupon_id: int
    value_cents: int
    min_quantity: int
    min_spend_cents: int
    valid_from: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Held:
    """Answer of `hold`: until then no other client can redeem."""

    issue_id: int
    held_until: int
    replay: bool


@dataclass(frozen=True, slots=True)
class Redeemed:
    """Answer of `redeem`."""

    redemption_id: int
    issue_id: int
    discount_cents: int
    redeemed_at: int
    replay: bool


@dataclass(frozen=True, slots=True)
class Reversed:
    """Answer of `reverse`. `issue_id` is None where the redemption had not arrived: it never can from now on."""

    issue_id: int | None
    state: str | None
    """State of the issue after it, `issued` where it may be used again."""
    reversed_at: int
    replay: bool


@dataclass(frozen=True, slots=True)
class Voided:
    """Answer of `void`."""

    issue_id: int
    replay: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Outbox rows that were claimed together: the pipeline knows them from `known_at` on."""

    number: int
    known_at: int
    events: int
    digest: str
    """SHA-256 over the previous batch's digest and the rows of this one, hex."""
    is_trimmed: bool = False


@dataclass(frozen=True, slots=True)
class ExportedIssue:
    """A row for `coupon_issues`; `household_id` is None for a household that is erased or not known."""

    issue_id: int
    coupon_id: int
    household_id: int | None
    decision_id: str | None
    propensity: float | None
    policy: str | None
    arm: str | None
    channel: str
    issued_at: int
    known_at: int


@dataclass(frozen=True, slots=True)
class ExportedRedemption:
    """A row for `coupon_redemptions`; `is_deleted` where it was reversed after it had been exported."""

    redemption_id: int
    issue_id: int
    coupon_id: int
    household_id: int | None
    store_id: str
    basket_id: str
    discount_cents: int
    redeemed_at: int
    is_deleted: bool
    known_at: int
