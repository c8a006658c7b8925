"""A week that breaks its contract is never published, stays visible, and heals alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from assets.pipeline import Pipeline

from coupon_pipeline.commands.run import RANGE_END, RANGE_START, failure_of
from coupon_pipeline.contracts.showing.pages import page_path
from coupon_pipeline.definitions import build
from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.settings import Settings
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2024, 1, 1), date(2024, 1, 15), "Europe/Berlin")
FIRST, BAD, LAST = CALENDAR.weeks
KEYS = [dg.AssetKey(["corner-shop", layer, "stores"]) for layer in ("raw", "clean", "quarantine")]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class CornerShop:
    """A source of one table with two rows a week; a week may be told to arrive without ids, or without a column."""

    name = "corner-shop"
    calendar = CALENDAR
    nameless: set[str] = set()  # noqa: RUF012
    columnless: set[str] = set()  # noqa: RUF012
    wider: set[str] = set()  # noqa: RUF012

    def tables(self) -> tuple[str, ...]:
        return ("stores",)

    def fingerprint(self, table: str, week: str) -> str:
        return fingerprint(table, week, week in self.nameless, week in self.columnless, week in self.wider)

    def read(self, table: str, week: str) -> pa.Table:
        known_at: list[datetime] = [CALENDAR.opens_at(week)] * 2
        ids = [None if week in self.nameless else 1, 2]
        rows = pa.table(
            {
                "store_id": pa.array(ids, pa.int64()),
                "region": ["north", "south"],
                "format": ["small", "small"],
                "is_deleted": pa.nulls(2, pa.bool_()),
                "known_at": pa.array(known_at, pa.timestamp("us")),
            }
        )
        if week in self.wider:
            rows = rows.append_column("floor", pa.array([0, 1]))
        return rows.drop_columns(["region"]) if week in self.columnless else rows


class Shop:
    """The pipeline of the corner shop, run through Dagster."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.pipeline = Pipeline(Settings(data=folder, source="corner-shop"))
        self.source = CornerShop()
        self.source.nameless, self.source.columnless, self.source.wider = set(), set(), set()
        self.pipeline.__dict__["source"] = self.source
        self.instance = instance

    def backfill(self, first: str = FIRST, last: str = LAST) -> dg.ExecuteInProcessResult:
        job = build(self.pipeline).resolve_job_def("backfill")
        tags = {RANGE_START: first, RANGE_END: last}
        return job.execute_in_process(
            instance=self.instance, asset_selection=KEYS, tags=tags, raise_on_error=False, run_config=QUIET
        )

    def bytes_of(self, layer: str, week: str) -> bytes | None:
        path = self.pipeline.store.path(layer, "stores", week)
        return path.read_bytes() if path.exists() else None


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path, instance)


def rows_of(record: dg.EventLogRecord) -> object:
    assert record.asset_materialization is not None
    return record.asset_materialization.metadata["dagster/row_count"].value


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_good_weeks_are_published_with_their_row_counts(shop: Shop) -> None:
    result = shop.backfill()
    assert result.success
    events = shop.instance.fetch_materializations(KEYS[1], limit=9).records
    counts = {record.partition_key: rows_of(record) for record in events}
    assert counts == {FIRST: 2, BAD: 2, LAST: 2}
    assert all(check.passed for check in checks(result).values())


def test_a_week_with_too_many_bad_rows_is_blocked_and_the_others_are_published(shop: Shop) -> None:
    shop.source.nameless.add(BAD)
    result = shop.backfill()
    assert not result.success
    assert shop.bytes_of("clean", BAD) is None
    assert shop.bytes_of("clean", FIRST)
    assert shop.bytes_of("clean", LAST)
    rows = shop.pipeline.store.read("quarantine", "stores", BAD).to_pylist()
    assert [row["_rule"] for row in rows] == ["store_id.required"]
    share = checks(result)["quarantine_share"]
    assert not share.passed
    assert share.severity is dg.AssetCheckSeverity.ERROR
    assert "store_id.required" in str(share.metadata[BAD].value)
    assert checks(result)["completeness"].severity is dg.AssetCheckSeverity.WARN


def test_a_later_bad_delivery_leaves_the_published_week_untouched(shop: Shop) -> None:
    shop.backfill()
    before = [shop.bytes_of(layer, BAD) for layer in ("clean", "quarantine")]
    shop.source.nameless.add(BAD)
    result = shop.backfill(BAD, BAD)
    assert not result.success
    assert [shop.bytes_of(layer, BAD) for layer in ("clean", "quarantine")] == before
    assert "Blocked" in page_path(shop.pipeline.store.root, "stores", BAD).read_text(encoding="utf-8")


def test_a_blocked_week_of_a_mandatory_table_says_why_in_one_line(shop: Shop) -> None:
    shop.source.nameless.update((BAD, LAST))
    said = failure_of(shop.backfill())
    assert said.startswith(f"contract_stores failed: stores:2.0.0, week {BAD}: 1 of 2 rows (50.0%) are bad")
    assert said.endswith(f"ask stores-owner@example.com (and 1 more weeks, to {LAST})")


def test_a_blocked_week_heals_alone(shop: Shop) -> None:
    shop.source.nameless.add(BAD)
    shop.backfill()
    kept = shop.bytes_of("clean", FIRST)
    shop.source.nameless.clear()
    assert shop.backfill(BAD, BAD).success
    assert shop.bytes_of("clean", BAD)
    assert shop.bytes_of("clean", FIRST) == kept


def test_a_missing_column_blocks_and_is_named(shop: Shop) -> None:
    shop.source.columnless.add(LAST)
    result = shop.backfill()
    schema = checks(result)["schema"]
    assert not schema.passed
    assert "region" in str(schema.metadata[LAST].value)
    assert shop.bytes_of("clean", LAST) is None


def test_an_additional_column_is_told_and_blocks_nothing(shop: Shop) -> None:
    shop.source.wider.add(LAST)
    result = shop.backfill()
    assert result.success
    assert checks(result)["schema"].passed
    assert "floor" not in shop.pipeline.store.read("clean", "stores", LAST).column_names


def test_a_week_that_was_never_landed_is_one_plain_error(shop: Shop) -> None:
    job = build(shop.pipeline).resolve_job_def("backfill")
    result = job.execute_in_process(
        instance=shop.instance, asset_selection=KEYS[1:], partition_key=FIRST, raise_on_error=False, run_config=QUIET
    )
    assert f"raw/stores has no week {FIRST}" in failure_of(result)


def test_a_range_of_weeks_gives_the_bytes_of_each_week_alone(shop: Shop, tmp_path: Path) -> None:
    shop.backfill()
    alone = Shop(tmp_path / "alone", shop.instance)
    for week in CALENDAR.weeks:
        alone.backfill(week, week)
        for layer in ("raw", "clean", "quarantine"):
            assert alone.bytes_of(layer, week) == shop.bytes_of(layer, week)
