"""What the checker is told beside the history: terms, whose clock says what, and what a request fails by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coupon_pipeline.ledger.records import CampaignTerms, CouponTerms, Definitions

FOREVER = 2**62


@dataclass(frozen=True)
class Told:
    """The terms of an offer, and how business time runs beside the machine's."""

    definitions: Definitions
    origin: int
    """Business instant, in epoch milliseconds, at 0 of the machine's monotonic clock."""
    behind: int = 0
    """Milliseconds by which a clock of the service may be late beside that."""
    ahead: int = 0
    """Milliseconds by which it may be early."""

    @cached_property
    def coupons(self) -> Mapping[int, CouponTerms]:
        """By id."""
        return {coupon.coupon_id: coupon for coupon in self.definitions.coupons}

    @cached_property
    def campaigns(self) -> Mapping[int, CampaignTerms]:
        """By id."""
        return {campaign.campaign_id: campaign for campaign in self.definitions.campaigns}

    def earliest(self, called: int) -> int:
        """The least that a clock of the service may have shown at an instant of the machine (ns)."""
        return self.origin + called // 1_000_000 - self.behind

    def latest(self, returned: int | None) -> int:
        """The most that it may have shown; for ever without an instant."""
        return FOREVER if returned is None else self.origin + -(-returned // 1_000_000) + self.ahead

    def machine(self, instant: int) -> int:
        """The first instant of the machine (ns) at which a clock of the service may show a business instant."""
        return (instant - self.origin - self.ahead) * 1_000_000


def first_failure(request: Mapping[str, Any], terms: CouponTerms, household: int | None) -> str | None:
    """Why a request cannot succeed whenever it comes, by the first rule that it breaks; None if it can."""
    if terms.is_bound and request.get("household_id") is None:
        return "household_required"
    if terms.is_bound and request["household_id"] != household:
        return "wrong_household"
    if request.get("lines") is None:
        return None
    lines = [line for line in request["lines"] if not terms.product_ids or line["product_id"] in terms.product_ids]
    return _too_little(lines, terms) or _too_much(request.get("discount_cents", 0), lines, terms)


def _too_little(lines: Sequence[Mapping[str, Any]], terms: CouponTerms) -> str | None:
    if sum(line["quantity"] for line in lines) < terms.min_quantity:
        return "minimum_quantity"
    return "minimum_spend" if _gross(lines) < terms.min_spend_cents else None


def _too_much(discount: int, lines: Sequence[Mapping[str, Any]], terms: CouponTerms) -> str | None:
    if discount > terms.value_cents:
        return "over_face_value"
    return "over_basket_value" if discount > _gross(lines) else None


def _gross(lines: Sequence[Mapping[str, Any]]) -> int:
    return sum(line["gross_cents"] for line in lines)
