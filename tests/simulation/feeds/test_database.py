"""The ERP and the issues in SQLite and in PostgreSQL: one schema, equal rows, and no scan for the changes of a week."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from tests.simulation.factory import CALENDAR, WEEKS, week_records
from tests.simulation.reading import rows_of, tables_of

from coupon_pipeline.simulation.feeds import erp, issues
from coupon_pipeline.simulation.feeds.delivery import Delivery, on_time

BOUNDS = [at.isoformat(" ", "microseconds") for at in (CALENDAR.opens_at(WEEKS[1]), CALENDAR.decision_time(WEEKS[1]))]
CHANGED = f"changed_at >= '{BOUNDS[0]}' and changed_at < '{BOUNDS[1]}'"


def delivery(week: str) -> Delivery:
    return on_time(week_records(week), CALENDAR.timezone)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("erp") / "erp.db"
    for week in WEEKS[:3]:
        erp.write_week(path, delivery(week))
    return path


def test_both_databases_hold_the_same(sqlite: Path, postgresql: str) -> None:
    for week in (*WEEKS[:3], WEEKS[1]):
        erp.write_week(postgresql, delivery(week))
    with psycopg.connect(postgresql) as connection:
        for table in [*tables_of(sqlite), "promotion"]:
            there = connection.execute(f"select * from {table}".encode()).fetchall()
            assert sorted(map(_plain, there)) == sorted(map(_plain, rows_of(sqlite, f"select * from {table}"))), table


def _plain(row: tuple[Any, ...]) -> list[str]:
    return [cell.isoformat(" ", "microseconds") if isinstance(cell, datetime) else str(cell) for cell in row]


def test_a_plan_of_a_zone_is_one_of_its_stores(sqlite: Path) -> None:
    stores = rows_of(sqlite, "select id, region from store")
    plans = rows_of(sqlite, f"select article_no, zone, promo_week from promotion_plan where {CHANGED}")
    found = rows_of(sqlite, f"select article_no, store_no, promo_week from promotion where {CHANGED}")
    wanted = [(no, store, week) for no, zone, week in plans for store, region in stores if region == f"zone-{zone}"]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("table", ["stock_count", "purchase_order_line", "price", "promotion_plan", "promotion"])
def test_changes_are_found_by_an_index(sqlite: Path, table: str) -> None:
    plan = str(rows_of(sqlite, f"explain query plan select * from {table} where {CHANGED}"))
    assert "_changed (changed_at>? AND changed_at<?)" in plan


def test_a_failure_leaves_the_week_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "erp.db"
    erp.write_week(path, delivery(WEEKS[0]))
    before = rows_of(path, "select * from price order by 1, 2, 3")
    records = week_records(WEEKS[0])
    orders = records.tables["purchase_orders"]
    undated = orders.set_column(orders.num_columns - 1, "changed_at", pa.nulls(orders.num_rows, pa.timestamp("us")))
    tables = {**records.tables, "prices": records.tables["prices"].slice(0, 0), "purchase_orders": undated}
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        erp.write_week(path, Delivery(replace(records, tables=tables)))
    assert rows_of(path, "select * from price order by 1, 2, 3") == before


def test_issues_are_read_back_from_both(tmp_path: Path, postgresql: str) -> None:
    for database in (tmp_path / "coupons.db", postgresql):
        for week in (WEEKS[0], WEEKS[1], WEEKS[0]):
            issues.write_week(database, delivery(week))
        found = issues.read(database, CALENDAR.opens_at(WEEKS[1]), CALENDAR.decision_time(WEEKS[1]))
        assert found.equals(week_records(WEEKS[1]).tables["coupon_issues"])
        assert issues.read(database, CALENDAR.opens_at(WEEKS[3]), CALENDAR.decision_time(WEEKS[3])).num_rows == 0
