"""Which coupon might go to whom: live offers of the coming week, each pair refused by name or eligible."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import ibis
import pyarrow as pa

from coupon_pipeline.tables import AsOf

HORIZON: Final = timedelta(days=7)
"""A cycle decides for the week after its decision time."""

REFUSALS: Final = ("erased", "no_marketing_consent", "already_redeemed")
"""Reasons why a pair is not eligible, the first that holds wins."""


def candidates(as_of: AsOf) -> pa.Table:
    """All pairs of targeted households and live coupons, ordered by (household_id, coupon_id).

    Columns: household_id, coupon_id, campaign_id, face_value_cents (null where unknown), min_quantity, category,
    valid_from, valid_to, started (the offer's life began before the decision time) and refused (one of REFUSALS, null
    if eligible).
    """
    return _judged(as_of, _live(as_of)).order_by("household_id", "coupon_id").to_pyarrow()


def _live(as_of: AsOf) -> ibis.Table:
    today = as_of.store.calendar.local_day(as_of.instant)
    coupons = as_of.state("coupons")
    live = coupons.filter(coupons.valid_from < ibis.date(today + HORIZON), coupons.valid_to >= ibis.date(today))
    targets = as_of.state("campaign_targets").select("campaign_id", "household_id")
    return targets.join(live, "campaign_id").select(
        "household_id",
        "coupon_id",
        "campaign_id",
        "face_value_cents",
        "min_quantity",
        "category",
        "valid_from",
        "valid_to",
        started=live.valid_from < ibis.date(today),
    )


def _judged(as_of: AsOf, pairs: ibis.Table) -> ibis.Table:
    customers = as_of.state("customers").select("household_id", "marketing_consent", "erased_at")
    redeemed = (
        as_of.table("coupon_redemptions").select("household_id", "coupon_id", redeemed=ibis.literal(True)).distinct()
    )
    known = pairs.left_join(customers, "household_id").drop("household_id_right")
    known = known.left_join(redeemed, ["household_id", "coupon_id"]).drop("household_id_right", "coupon_id_right")
    refused = ibis.cases(
        (known.erased_at.notnull(), "erased"),
        (~known.marketing_consent.fill_null(False), "no_marketing_consent"),
        (known.redeemed.notnull(), "already_redeemed"),
        else_=None,
    )
    return known.mutate(refused=refused).drop("marketing_consent", "erased_at", "redeemed")
