"""Features of a household and a coupon together: what it buys of the coupon's products and their like."""

from __future__ import annotations

import ibis

from coupon_pipeline.features.feature import Feature
from coupon_pipeline.features.history import RECENT, History, attach

NEVER = "the household has bought none of it so far"
ZERO = "never null"

FEATURES = (
    Feature("pair__baskets_91d", "Baskets with one of the coupon's products.", "count", "91 days", ZERO),
    Feature("pair__baskets", "Baskets with one of the coupon's products.", "count", "ever", ZERO),
    Feature("pair__spend_91d", "Spend on the coupon's products.", "cents", "91 days", ZERO),
    Feature("pair__spend", "Spend on the coupon's products.", "cents", "ever", ZERO),
    Feature("pair__products", "Different products of the coupon bought.", "count", "ever", ZERO),
    Feature("pair__coupon_lines", "Lines of the coupon's products bought with a coupon.", "count", "ever", ZERO),
    Feature("pair__days_since", "Days since it last bought one of the products.", "days", "ever", NEVER),
    Feature("pair__due", "Days since the last purchase against its usual gap.", "ratio", "ever", "bought at most once"),
    Feature("pair__spend_share", "Share of the household's spend on the products.", "share", "ever", "no spend so far"),
    Feature("pair__lift", "Spend share against that of all households.", "ratio", "ever", "no spend so far"),
    Feature("pair__category_baskets_91d", "Baskets with the coupon's main category.", "count", "91 days", ZERO),
    Feature("pair__category_baskets", "Baskets with the coupon's main category.", "count", "ever", ZERO),
    Feature("pair__category_spend", "Spend on the coupon's main category.", "cents", "ever", ZERO),
    Feature("pair__category_days_since", "Days since it last bought the main category.", "days", "ever", NEVER),
    Feature("pair__category_share", "Share of its spend in the main category on the products.", "share", "ever", NEVER),
    Feature("pair__subcategory_baskets", "Baskets with the coupon's main subcategory.", "count", "ever", ZERO),
    Feature("pair__subcategory_days_since", "Days since it last bought the subcategory.", "days", "ever", NEVER),
    Feature("pair__supplier_baskets_91d", "Baskets with the coupon's main supplier.", "count", "91 days", ZERO),
    Feature("pair__supplier_baskets", "Baskets with the coupon's main supplier.", "count", "ever", ZERO),
    Feature("pair__department_baskets", "Baskets with the coupon's main department.", "count", "ever", ZERO),
    Feature("pair__rank_in_household_91d", "Percent rank of 91-day spend among the household's coupons.", "share",
            "91 days", ZERO),
    Feature("pair__rank_in_household", "Percent rank of spend among the household's coupons.", "share", "ever", ZERO),
    Feature("pair__rank_among_households", "Percent rank of spend among the households.", "share", "ever", ZERO),
    Feature("pair__redeemed_category", "Coupons of the same category that it redeemed.", "count", "ever", ZERO),
    Feature("pair__redeemed_upc", "Coupons of the same UPC that it redeemed.", "count", "ever", ZERO),
    Feature("pair__issued_category", "Coupons of the same category issued to it.", "count", "ever",
            "the source does not tell issues"),
)  # fmt: skip

LEVELS = ("category", "subcategory", "supplier_id", "department")


def table(history: History) -> ibis.Table:
    """One row per pair, one column per feature; ranks are taken among all that the campaign offers."""
    offers = history.coupons.select("coupon_id", "campaign_id", "upc", coupon_category="category")
    keys = ("household_id", "coupon_id")
    bought = history.keep("bought", _bought(history))
    joined = attach(history.pairs.join(offers, "coupon_id"), bought, *keys)
    joined = attach(joined, _ranks(history, bought), *keys)
    for level in LEVELS:
        main = history.keep(f"main_{level}", _main(history, level))
        joined = attach(joined, main, "coupon_id")
        joined = attach(joined, _level(history, level, main), "household_id", f"_main_{level}")
    joined = attach(joined, _redeemed(history, "category", "coupon_category"), "household_id", "coupon_category")
    joined = attach(joined, _redeemed(history, "upc", "upc"), "household_id", "upc")
    joined = attach(joined, _issued(history), "household_id", "coupon_category")
    joined = attach(joined, _household_spend(history), "household_id")
    joined = attach(joined, _coupon_spend(history), "coupon_id")
    joined = joined.mutate(pair__issued_category=history.count("coupon_issues", joined._issued_category))
    return _finished(joined).select(*keys, *(feature.name for feature in FEATURES))


def _own_lines(history: History) -> ibis.Table:
    return history.lines.semi_join(history.offers, "household_id")


def _bought(history: History) -> ibis.Table:
    lines = history.lists.join(_own_lines(history), "product_id")
    bought = lines.group_by("household_id", "coupon_id").agg(
        pair__baskets_91d=lines.basket_id.nunique(where=lines.age < RECENT),
        pair__baskets=lines.basket_id.nunique(),
        pair__spend_91d=lines.spend_cents.sum(where=lines.age < RECENT),
        pair__spend=lines.spend_cents.sum(),
        pair__products=lines.product_id.nunique(),
        pair__coupon_lines=(lines.coupon_cents > 0).sum(),
        pair__days_since=lines.age.min(),
        _first=lines.age.max(),
    )
    gap = (bought._first - bought.pair__days_since) / (bought.pair__baskets - 1).nullif(0)
    return bought.mutate(pair__due=bought.pair__days_since / gap.nullif(0)).drop("_first")


def _ranks(history: History, bought: ibis.Table) -> ibis.Table:
    offers = attach(history.offers, bought, "household_id", "coupon_id")

    def rank(by: str, *group: str) -> ibis.Value:
        return ibis.percent_rank().over(group_by=["campaign_id", *group], order_by=offers[by].fill_null(0))

    return offers.select(
        "household_id",
        "coupon_id",
        pair__rank_in_household_91d=rank("pair__spend_91d", "household_id"),
        pair__rank_in_household=rank("pair__spend", "household_id"),
        pair__rank_among_households=rank("pair__spend", "coupon_id"),
    )


def _main(history: History, level: str) -> ibis.Table:
    """The level's value that most of a coupon's recent sales belong to; before any sale, most of its products."""
    recent = history.lines.filter(history.lines.age < RECENT)
    sales = recent.group_by("product_id").agg(_sales=recent.spend_cents.sum())
    listed = history.lists.join(history.products.select("product_id", level), "product_id")
    listed = attach(listed.filter(listed[level].notnull()), sales, "product_id")
    values = listed.group_by("coupon_id", level).agg(_sales=listed._sales.sum().fill_null(0), _listed=listed.count())
    order = [values._sales.desc(), values._listed.desc(), values[level]]
    ranked = values.mutate(_rank=ibis.row_number().over(group_by="coupon_id", order_by=order))
    return ranked.filter(ranked._rank == 0).select("coupon_id", **{f"_main_{level}": ranked[level]})


def _level(history: History, level: str, main: ibis.Table) -> ibis.Table:
    """What each household has bought of each value of a level that is a coupon's main one."""
    products = history.products.select("product_id", level).semi_join(main, [(level, f"_main_{level}")])
    lines = _own_lines(history).join(products, "product_id")
    measures = {
        f"_{level}_baskets_91d": lines.basket_id.nunique(where=lines.age < RECENT),
        f"_{level}_baskets": lines.basket_id.nunique(),
        f"_{level}_spend": lines.spend_cents.sum(),
        f"_{level}_days_since": lines.age.min(),
    }
    return lines.group_by("household_id", **{f"_main_{level}": lines[level]}).agg(**measures)


def _redeemed(history: History, key: str, name: str) -> ibis.Table:
    redeemed = history.redemptions.filter(history.redemptions[key].notnull())
    return redeemed.group_by("household_id", **{name: redeemed[key]}).agg(**{f"_redeemed_{key}": redeemed.count()})


def _issued(history: History) -> ibis.Table:
    issued = history.issues.filter(history.issues.category.notnull())
    return issued.group_by("household_id", coupon_category=issued.category).agg(_issued_category=issued.count())


def _household_spend(history: History) -> ibis.Table:
    lines = _own_lines(history)
    return lines.group_by("household_id").agg(_household_spend=lines.spend_cents.sum())


def _coupon_spend(history: History) -> ibis.Table:
    """Spend of all households on each coupon's products, as a share of all spend."""
    sold = history.lists.join(history.lines, "product_id")
    total = history.lines.spend_cents.sum().as_scalar()
    return sold.group_by("coupon_id").agg(_usual_share=sold.spend_cents.sum() / total.nullif(0))


def _finished(joined: ibis.Table) -> ibis.Table:
    counts = ("baskets_91d", "baskets", "spend_91d", "spend", "products", "coupon_lines")
    filled = joined.mutate(**{f"pair__{name}": joined[f"pair__{name}"].fill_null(0) for name in counts})
    share = filled.pair__spend / filled._household_spend.nullif(0)
    return filled.mutate(
        pair__spend_share=share,
        pair__lift=share / filled._usual_share.nullif(0),
        pair__category_baskets_91d=filled._category_baskets_91d.fill_null(0),
        pair__category_baskets=filled._category_baskets.fill_null(0),
        pair__category_spend=filled._category_spend.fill_null(0),
        pair__category_days_since=filled._category_days_since,
        pair__category_share=filled.pair__spend / filled._category_spend.nullif(0),
        pair__subcategory_baskets=filled._subcategory_baskets.fill_null(0),
        pair__subcategory_days_since=filled._subcategory_days_since,
        pair__supplier_baskets_91d=filled._supplier_id_baskets_91d.fill_null(0),
        pair__supplier_baskets=filled._supplier_id_baskets.fill_null(0),
        pair__department_baskets=filled._department_baskets.fill_null(0),
        pair__redeemed_category=filled._redeemed_category.fill_null(0),
        pair__redeemed_upc=filled._redeemed_upc.fill_null(0),
    )
