"""What is dirty is caught by the rule that the list names, through the real connectors; no clean row is lost."""

from __future__ import annotations

import gzip
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.simulation.catching import caught, verdicts_on, wanted
from tests.simulation.crm import serving
from tests.simulation.delivering import deliver
from tests.simulation.factory import CALENDAR, SMALL, WEEKS, week_records
from tests.simulation.landing import source_of
from tests.simulation.reading import till_lines

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.references import Reference
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.simulation.dirt.dirty import EVENTS, Level, dirty
from coupon_pipeline.simulation.feeds.delivery import Spoiling
from coupon_pipeline.sources.source import SourceError

SIZE = replace(
    SMALL, stores=8, products=3_000, households=800, baskets=1_500, stock=4_000, orders=3_000, plan=2_000, issues=600
)
SEED = 447
COUNT = 3
DEFAULT_FAULTS = {
    "bad_date",
    "bounced_engagement",
    "duplicate_bill",
    "duplicate_coupon_product",
    "duplicate_engagement",
    "duplicate_line",
    "duplicate_plan",
    "duplicate_redemption",
    "duplicate_target",
    "file_resent",
    "late_line",
    "late_redemption",
    "late_store_day",
    "negative_price",
    "negative_quantity",
    "negative_stock",
    "quantity_in_grams",
    "quantity_zero",
    "received_too_much",
    "stale_stock",
    "till_clock",
    "unknown_brand_type",
    "unknown_product",
}

HOSTILE_TABLES = {"pos_transactions", "coupon_redemptions", "inventory_levels", "purchase_orders"}
"""Those that the level `hostile` treats otherwise than `default`."""

with warnings.catch_warnings():
    # It imports sre_constants and sre_parse, which Python 3.11 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations  # noqa: F401


@dataclass(frozen=True)
class Checked:
    """Weeks of a chain after landing and contracts, and the list of what was wrong with them."""

    verdicts: dict[str, list[Verdict]]
    faults: pa.Table
    rows: dict[str, int]


def write(data: Path, level: Level, count: int = COUNT, events: tuple[Spoiling, ...] = ()) -> dict[str, int]:
    """Write weeks of a chain; `events` happen in the last of them. Returns rows per table of all weeks."""
    return deliver(data / "chain", count, level, SEED, SIZE, events)


def faults_of(data: Path) -> pa.Table:
    """All private lists."""
    files = sorted((data / "chain" / "private" / "faults").glob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])


def check(data: Path, tables: set[str]) -> dict[str, list[Verdict]]:
    """The verdicts on tables, week by week."""
    reads = source_of(data)
    weeks = reads.calendar.weeks
    assert len(weeks) == COUNT
    return {
        table: verdicts_on(table, weeks, partial(reads.read, table), reference, CALENDAR)
        for table in reads.tables()
        if table in tables
    }


@cache
def reference(table: str, column: str) -> Reference:
    """The keys of a clean table."""
    columns = [week_records(week, SIZE).tables[table].column(column).to_numpy() for week in WEEKS[:COUNT]]
    weeks = np.repeat(WEEKS[:COUNT], [len(keys) for keys in columns])
    unique, first = np.unique(np.concatenate(columns), return_index=True)
    return Reference(unique, weeks[first])


@pytest.fixture(scope="module", params=["default", "hostile"])
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    data = tmp_path_factory.mktemp(request.param)
    rows = write(data, request.param)
    tables = HOSTILE_TABLES if request.param == "hostile" else set(reader.names())
    with serving(data / "chain" / "feeds") as crm, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUPON_CRM_URL", f"http://127.0.0.1:{crm.port}")
        yield Checked(check(data, tables), faults_of(data), rows)


def test_every_fault_is_caught_by_its_rule_and_no_clean_row_is_lost(checked: Checked) -> None:
    zones = {store: store % 2 for store in range(1, SIZE.stores + 1)}
    for table, verdicts in checked.verdicts.items():
        listed = wanted(checked.faults, table)
        assert caught(table, verdicts, listed, zones) == listed, table


def test_no_table_is_blocked(checked: Checked) -> None:
    for table, verdicts in checked.verdicts.items():
        limit = reader.load(table).quarantine_max_percent / 100
        for verdict in verdicts:
            assert verdict.passed, verdict.reasons
            assert verdict.share < 0.7 * limit, table


def test_every_row_that_was_written_is_read(checked: Checked) -> None:
    landed = {table: sum(verdict.rows_in for verdict in verdicts) for table, verdicts in checked.verdicts.items()}
    written = {**checked.rows, "promotions": checked.rows["promotion_plan"] * SIZE.stores // 2}
    assert landed == {table: written[table] for table in landed}


def test_lists_every_kind_of_fault(checked: Checked) -> None:
    found = set(checked.faults["fault"].to_pylist())
    assert found - {"null_key"} - set(EVENTS) >= DEFAULT_FAULTS


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        ("truncated", "damaged or cut short"),
        ("wrong_encoding", "the file is not utf-8"),
        ("renamed_column", "the column qty is missing"),
        ("missing", "no file of 2025-01-"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, event: Spoiling, cause: str) -> None:
    write(tmp_path, "hostile", 1, (event,))
    listed = [entry for entry in faults_of(tmp_path).to_pylist() if entry["fault"] == event]
    assert [entry["rule"] for entry in listed] == ["landing"]
    with pytest.raises(SourceError, match=cause) as refusal:
        source_of(tmp_path).read("pos_transactions", WEEKS[0])
    day = listed[0]["key"].split("/")[1]
    assert day in str(refusal.value)


def test_a_file_may_have_its_header_alone(tmp_path: Path) -> None:
    write(tmp_path, "hostile", 1, ("header_only",))
    (path,) = [entry["key"] for entry in faults_of(tmp_path).to_pylist() if entry["fault"] == "header_only"]
    feeds = tmp_path / "chain" / "feeds"
    header = gzip.decompress((feeds / path.removeprefix("path=")).read_bytes()).decode()
    assert header.startswith("receipt,line,store")
    assert header.count("\n") == 1
    assert path.removeprefix("path=") not in {line["path"] for line in till_lines(feeds)}


def test_events_happen_once_a_year_and_on_days_of_their_own() -> None:
    records = week_records(WEEKS[0])
    both = dirty(records, "hostile", SEED, CALENDAR.timezone, events=tuple(EVENTS)).delivery.spoilt
    assert sorted(one.kind for one in both) == sorted(EVENTS)
    assert len({one.day for one in both}) == len(EVENTS)
    happened = Counter(
        one.kind
        for week in WEEKS
        for one in dirty(replace(records, week=week), "hostile", SEED, CALENDAR.timezone).delivery.spoilt
    )
    assert set(happened.values()) <= {1}


def test_same_week_same_dirt_and_another_seed_other_dirt() -> None:
    records = week_records(WEEKS[1])
    first, again = (dirty(records, "default", SEED, CALENDAR.timezone) for _ in range(2))
    other = dirty(records, "default", SEED + 1, CALENDAR.timezone)
    for name, table in first.delivery.records.tables.items():
        assert table.equals(again.delivery.records.tables[name])
    assert first.faults.equals(again.faults)
    assert not first.faults.equals(other.faults)


def test_what_befalls_a_row_does_not_depend_on_other_rows() -> None:
    records = week_records(WEEKS[1])
    lines = records.tables["pos_lines"]
    some = lines.filter(pa.array(lines.column("store_id").to_numpy() == 2))
    alone = dirty(replace(records, tables={**records.tables, "pos_lines": some}), "default", SEED, CALENDAR.timezone)
    whole = dirty(records, "default", SEED, CALENDAR.timezone).delivery.records.tables["pos_lines"]
    of_store = whole.filter(pa.array(whole.column("store_id").to_numpy() == 2))
    assert alone.delivery.records.tables["pos_lines"].equals(of_store)


def test_none_changes_nothing() -> None:
    records = week_records(WEEKS[1])
    made = dirty(records, "none", SEED, CALENDAR.timezone)
    assert made.faults.num_rows == 0
    for name, table in records.tables.items():
        assert made.delivery.records.tables[name].select(table.column_names).equals(table)


def test_money_stays_what_it_was() -> None:
    records = week_records(WEEKS[1], SIZE)
    made = dirty(records, "hostile", SEED, CALENDAR.timezone)
    lines = made.delivery.records.tables["pos_lines"]
    amounts = ["gross_cents", "retail_discount_cents", "coupon_discount_cents", "match_discount_cents", "tax_cents"]
    dirt = {tuple(row.values()) for row in lines.select(["basket_id", *amounts]).to_pylist()}
    clean = {tuple(row.values()) for row in records.tables["pos_lines"].select(["basket_id", *amounts]).to_pylist()}
    assert dirt <= clean
