"""What a cycle tells the ledger before it issues: campaigns, coupons, limits and consent, as they were known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ibis

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.ledger.records import (
    CampaignTerms,
    CouponTerms,
    Definitions,
)
from coupon_pipeline.tables import AsOf
from coupon_pipeline.weeks import Calendar

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limits:
    """What the ledger holds to beside the limits of the campaigns; None limits nothing. Money in cents."""

    total_liability_cents: int | None
    supplier_liability_cents: int | None
    """Of each supplier."""
    per_household_day: int | None
    issues_per_coupon: int | None
    assumed_face_value_cents: int
    """Of a coupon whose value is not known."""


def definitions(as_of: AsOf, limits: Limits) -> Definitions:
    """All campaigns with a coupon that is not over, these coupons, and whether each household may get any.

    A household that the customers' system no longer knows, or calls erased, may not.
    """
    coupons = _rows(offers(as_of).order_by("coupon_id"))
    campaigns = as_of.state("campaigns").semi_join(offers(as_of), "campaign_id").order_by("campaign_id")
    products = _products(as_of)
    suppliers = {coupon["supplier_id"] for coupon in coupons if coupon["supplier_id"] is not None}
    calendar = as_of.store.calendar
    each = limits.supplier_liability_cents
    return Definitions(
        campaigns=tuple(
            CampaignTerms(
                campaign["campaign_id"],
                budget_cents=campaign["budget_cents"],
                liability_cents=campaign["liability_cents"],
            )
            for campaign in _rows(campaigns)
        ),
        coupons=tuple(_terms(coupon, products[coupon["coupon_id"]], limits, calendar) for coupon in coupons),
        consents=_consents(as_of),
        total_liability_cents=limits.total_liability_cents,
        supplier_liability_cents=dict.fromkeys(sorted(suppliers), each),
        per_household_day=limits.per_household_day,
        timezone=calendar.timezone,
    )


def offers(as_of: AsOf) -> ibis.Table:
    """The coupons whose last day is not over."""
    coupons = as_of.state("coupons")
    return coupons.filter(coupons.valid_to >= as_of.day())


def value_cents(face_value_cents: int | None, limits: Limits) -> int:
    """What one redemption takes off at most, at least 1: the ledger holds no coupon that is worth nothing."""
    return max(1, limits.assumed_face_value_cents if face_value_cents is None else face_value_cents)


def _terms(coupon: dict[str, Any], products: list[int], limits: Limits, calendar: Calendar) -> CouponTerms:
    return CouponTerms(
        coupon_id=coupon["coupon_id"],
        campaign_id=coupon["campaign_id"],
        value_cents=value_cents(coupon["face_value_cents"], limits),
        valid_from=_midnight(calendar, coupon["valid_from"]),
        expires_at=_midnight(calendar, coupon["valid_to"] + DAY),
        category=coupon["category"],
        min_quantity=coupon["min_quantity"],
        min_spend_cents=coupon["min_spend_cents"] or 0,
        supplier_id=coupon["supplier_id"],
        supplier_share_bp=coupon["supplier_share_bp"],
        stacking_group=coupon["category"],
        max_issues=limits.issues_per_coupon,
        product_ids=tuple(products),
    )


def _midnight(calendar: Calendar, day: date) -> int:
    return to_epoch(calendar.midnight(day))


def _products(as_of: AsOf) -> defaultdict[int, list[int]]:
    """Coupon -> its products, ascending."""
    listed = as_of.state("coupon_products").semi_join(offers(as_of), "coupon_id").order_by("coupon_id", "product_id")
    found: defaultdict[int, list[int]] = defaultdict(list)
    for row in _rows(listed.select("coupon_id", "product_id")):
        found[row["coupon_id"]].append(row["product_id"])
    return found


def _consents(as_of: AsOf) -> dict[int, bool]:
    told = as_of.table("customers").select("household_id").distinct()
    present = as_of.state("customers")
    may = present.select("household_id", may=present.marketing_consent & present.erased_at.isnull())
    known = told.left_join(may, "household_id").select("household_id", may=ibis._.may.fill_null(False))
    return {row["household_id"]: row["may"] for row in _rows(known.order_by("household_id"))}


def _rows(table: ibis.Table) -> list[dict[str, Any]]:
    return table.to_pyarrow().to_pylist()
