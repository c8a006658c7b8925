"""What a week of the simulated chain hands to its systems: clean rows, table by table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

import pyarrow as pa

ID: Final = pa.int64()
CENTS: Final = pa.int64()
COUNT: Final = pa.int64()
TEXT: Final = pa.string()
DAY: Final = pa.date32()
INSTANT: Final = pa.timestamp("us")
"""Naive UTC."""

SCHEMAS: Final[Mapping[str, pa.Schema]] = MappingProxyType(
    {
        "pos_lines": pa.schema(
            {
                "basket_id": ID,
                "line": pa.int32(),
                "store_id": ID,
                "till_id": ID,
                "household_id": ID,
                "product_id": ID,
                "line_kind": TEXT,
                "quantity": COUNT,
                "gross_cents": CENTS,
                "retail_discount_cents": CENTS,
                "coupon_discount_cents": CENTS,
                "match_discount_cents": CENTS,
                "tax_cents": CENTS,
                "sold_at": INSTANT,
            }
        ),
        "bills": pa.schema(
            {
                "bill_id": ID,
                "store_id": ID,
                "household_id": ID,
                "lines": COUNT,
                "gross_cents": CENTS,
                "discount_cents": CENTS,
                "tax_cents": CENTS,
                "total_cents": CENTS,
                "tender": TEXT,
                "issued_at": INSTANT,
            }
        ),
        "redemptions": pa.schema(
            {
                "redemption_id": ID,
                "issue_id": ID,
                "coupon_id": ID,
                "household_id": ID,
                "basket_id": ID,
                "store_id": ID,
                "discount_cents": CENTS,
                "redeemed_at": INSTANT,
            }
        ),
        "stores": pa.schema(
            {"store_id": ID, "region": TEXT, "format": TEXT, "price_zone": COUNT, "changed_at": INSTANT}
        ),
        "products": pa.schema(
            {
                "product_id": ID,
                "name": TEXT,
                "brand": TEXT,
                "brand_type": TEXT,
                "department": TEXT,
                "category": TEXT,
                "subcategory": TEXT,
                "supplier_id": ID,
                "package_size": TEXT,
                "changed_at": INSTANT,
            }
        ),
        "prices": pa.schema(
            {
                "product_id": ID,
                "price_zone": COUNT,
                "valid_from": DAY,
                "shelf_price_cents": CENTS,
                "unit_cost_cents": CENTS,
                "changed_at": INSTANT,
            }
        ),
        "promotion_plan": pa.schema(
            {
                "product_id": ID,
                "price_zone": COUNT,
                "promo_week": DAY,
                "display": TEXT,
                "mailer": TEXT,
                "promo_price_cents": CENTS,
                "changed_at": INSTANT,
            }
        ),
        "inventory_levels": pa.schema(
            {
                "store_id": ID,
                "product_id": ID,
                "counted_at": INSTANT,
                "on_hand": COUNT,
                "on_order": COUNT,
                "changed_at": INSTANT,
            }
        ),
        "purchase_orders": pa.schema(
            {
                "order_id": ID,
                "line": pa.int32(),
                "supplier_id": ID,
                "store_id": ID,
                "product_id": ID,
                "ordered_at": INSTANT,
                "due_at": INSTANT,
                "received_at": INSTANT,
                "quantity_ordered": COUNT,
                "quantity_received": COUNT,
                "unit_cost_cents": CENTS,
                "changed_at": INSTANT,
            }
        ),
        "customers": pa.schema(
            {
                "household_id": ID,
                "joined_at": DAY,
                "marketing_consent": pa.bool_(),
                "erased_at": INSTANT,
                "age_band": TEXT,
                "income_band": TEXT,
                "home_ownership": TEXT,
                "marital_status": TEXT,
                "household_size": TEXT,
                "household_composition": TEXT,
                "kids_count": TEXT,
                "changed_at": INSTANT,
            }
        ),
        "campaigns": pa.schema(
            {
                "campaign_id": ID,
                "kind": TEXT,
                "starts_on": DAY,
                "ends_on": DAY,
                "budget_cents": CENTS,
                "liability_cents": CENTS,
                "changed_at": INSTANT,
            }
        ),
        "campaign_targets": pa.schema({"campaign_id": ID, "household_id": ID, "changed_at": INSTANT}),
        "coupons": pa.schema(
            {
                "coupon_id": ID,
                "campaign_id": ID,
                "upc": ID,
                "category": TEXT,
                "discount_kind": TEXT,
                "face_value_cents": CENTS,
                "min_quantity": COUNT,
                "min_spend_cents": CENTS,
                "valid_from": DAY,
                "valid_to": DAY,
                "funding": TEXT,
                "supplier_id": ID,
                "supplier_share_bp": COUNT,
                "changed_at": INSTANT,
            }
        ),
        "coupon_products": pa.schema({"coupon_id": ID, "product_id": ID, "changed_at": INSTANT}),
        "engagements": pa.schema(
            {
                "issue_id": ID,
                "channel": TEXT,
                "event": TEXT,
                "coupon_id": ID,
                "household_id": ID,
                "happened_at": INSTANT,
            }
        ),
        "coupon_issues": pa.schema(
            {
                "issue_id": ID,
                "coupon_id": ID,
                "household_id": ID,
                "decision_id": TEXT,
                "propensity": pa.float64(),
                "policy": TEXT,
                "arm": TEXT,
                "channel": TEXT,
                "issued_at": INSTANT,
            }
        ),
    }
)
"""Table -> its columns."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "pos_lines": ("store_id", "basket_id", "line"),
        "bills": ("bill_id",),
        "redemptions": ("redemption_id",),
        "stores": ("store_id",),
        "products": ("product_id",),
        "prices": ("product_id", "price_zone", "valid_from"),
        "promotion_plan": ("product_id", "price_zone", "promo_week"),
        "inventory_levels": ("store_id", "product_id", "counted_at"),
        "purchase_orders": ("order_id", "line", "changed_at"),
        "customers": ("household_id", "changed_at"),
        "campaigns": ("campaign_id", "changed_at"),
        "campaign_targets": ("campaign_id", "household_id"),
        "coupons": ("coupon_id", "changed_at"),
        "coupon_products": ("coupon_id", "product_id"),
        "engagements": ("issue_id", "channel", "event"),
        "coupon_issues": ("issue_id",),
    }
)
"""Table -> the columns that it is sorted by."""


@dataclass(frozen=True)
class WeekRecords:
    """One week of the world; `tables` has every table of SCHEMAS, without rows where nothing happened.

    `opens_at` and `closes_at` are the first instants of the week and of the next one, naive UTC.
    """

    week: str
    opens_at: datetime
    closes_at: datetime
    tables: Mapping[str, pa.Table]
