"""The committed targets are what the package's data say."""

from __future__ import annotations

import json
from datetime import date

import duckdb
import pytest

from coupon_pipeline.simulation.calibration import moments, targets
from coupon_pipeline.sources.complete_journey.source import CompleteJourney

# Read in one scan and mapped once more by hand, beside the source's own mapping, which made the files.
LINES = """
    select household_id, basket_id, store_id, product_id, 'sale' as line_kind, quantity::bigint as quantity,
        (100 * (sales_value + retail_disc + coupon_match_disc))::decimal(12, 0)::bigint as gross_cents,
        (100 * retail_disc)::decimal(12, 0)::bigint as retail_discount_cents,
        (100 * coupon_match_disc)::decimal(12, 0)::bigint as match_discount_cents,
        transaction_timestamp as sold_at
    from transactions
"""
PRODUCTS = """
    select product_id, department, product_category as category, product_type as subcategory, package_size,
        lower(brand) as brand_type
    from products
"""
BASKETS = (
    "select count(*) as lines, sum(quantity) as units, count(distinct category) as kinds from sales group by basket_id"
)


def test_the_files_are_those_that_the_data_give() -> None:
    package = duckdb.connect(config={"threads": 2})
    for name in ("transactions", "products"):
        package.read_parquet(str(CompleteJourney().folder / f"{name}.parquet")).create_view(name)
    lines, products = (package.sql(query).to_arrow_table() for query in (LINES, PRODUCTS))
    engine = moments.engine(lines, products, date(2016, 12, 26), 53, "America/New_York")
    found = json.loads(targets.text(targets.categories(engine)))
    assert found == targets.load_categories()
    kept = targets.load_targets()
    assert engine.sql("select count(*), count(distinct household_id) from sales").fetchall() == [(1_439_938, 2_467)]
    for place, name in enumerate(("lines per basket", "units per basket", "categories per basket")):
        one = kept.distributions[name]
        assert (one.mean, one.median, one.p95) == pytest.approx(figures(engine, place), rel=1e-3)
    for name, share in engine.sql("select department, sum(value_cents) from sales group by all").fetchall():
        total = engine.sql("select sum(value_cents) from sales").fetchall()[0][0]
        assert kept.shares["department value shares"][name] == pytest.approx(share / total, rel=1e-3)


def figures(engine: duckdb.DuckDBPyConnection, place: int) -> tuple[float, float, float]:
    column = ("lines", "units", "kinds")[place]
    [row] = engine.sql(
        f"select avg({column}), median({column}), quantile_cont({column}, 0.95) from ({BASKETS})"
    ).fetchall()
    return row


def test_categories_have_what_the_catalogue_draws_from() -> None:
    found = targets.load_categories()
    assert len({one["name"] for one in found}) == len(found) == targets.KEPT_CATEGORIES
    assert [one["share"] for one in found] == sorted((one["share"] for one in found), reverse=True)
    assert 0.9 < sum(one["share"] for one in found) < 1
    for one in found:
        assert one["department"] in targets.load_departments()
        assert 0 < one["penetration"] < 0.5
        assert one["median_price_cents"] > 0
        assert one["products"] > 0
        assert all(0 <= one[name] <= 1 for name in ("private_label_share", "promotion_share", "mean_depth"))
        assert sum(one["subcategories"].values()) == pytest.approx(1, abs=1e-3)
        assert one["package_sizes"]


def test_both_files_stay_small() -> None:
    assert max(path.stat().st_size for path in (targets.TARGETS, targets.CATEGORIES)) < 150_000


# The figures that the publication of the model gives for the real data.
PUBLISHED = {
    "lines per basket": (10.2, 5, 36),
    "units per basket": (13.4, 7, 49),
    "value per basket": (29.7, 16, 106),
    "days between visits": (6.64, 3, 22),
    "spend per household-week": (32.0, 21.7, 98.6),
    "depth of price promotions": (0.265, 0.246, 0.50),
    "products per household-year": (348, 275, 911),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_targets_are_the_published_figures(name: str) -> None:
    one = targets.load_targets().distributions[name]
    assert (one.mean, one.median, one.p95) == pytest.approx(PUBLISHED[name], rel=0.006)
