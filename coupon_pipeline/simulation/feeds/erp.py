"""The ERP: catalogue, prices, promotion plan, stock and purchase orders as append-only rows with `changed_at`."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from coupon_pipeline.simulation.feeds.database import Rows, write
from coupon_pipeline.simulation.feeds.delivery import Delivery
from coupon_pipeline.simulation.feeds.text import joined

CHANGED_AT: Final = "changed_at"
METADATA: Final = sa.MetaData()


def _table(name: str, **columns: type[sa.types.TypeEngine]) -> sa.Table:
    """A table of changes: no key, since an ERP sends a row again, and an index by instant for "changed since"."""
    made = [sa.Column(column, kind) for column, kind in columns.items()]
    instant = sa.Column(CHANGED_AT, sa.DateTime, nullable=False)
    return sa.Table(name, METADATA, *made, instant, sa.Index(f"{name}_changed", instant))


STORE = _table("store", id=sa.BigInteger, region=sa.Text, store_format=sa.Text)
ARTICLE = _table(
    "article",
    article_no=sa.BigInteger,
    description=sa.Text,
    brand=sa.Text,
    brand_type=sa.Text,
    department=sa.Text,
    category=sa.Text,
    subcategory=sa.Text,
    vendor_no=sa.BigInteger,
    pack=sa.Text,
)
PRICE = _table(
    "price",
    article_no=sa.BigInteger,
    zone=sa.BigInteger,
    valid_from=sa.Date,
    shelf_price=sa.BigInteger,
    unit_cost=sa.BigInteger,
)
PROMOTION_PLAN = _table(
    "promotion_plan",
    article_no=sa.BigInteger,
    zone=sa.BigInteger,
    promo_week=sa.Date,
    display=sa.Text,
    mailer=sa.Text,
    promo_price=sa.BigInteger,
)
STOCK_COUNT = _table(
    "stock_count",
    store_no=sa.BigInteger,
    article_no=sa.BigInteger,
    counted_at=sa.DateTime,
    on_hand=sa.BigInteger,
    on_order=sa.BigInteger,
)
PURCHASE_ORDER_LINE = _table(
    "purchase_order_line",
    order_no=sa.BigInteger,
    line_no=sa.Integer,
    vendor_no=sa.BigInteger,
    store_no=sa.BigInteger,
    article_no=sa.BigInteger,
    ordered_at=sa.DateTime,
    due_at=sa.DateTime,
    received_at=sa.DateTime,
    qty_ordered=sa.BigInteger,
    qty_received=sa.BigInteger,
    unit_cost=sa.BigInteger,
)
# A store may have moved to another zone: its last row says where it is.
METADATA.info["views"] = MappingProxyType(
    {
        "promotion": """
            select p.article_no, s.id as store_no, p.promo_week, p.display, p.mailer, p.promo_price, p.changed_at
            from promotion_plan p
            join (
                select id, region from store
                where changed_at = (select max(later.changed_at) from store later where later.id = store.id)
                group by id, region
            ) s on s.region = 'zone-' || p.zone
        """
    }
)

SOURCES: Final = MappingProxyType(
    {
        "stores": (STORE, {"id": "store_id", "region": "region", "store_format": "format"}),
        "products": (
            ARTICLE,
            {
                "article_no": "product_id",
                "description": "name",
                "brand": "brand",
                "brand_type": "brand_type",
                "department": "department",
                "category": "category",
                "subcategory": "subcategory",
                "vendor_no": "supplier_id",
                "pack": "package_size",
            },
        ),
        "prices": (
            PRICE,
            {
                "article_no": "product_id",
                "zone": "price_zone",
                "valid_from": "valid_from",
                "shelf_price": "shelf_price_cents",
                "unit_cost": "unit_cost_cents",
            },
        ),
        "promotion_plan": (
            PROMOTION_PLAN,
            {
                "article_no": "product_id",
                "zone": "price_zone",
                "promo_week": "promo_week",
                "display": "display",
                "mailer": "mailer",
                "promo_price": "promo_price_cents",
            },
        ),
        "inventory_levels": (
            STOCK_COUNT,
            {
                "store_no": "store_id",
                "article_no": "product_id",
                "counted_at": "counted_at",
                "on_hand": "on_hand",
                "on_order": "on_order",
            },
        ),
        "purchase_orders": (
            PURCHASE_ORDER_LINE,
            {
                "order_no": "order_id",
                "line_no": "line",
                "vendor_no": "supplier_id",
                "store_no": "store_id",
                "article_no": "product_id",
                "ordered_at": "ordered_at",
                "due_at": "due_at",
                "received_at": "received_at",
                "qty_ordered": "quantity_ordered",
                "qty_received": "quantity_received",
                "unit_cost": "unit_cost_cents",
            },
        ),
    }
)
"""Table of the records -> table of the ERP, and its columns by those of the records."""


def write_week(database: Path | str, delivery: Delivery) -> dict[str, int]:
    """Write the week's changes into a SQLite file or a PostgreSQL URL; returns rows per table."""
    records = delivery.records
    rows = [_rows(records.tables[name], *source) for name, source in SOURCES.items()]
    write(database, METADATA, rows, records.opens_at, records.closes_at)
    return {name: one.cells.num_rows for name, one in zip(SOURCES, rows, strict=True)}


def _rows(records: pa.Table, table: sa.Table, columns: dict[str, str]) -> Rows:
    cells = {name: records.column(column) for name, column in columns.items()}
    if "region" in cells:
        zone = joined("zone-", records.column("price_zone").cast(pa.string()))
        cells["region"] = pc.call_function("coalesce", [zone, cells["region"]])
    return Rows(table, pa.table({**cells, CHANGED_AT: records.column(CHANGED_AT)}), CHANGED_AT)
