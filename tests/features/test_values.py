"""Features of a handful of hand-made rows, computed by hand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.features.handmade import NOW, TABLES, write_store

from coupon_pipeline.features.compute import compute
from coupon_pipeline.features.sets import REDEMPTION


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], dict[str, Any]]:
    """Features of both households and both coupons of campaign 2, as of its start."""
    store = write_store(tmp_path_factory.mktemp("store"), TABLES)
    pairs = pa.table({"household_id": [1, 1, 2, 2], "coupon_id": [201, 202, 201, 202]})
    found = compute(store.as_of(NOW), pairs, REDEMPTION).to_pylist()
    return {(row["household_id"], row["coupon_id"]): row for row in found}


@pytest.mark.parametrize(
    ("pair", "feature", "value"),
    [
        ((1, 201), "household__baskets_28d", 2),
        ((1, 201), "household__baskets_91d", 2),
        ((1, 201), "household__spend_91d", 900),
        ((1, 201), "household__days_since_basket", 2),
        ((1, 201), "household__coupon_lines", 1),
        ((1, 201), "household__coupon_basket_share", 1 / 4),
        ((1, 201), "household__private_label_share", (200 - 300) / (400 + 100 + 400 + 200 - 300)),
        ((1, 201), "household__targeted", 1),
        ((1, 201), "household__redemptions", 1),
        ((1, 201), "household__redemption_rate", (1 + 2 * 0.5) / (1 + 2)),
        ((2, 201), "household__redemption_rate", (0 + 2 * 0.5) / (1 + 2)),
        ((1, 201), "household__days_since_redemption", 80),
        ((2, 201), "household__days_since_redemption", None),
        ((1, 201), "household__age", 35),
        ((1, 201), "household__income", 0),
        ((1, 201), "household__kids", 3),
        ((2, 201), "household__age", None),
        ((2, 202), "household__spend_91d", 500),
        ((1, 201), "coupon__face_value", 50),
        ((1, 202), "coupon__face_value", None),
        ((1, 202), "coupon__min_quantity", 2),
        ((1, 201), "coupon__price", 400),
        ((1, 201), "coupon__depth", 50 / 400),
        ((1, 202), "coupon__store_funded", 1),
        ((1, 201), "coupon__days_valid", 14),
        ((1, 201), "coupon__pool", 2),
        ((1, 201), "coupon__products", 2),
        ((1, 201), "coupon__national_share", 1 / 2),
        ((1, 202), "coupon__buyers_91d", 2),
        ((1, 201), "coupon__coupon_line_share", 1 / 2),
        ((1, 201), "coupon__category_rate", (1 + 500 * 0.5) / (2 + 500)),
        ((1, 202), "coupon__category_rate", (0 + 500 * 0.5) / 500),
        ((1, 201), "pair__baskets_91d", 2),
        ((1, 201), "pair__baskets", 4),
        ((1, 201), "pair__spend_91d", 800),
        ((1, 201), "pair__products", 2),
        ((1, 201), "pair__coupon_lines", 1),
        ((1, 201), "pair__days_since", 2),
        ((1, 201), "pair__due", 2 / ((100 - 2) / 3)),
        ((1, 202), "pair__due", None),
        ((1, 201), "pair__spend_share", 700 / 800),
        ((1, 201), "pair__lift", (700 / 800) / (700 / 1300)),
        ((2, 201), "pair__baskets", 0),
        ((2, 201), "pair__days_since", None),
        ((1, 201), "pair__category_share", 1),
        ((1, 202), "pair__category_baskets", 1),
        ((1, 201), "pair__department_baskets", 4),
        ((1, 201), "pair__supplier_baskets", 2),
        ((1, 201), "pair__rank_in_household", 1),
        ((1, 202), "pair__rank_in_household", 0),
        ((2, 201), "pair__rank_among_households", 0),
        ((1, 201), "pair__redeemed_category", 1),
        ((1, 201), "pair__redeemed_upc", 1),
        ((1, 202), "pair__redeemed_upc", 0),
        ((1, 201), "household__issued", None),
        ((1, 201), "household__issue_redemption_rate", None),
        ((1, 201), "household__open_rate", None),
        ((1, 201), "household__days_since_opened", None),
        ((1, 201), "household__bills_91d", None),
        ((1, 201), "household__mean_bill", None),
        ((1, 201), "coupon__shelf_price", None),
        ((1, 201), "coupon__margin_share", None),
        ((1, 201), "coupon__promoted_share", None),
        ((1, 201), "coupon__stock_cover", None),
        ((1, 201), "coupon__on_order_cover", None),
        ((1, 201), "pair__issued_category", None),
    ],
)  # fmt: skip
def test_a_feature_has_the_value_that_its_definition_gives(
    rows: dict[tuple[int, int], dict[str, Any]], pair: tuple[int, int], feature: str, value: float | None
) -> None:
    found = rows[pair][feature]
    assert found == (None if value is None else pytest.approx(value))


def test_pairs_come_ordered_with_features_in_model_order(rows: dict[tuple[int, int], dict[str, Any]]) -> None:
    assert list(rows) == [(1, 201), (1, 202), (2, 201), (2, 202)]
    assert list(rows[1, 201]) == ["household_id", "coupon_id", *REDEMPTION.names]
