"""The past as features see it: sales, offers, targetings and redemptions that were known before one instant."""

from __future__ import annotations

from datetime import UTC
from functools import cached_property
from typing import Any

import ibis
import ibis.expr.types as types
import pyarrow as pa

from coupon_pipeline.tables import AsOf

DAY_SECONDS = 86_400
RECENT = 91
"""Days of the long window: a quarter."""


def attach(table: ibis.Table, part: ibis.Table, *keys: str) -> ibis.Table:
    """`table` with the columns of `part`, null where its keys have no row there.

    The keys of `part` stay, under names of their own: without a projection in between, Ibis compiles a row of these as
    one join, at half the cost.
    """
    return table.left_join(part, list(keys), rname=f"_{len(table.columns)}_{{name}}")


class History:
    """Expressions over one as-of cut for a list of (household_id, coupon_id) pairs."""

    def __init__(self, as_of: AsOf, pairs: pa.Table) -> None:
        self.as_of = as_of
        self.pairs = self.keep("pairs", ibis.memtable(pairs.select(["household_id", "coupon_id"])))

    def keep(self, name: str, expression: ibis.Table) -> ibis.Table:
        """The rows of an expression that others read more than once."""
        return self.as_of.connection.create_table(f"history_{name}", expression, temp=True, overwrite=True)

    def tells(self, table: str) -> bool:
        """Whether the source delivers a table: only then does the absence of rows mean zero."""
        return self.as_of.store.delivers(table)

    def count(self, table: str, value: Any) -> Any:
        """A count of rows of a table: 0 where there are none, null where the source does not deliver it."""
        return value.fill_null(0) if self.tells(table) else value

    def age(self, instant: types.TimestampValue) -> Any:
        """Whole days from a timestamp to the as-of instant; 0 within the last 24 hours."""
        now = int(self.as_of.instant.replace(tzinfo=UTC).timestamp())
        return ((now - instant.epoch_seconds()) / DAY_SECONDS).floor().cast("int64")

    @cached_property
    def lines(self) -> ibis.Table:
        """Lines of known households: age in days, spend (what the retailer received) and coupon discount in cents."""
        sales = self.as_of.table("pos_transactions")
        sales = sales.filter(sales.household_id.notnull())
        sign = ibis.ifelse(sales.line_kind == "sale", 1, -1)
        spend = sales.gross_cents - sales.retail_discount_cents - sales.match_discount_cents
        return self.keep(
            "lines",
            sales.select(
                "household_id",
                "basket_id",
                "product_id",
                age=self.age(sales.sold_at),
                quantity=sign * sales.quantity,
                spend_cents=sign * spend,
                coupon_cents=sign * sales.coupon_discount_cents,
            ),
        )

    @cached_property
    def products(self) -> ibis.Table:
        """The catalogue as it was known."""
        return self.keep("products", self.as_of.state("products"))

    @cached_property
    def campaigns(self) -> ibis.Table:
        """All announced campaigns."""
        return self.keep("campaigns", self.as_of.state("campaigns"))

    @cached_property
    def all_coupons(self) -> ibis.Table:
        """All announced coupons with their campaign's kind and dates."""
        coupons = self.as_of.state("coupons").drop("known_at")
        campaigns = self.campaigns.select("campaign_id", "kind", "starts_on", "ends_on")
        return self.keep("all_coupons", coupons.join(campaigns, "campaign_id"))

    @cached_property
    def coupons(self) -> ibis.Table:
        """The coupons of the pairs."""
        return self.all_coupons.semi_join(self.pairs, "coupon_id")

    @cached_property
    def offers(self) -> ibis.Table:
        """All (household_id, coupon_id, campaign_id) that the pairs' campaigns offer, and the pairs themselves.

        What a pair is ranked among: the same, whichever of a campaign's pairs are asked for.
        """
        campaigns = self.coupons.select("campaign_id").distinct()
        targets = self.as_of.state("campaign_targets").semi_join(campaigns, "campaign_id")
        owned = self.all_coupons.semi_join(campaigns, "campaign_id").select("campaign_id", "coupon_id")
        columns = ("household_id", "coupon_id", "campaign_id")
        offered = targets.join(owned, "campaign_id").select(*columns)
        asked = self.pairs.join(owned, "coupon_id").select(*columns)
        return self.keep("offers", offered.union(asked, distinct=True))

    @cached_property
    def lists(self) -> ibis.Table:
        """(coupon_id, product_id) of all coupons of the pairs' campaigns."""
        campaigns = self.coupons.select("campaign_id").distinct()
        coupons = self.all_coupons.semi_join(campaigns, "campaign_id")
        listed = self.as_of.state("coupon_products").select("coupon_id", "product_id")
        return self.keep("lists", listed.semi_join(coupons, "coupon_id"))

    @cached_property
    def targets(self) -> ibis.Table:
        """(campaign_id, household_id) of campaigns that had started: a later one tells who *will* be mailed."""
        started = self.campaigns.filter(self.campaigns.starts_on < self.as_of.day())
        return self.keep(
            "targets", self.as_of.state("campaign_targets").semi_join(started, "campaign_id").drop("known_at")
        )

    @cached_property
    def redemptions(self) -> ibis.Table:
        """Distinct (household_id, coupon_id) redeemed so far, with the age of the first time and the coupon's facts."""
        redeemed = self.as_of.state("coupon_redemptions")
        redeemed = redeemed.filter(redeemed.household_id.notnull())
        first = redeemed.group_by("household_id", "coupon_id").agg(age=self.age(redeemed.redeemed_at.min()))
        coupons = self.all_coupons.select("coupon_id", "campaign_id", "upc", "category", "kind", "ends_on")
        return self.keep("redemptions", first.join(coupons, "coupon_id"))

    @cached_property
    def issues(self) -> ibis.Table:
        """Distinct (household_id, coupon_id) issued so far, with the coupon's category and last day, and `redeemed`."""
        issued = self.as_of.table("coupon_issues")
        issued = issued.filter(issued.household_id.notnull()).select("household_id", "coupon_id").distinct()
        issued = issued.join(self.all_coupons.select("coupon_id", "category", "valid_to"), "coupon_id")
        redeemed = self.redemptions.select("household_id", "coupon_id", redeemed=ibis.literal(1))
        known = attach(issued, redeemed, "household_id", "coupon_id")
        return self.keep("issues", known.select(*issued.columns, redeemed=known.redeemed.fill_null(0)))

    @cached_property
    def closed_rates(self) -> ibis.Table:
        """Pairs offered and redeemed per coupon of an ended campaign; open ones would understate a rate.

        Offered are the issues where the source tells them, else every target of the campaign.
        """
        closed = self.all_coupons.filter(self.all_coupons.ends_on < self.as_of.day())
        if self.tells("coupon_issues"):
            key, pairs = "coupon_id", self.issues
        else:
            key, pairs = "campaign_id", self.targets
        sizes = pairs.group_by(key).agg(offered=pairs.count())
        counts = self.redemptions.group_by("coupon_id").agg(redeemed=self.redemptions.count())
        rates = attach(closed.join(sizes, key), counts, "coupon_id")
        return self.keep("closed_rates", rates.mutate(redeemed=rates.redeemed.fill_null(0)))
