"""The offers, limits and households of a storm."""

from __future__ import annotations

from typing import Final, NamedTuple

from coupon_pipeline.ledger.records import (
    Assignment,
    CampaignTerms,
    CouponTerms,
    Definitions,
)

NOON: Final = 1_741_608_000_000
"""Monday 2025-03-10, 12:00 UTC: the business instant at which a storm begins, far from any midnight."""
DAY: Final = 86_400_000
FOR_LONG: Final = NOON + 30 * DAY
BULK, SCARCE, COUNTED, FREE, PULSE = 1, 2, 3, 4, 5
"""Campaigns: issued before the storm; with a liability limit; with a number of issues; with the total limit alone; and
what the back office issues all the while, so that the ledger's latest fact is never old: by it a fresh worker sets its
clock."""
BOUND: Final = 2
BULK_OFFERS: Final = range(1, 9)
CLIENT_OFFERS: Final = (21, 22, 23, 24, 25, 26)
SUPPLIER: Final = 9
SUPPLIER_VALUE: Final = 120
DISCOUNTS: Final = (50,) * 12 + (80,) * 12 + (250,)
LATER_HOUSEHOLDS: Final = range(100_001, 100_081)
SILENT: Final = 5
"""So many of them do not consent."""
PULSES: Final = range(200_001, 203_001)
"""Households of the back office's issues, one for each."""
PULSE_OFFER: Final = 31


class Given(NamedTuple):
    """A coupon that was issued before the storm."""

    code: str
    issue_id: int
    household_id: int
    coupon_id: int


def definitions(coupons: int, opens_at: int, seconds: float) -> Definitions:
    """The terms of a storm of about so many seconds on so many coupons, of which some expire meanwhile."""
    funded = -(-coupons // len(BULK_OFFERS)) * SUPPLIER_VALUE // 2
    households = {assignment.household_id: True for assignment in assignments(coupons)}
    later = {household: number >= SILENT for number, household in enumerate(LATER_HOUSEHOLDS)}
    return Definitions(
        campaigns=(
            CampaignTerms(BULK),
            CampaignTerms(SCARCE, per_household=2, liability_cents=5_000),
            CampaignTerms(COUNTED, max_issues=40),
            CampaignTerms(FREE),
            CampaignTerms(PULSE),
        ),
        coupons=(*_bulk_offers(opens_at, seconds), *_client_offers()),
        consents=households | later | dict.fromkeys(PULSES, True),
        total_liability_cents=coupons * 120 + 6_000,
        supplier_liability_cents={SUPPLIER: funded + 700},
        per_household_day=9,
    )


def _bulk_offers(opens_at: int, seconds: float) -> tuple[CouponTerms, ...]:
    def at(part: float) -> int:
        return opens_at + int(part * seconds * 1_000)

    return (
        CouponTerms(1, BULK, 100, NOON - DAY, FOR_LONG),
        CouponTerms(BOUND, BULK, 150, NOON - DAY, FOR_LONG, is_bound=True),
        CouponTerms(3, BULK, 200, NOON - DAY, FOR_LONG, min_spend_cents=500),
        CouponTerms(4, BULK, 100, NOON - DAY, at(0.4)),
        CouponTerms(5, BULK, 100, NOON - DAY, at(0.7)),
        CouponTerms(6, BULK, 100, at(0.3), FOR_LONG),
        CouponTerms(7, BULK, 90, NOON - DAY, FOR_LONG, category="bread"),
        CouponTerms(8, BULK, SUPPLIER_VALUE, NOON - DAY, FOR_LONG, supplier_id=SUPPLIER, supplier_share_bp=5_000),
    )


def _client_offers() -> tuple[CouponTerms, ...]:
    return (
        CouponTerms(21, SCARCE, 100, NOON - DAY, FOR_LONG, max_issues=20),
        CouponTerms(22, SCARCE, 130, NOON - DAY, FOR_LONG),
        CouponTerms(23, COUNTED, 80, NOON - DAY, FOR_LONG, category="cake"),
        CouponTerms(24, COUNTED, 80, NOON - DAY, FOR_LONG, category="cake"),
        CouponTerms(25, FREE, SUPPLIER_VALUE, NOON - DAY, FOR_LONG, supplier_id=SUPPLIER, supplier_share_bp=5_000),
        CouponTerms(26, FREE, 110, NOON - DAY, FOR_LONG),
        CouponTerms(PULSE_OFFER, PULSE, 1, NOON - DAY, FOR_LONG),
    )


def assignments(coupons: int) -> list[Assignment]:
    """What is issued before the storm: every household gets one coupon of each offer."""
    offers = len(BULK_OFFERS)
    return [
        Assignment(f"decision-{number:08}", 1 + number // offers, BULK_OFFERS[number % offers], "mail")
        for number in range(coupons)
    ]


def leaving(coupons: int) -> list[int]:
    """Households that withdraw their consent, or are erased, during the storm."""
    return list(range(3, 1 + coupons // len(BULK_OFFERS), 11))
