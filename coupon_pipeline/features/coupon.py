"""Features of a coupon: what it is worth, what it applies to, how its products and its like have done."""

from __future__ import annotations

import ibis

from coupon_pipeline.features import supply
from coupon_pipeline.features.feature import Feature
from coupon_pipeline.features.history import RECENT, History, attach

UNSOLD = "none of its products was sold so far"
UNPRICED = "none of its products has a known price and cost"
UNCOUNTED = "none of its products was counted, or none was sold"
PRIOR_PAIRS = 500.0
"""Weight of the mean rate, in pairs, in the rate of a category or a UPC."""

FEATURES = (
    Feature("coupon__face_value", "Face value.", "cents", "now", "the value is unknown"),
    Feature("coupon__min_quantity", "Items to buy.", "count", "now", "never null"),
    Feature("coupon__depth", "Face value per item to buy against the mean price.", "share", "91 days", "unknown"),
    Feature("coupon__price", "Mean price of an item among its products.", "cents", "91 days", UNSOLD),
    Feature("coupon__store_funded", "1 if the store pays the discount.", "flag", "now", "never null"),
    Feature("coupon__days_valid", "Length of its life.", "days", "now", "never null"),
    Feature("coupon__pool", "Coupons in its campaign.", "count", "now", "never null"),
    Feature("coupon__products", "Products that it applies to.", "count", "now", "no known product"),
    Feature("coupon__national_share", "Share of national brands in its products.", "share", "now", "no known product"),
    Feature("coupon__buyers_91d", "Households that bought one of its products.", "count", "91 days", UNSOLD),
    Feature("coupon__spend_91d", "Spend on its products.", "cents", "91 days", UNSOLD),
    Feature("coupon__coupon_line_share", "Share of its products' lines with a coupon.", "share", "91 days", UNSOLD),
    Feature("coupon__category_rate", "Redemption rate of its category in closed campaigns, shrunk.", "share",
            "ever", "no campaign of its kind has closed"),
    Feature("coupon__upc_rate", "Redemption rate of its UPC in closed campaigns, shrunk.", "share", "ever",
            "no campaign of its kind has closed"),
    Feature("coupon__shelf_price", "Mean price of its products over the price zones.", "cents", "now", UNPRICED),
    Feature("coupon__margin_share", "Margin of its products, as a share of their price.", "share", "now", UNPRICED),
    Feature("coupon__promoted_share", "Share of its products' shelves with a lower price in the week.", "share",
            "coming week", "no lower price is published for the week"),
    Feature("coupon__stock_cover", "Stock of its products, in days of their sales.", "days", "28 days", UNCOUNTED),
    Feature("coupon__on_order_cover", "Open orders of its products, in days of their sales.", "days", "28 days",
            "none of its products was sold, or orders are not told"),
)  # fmt: skip


def table(history: History) -> ibis.Table:
    """One row per coupon of the pairs, one column per feature."""
    coupons = history.coupons
    pools = history.all_coupons.group_by("campaign_id").agg(coupon__pool=history.all_coupons.count())
    joined = coupons.join(pools, "campaign_id")
    parts = (_products(history), _sales(history), supply.prices(history), supply.promoted(history))
    for part in (*parts, supply.stock(history)):
        joined = attach(joined, part, "coupon_id")
    for key in ("category", "upc"):
        joined = attach(joined, _rates(history, key), "kind", key)
    joined = attach(joined, _mean_rate(history), "kind")
    return _with_values(joined).select("coupon_id", *(feature.name for feature in FEATURES))


def _products(history: History) -> ibis.Table:
    listed = history.lists.join(history.products, "product_id")
    return listed.group_by("coupon_id").agg(
        coupon__products=listed.count(),
        coupon__national_share=(listed.brand_type == "national").sum() / listed.count(),
    )


def _sales(history: History) -> ibis.Table:
    recent = history.lines.filter(history.lines.age < RECENT)
    sold = history.lists.join(recent, "product_id")
    return sold.group_by("coupon_id").agg(
        coupon__buyers_91d=sold.household_id.nunique(),
        coupon__spend_91d=sold.spend_cents.sum(),
        coupon__coupon_line_share=(sold.coupon_cents > 0).sum() / sold.count(),
        coupon__price=sold.spend_cents.sum() / sold.quantity.sum().nullif(0),
    )


def _rates(history: History, key: str) -> ibis.Table:
    closed = history.closed_rates
    return closed.group_by("kind", key).agg(
        **{f"_{key}_offered": closed.offered.sum(), f"_{key}_redeemed": closed.redeemed.sum()}
    )


def _mean_rate(history: History) -> ibis.Table:
    closed = history.closed_rates
    return closed.group_by("kind").agg(_mean=closed.redeemed.sum() / closed.offered.sum().nullif(0))


def _with_values(joined: ibis.Table) -> ibis.Table:
    def shrunk(key: str) -> ibis.Value:
        redeemed, offered = joined[f"_{key}_redeemed"].fill_null(0), joined[f"_{key}_offered"].fill_null(0)
        return (redeemed + PRIOR_PAIRS * joined._mean) / (offered + PRIOR_PAIRS)

    per_item = joined.face_value_cents / joined.min_quantity
    return joined.mutate(
        coupon__face_value=joined.face_value_cents,
        coupon__min_quantity=joined.min_quantity,
        coupon__depth=per_item / joined.coupon__price.nullif(0),
        coupon__store_funded=(joined.funding == "store").cast("int64"),
        coupon__days_valid=joined.valid_to.epoch_days() - joined.valid_from.epoch_days() + 1,
        coupon__category_rate=shrunk("category"),
        coupon__upc_rate=shrunk("upc"),
    )
