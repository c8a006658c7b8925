"""The weekly table of differences, and the check that says whether the books close."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.graph import Graph
from assets.reconciliation import BOOKS_CLOSE, TABLE, reconciliation
from tests.ledger.worlds import PLAIN
from tests.reconciling.shops import BEFORE, CALENDAR, FIRST, Shop

from coupon_pipeline.reconciling.comparing import WEEKLY


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.database.close()


def materialized(shop: Shop, week: str) -> dg.ExecuteInProcessResult:
    pipeline = shop.closed()
    weeks = dg.StaticPartitionsDefinition(list(CALENDAR.weeks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        asset = reconciliation(Graph("shop", weeks, pipeline.source.tables()))
    return dg.materialize([asset], partition_key=week, resources={"pipeline": pipeline})


def closing(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    [found] = result.get_asset_check_evaluations()
    assert found.check_name == BOOKS_CLOSE
    return found


def test_a_week_has_a_row_per_difference_and_tells_of_each_kind(shop: Shop) -> None:
    shop.redeem(501, 30)
    shop.sell(502, 20)
    result = materialized(shop, FIRST)
    rows = shop.pipeline.store.read("ledger", TABLE, FIRST)
    assert rows["kind"].to_pylist() == ["redeemed_without_discount", "discount_without_redemption", "not_exported"]
    [event] = result.asset_materializations_for_node("shop__ledger__reconciliation")
    told = {name: value.value for name, value in event.metadata.items()}
    assert (told["not_exported"], told["not_exported_cents"], told["bill_differs"]) == (1, 30, 0)
    assert told["discount_without_redemption_cents"] == -20
    assert closing(result).passed


def test_the_same_week_again_is_the_same_file(shop: Shop) -> None:
    shop.redeem(501, 30)
    path = shop.pipeline.store.path("ledger", TABLE, FIRST)
    materialized(shop, FIRST)
    before = path.read_bytes()
    materialized(shop, FIRST)
    assert path.read_bytes() == before


def test_books_that_do_not_close_fail_the_check_and_keep_the_table(shop: Shop) -> None:
    issued = shop.world.issue(PLAIN, 2)
    connection = sqlite3.connect(shop.path)
    connection.execute("update issue set state = 'redeemed' where issue_id = ?", [issued.issue_id])
    connection.commit()
    connection.close()
    result = materialized(shop, FIRST)
    found = closing(result)
    assert not found.passed
    assert found.metadata["redeemed issues without a live redemption"].value == "1 rows, 100 cents"
    assert shop.pipeline.store.path("ledger", TABLE, FIRST).exists()


def test_a_week_without_a_ledger_is_empty(shop: Shop) -> None:
    shop.sell(502, 20)
    materialized(shop, BEFORE)
    assert shop.pipeline.store.read("ledger", TABLE, BEFORE).schema.remove_metadata().equals(WEEKLY)
    shop.database.close()
    shop.path.unlink()
    assert closing(materialized(shop, FIRST)).passed
    assert shop.pipeline.store.row_count("ledger", TABLE, FIRST) == 0
