"""What the shelves, the price lists and the orders say about a coupon's products in the coming week."""

from __future__ import annotations

from datetime import timedelta

import ibis

from coupon_pipeline.features.history import RECENT, History, attach

SALES_DAYS = 28
"""Days of sales that a day's sale is the mean of."""
VOLUME = 1_000
"""Quantity from which on a till line tells a volume and no units."""


def prices(history: History) -> ibis.Table:
    """Per coupon: mean shelf price and margin of its products in all price zones, by the prices of the day."""
    valid = history.as_of.state("prices", where=lambda rows: rows.semi_join(history.lists, "product_id"))
    listed = history.lists.join(valid, "product_id")
    shelf, cost = listed.shelf_price_cents, listed.unit_cost_cents
    known = cost.notnull()
    return listed.group_by("coupon_id").agg(
        coupon__shelf_price=shelf.sum() / listed.count(),
        coupon__margin_share=(shelf.sum(where=known) - cost.sum(where=known)) / shelf.sum(where=known).nullif(0),
    )


def promoted(history: History) -> ibis.Table:
    """Per coupon: in how many of its products' shelves, over all stores, a lower price is published for the week."""
    day = history.as_of.store.calendar.local_day(history.as_of.instant)
    plan = history.as_of.table("promotions")
    monday = day + timedelta(days=-day.weekday() % 7)
    plan = plan.filter(plan.promo_week == ibis.date(monday), plan.promo_price_cents.notnull())
    cells = plan.semi_join(history.lists, "product_id").select("product_id", "store_id").distinct()
    cut = attach(history.lists, cells.group_by("product_id").agg(_stores=cells.count()), "product_id")
    shelves = cut.count() * history.as_of.state("stores").count().as_scalar()
    found = cut.group_by("coupon_id").agg(
        _promoted=cut._stores.sum().fill_null(0), _shelves=shelves, _planned=plan.count().as_scalar()
    )
    share = ibis.ifelse(found._planned > 0, found._promoted / found._shelves.nullif(0), None)
    return found.select("coupon_id", coupon__promoted_share=share)


def stock(history: History) -> ibis.Table:
    """Per coupon: units of its products on hand and on order, in days of their sales."""
    products = history.lists
    for part in (_on_hand(history), _on_order(history), _sold(history)):
        products = attach(products, part, "product_id")
    found = products.group_by("coupon_id").agg(
        _on_hand=products._on_hand.sum(),
        _on_order=history.count("purchase_orders", products._on_order.sum()),
        _sold=products._sold.sum(),
    )
    a_day = ibis.ifelse(found._sold > 0, found._sold / SALES_DAYS, None)
    return found.select(
        "coupon_id",
        coupon__stock_cover=found._on_hand / a_day,
        coupon__on_order_cover=found._on_order / a_day,
    )


def _on_hand(history: History) -> ibis.Table:
    """Units per product by the latest count of each store."""
    counts = history.as_of.table("inventory_levels").semi_join(history.lists, "product_id")
    order = [counts.counted_at.desc(), counts.known_at.desc()]
    ranked = counts.mutate(_age=ibis.row_number().over(group_by=["store_id", "product_id"], order_by=order))
    latest = ranked.filter(ranked._age == 0)
    return latest.group_by("product_id").agg(_on_hand=latest.on_hand.sum())


def _on_order(history: History) -> ibis.Table:
    """Units per product of order lines that are open; one that is open for a quarter is taken as forgotten."""

    def ours(rows: ibis.Table) -> ibis.Table:
        return rows.filter(history.age(rows.ordered_at) < RECENT).semi_join(history.lists, "product_id")

    orders = history.as_of.state("purchase_orders", where=ours)
    waiting = orders.filter(orders.received_at.isnull())
    return waiting.group_by("product_id").agg(_on_order=waiting.quantity_ordered.sum())


def _sold(history: History) -> ibis.Table:
    """Units per product that all baskets took home, those without a loyalty card too."""
    sales = history.as_of.table("pos_transactions")
    recent = sales.filter(history.age(sales.sold_at) < SALES_DAYS).semi_join(history.lists, "product_id")
    # A volume is in another unit, such as grams: one line of it would outweigh a month of sales.
    recent = recent.mutate(_units=ibis.ifelse(recent.quantity < VOLUME, recent.quantity, 1))
    recent = recent.mutate(_units=ibis.ifelse(recent.line_kind == "sale", recent._units, -recent._units))
    return recent.group_by("product_id").agg(_sold=recent._units.sum())
