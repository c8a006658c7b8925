"""Features of a household: how often and how much it buys, how it uses coupons, who it is."""

from __future__ import annotations

import ibis
import ibis.expr.types as types

from coupon_pipeline.features.feature import Feature
from coupon_pipeline.features.history import RECENT, History, attach

NEVER = "no such event so far"
UNSEEN = "the household has bought nothing so far"
UNTOLD = "not told"
PRIOR_TARGETINGS = 2.0
"""Weight of the mean habit, in targetings, in a household's own rate."""

FEATURES = (
    Feature("household__baskets_28d", "Baskets.", "count", "28 days", UNSEEN),
    Feature("household__baskets_91d", "Baskets.", "count", "91 days", UNSEEN),
    Feature("household__spend_91d", "Spend.", "cents", "91 days", UNSEEN),
    Feature("household__products_91d", "Different products bought.", "count", "91 days", UNSEEN),
    Feature("household__days_since_basket", "Days since the last basket.", "days", "ever", UNSEEN),
    Feature("household__mean_basket", "Mean spend of a basket.", "cents", "ever", UNSEEN),
    Feature("household__private_label_share", "Share of spend on private labels.", "share", "ever", UNSEEN),
    Feature("household__coupon_lines", "Lines with a coupon discount.", "count", "ever", UNSEEN),
    Feature("household__coupon_lines_91d", "Lines with a coupon discount.", "count", "91 days", UNSEEN),
    Feature("household__coupon_discount", "Coupon discounts.", "cents", "ever", UNSEEN),
    Feature("household__coupon_basket_share", "Share of baskets with a coupon discount.", "share", "ever", UNSEEN),
    Feature("household__days_since_coupon", "Days since the last coupon discount.", "days", "ever", NEVER),
    Feature("household__targeted", "Campaigns that targeted it.", "count", "ever", "never null"),
    Feature("household__redemptions", "Coupons redeemed.", "count", "ever", "never null"),
    Feature("household__redeemed_campaigns", "Campaigns it redeemed in.", "count", "ever", "never null"),
    Feature(
        "household__redemption_rate", "Campaigns redeemed in per targeting, shrunk.", "share", "ever", "never null"
    ),
    Feature("household__days_since_redemption", "Days since the last first-time redemption.", "days", "ever", NEVER),
    Feature("household__age", "Lower end of the age band.", "years", "undated", UNTOLD),
    Feature("household__income", "Lower end of the income band.", "thousands", "undated", UNTOLD),
    Feature("household__size", "Members.", "count", "undated", UNTOLD),
    Feature("household__kids", "Children.", "count", "undated", UNTOLD),
)


def table(history: History) -> ibis.Table:
    """One row per known household, one column per feature."""
    customers = history.as_of.state("customers")
    households = customers.select(
        "household_id",
        household__age=_lower_end(customers.age_band),
        household__income=_lower_end(customers.income_band),
        household__size=_lower_end(customers.household_size),
        household__kids=_lower_end(customers.kids_count),
    )
    joined = households
    for part in (_spending(history), _coupon_habit(history), _redeeming(history)):
        joined = attach(joined, part, "household_id")
    return _with_rates(joined).select("household_id", *(feature.name for feature in FEATURES))


def _lower_end(band: types.StringValue) -> ibis.Value:
    """The first number in a band such as `35-49K`; 0 for `Under 15K`."""
    number = band.re_extract(r"(\d+)", 1).nullif("").cast("float64")
    return ibis.ifelse(band.startswith("Under"), 0.0, number)


def _spending(history: History) -> ibis.Table:
    lines = history.lines.left_join(
        history.products.select("product_id", private=history.products.brand_type == "private"), "product_id"
    )
    baskets = lines.basket_id
    return lines.group_by("household_id").agg(
        household__baskets_28d=baskets.nunique(where=lines.age < 28),
        household__baskets_91d=baskets.nunique(where=lines.age < RECENT),
        household__spend_91d=lines.spend_cents.sum(where=lines.age < RECENT).fill_null(0),
        household__products_91d=lines.product_id.nunique(where=lines.age < RECENT),
        household__days_since_basket=lines.age.min(),
        _baskets=baskets.nunique(),
        _spend=lines.spend_cents.sum(),
        _private=lines.spend_cents.sum(where=lines.private).fill_null(0),
    )


def _coupon_habit(history: History) -> ibis.Table:
    lines = history.lines
    used = lines.coupon_cents > 0
    return lines.group_by("household_id").agg(
        household__coupon_lines=used.sum(),
        household__coupon_lines_91d=(used & (lines.age < RECENT)).sum(),
        household__coupon_discount=lines.coupon_cents.sum(),
        household__days_since_coupon=lines.age.min(where=used),
        _coupon_baskets=lines.basket_id.nunique(where=used),
    )


def _redeeming(history: History) -> ibis.Table:
    targets, redeemed = history.targets, history.redemptions
    targeted = targets.group_by("household_id").agg(_targeted=targets.count())
    used = redeemed.group_by("household_id").agg(
        _redemptions=redeemed.count(),
        _campaigns=redeemed.campaign_id.nunique(),
        household__days_since_redemption=redeemed.age.min(),
    )
    return targeted.outer_join(used, "household_id").select(
        "_targeted",
        "_redemptions",
        "_campaigns",
        "household__days_since_redemption",
        household_id=ibis.coalesce(targeted.household_id, used.household_id),
    )


def _with_rates(joined: ibis.Table) -> ibis.Table:
    targeted = joined._targeted.fill_null(0)
    campaigns = joined._campaigns.fill_null(0)
    everyone = ibis.window()
    habit = campaigns.sum().over(everyone) / targeted.sum().over(everyone).nullif(0)
    return joined.mutate(
        household__mean_basket=joined._spend / joined._baskets.nullif(0),
        household__private_label_share=joined._private / joined._spend.nullif(0),
        household__coupon_basket_share=joined._coupon_baskets / joined._baskets.nullif(0),
        household__targeted=targeted,
        household__redemptions=joined._redemptions.fill_null(0),
        household__redeemed_campaigns=campaigns,
        household__redemption_rate=(campaigns + PRIOR_TARGETINGS * habit.fill_null(0.0))
        / (targeted + PRIOR_TARGETINGS),
    )
