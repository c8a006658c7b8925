"""The real data set is delivered whole, each row in the week in which a grocer could have known it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coupon_pipeline.contracts import reader
from coupon_pipeline.sources.complete_journey.source import (
    COLUMNS,
    READS,
    CompleteJourney,
)
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.weeks import UnknownWeekError

pytestmark = pytest.mark.xdist_group("complete-journey")  # one process reads the year, once

JOURNEY = CompleteJourney()
WEEKS = JOURNEY.calendar.weeks
INSTANT = timedelta(microseconds=1)
BUSY_WEEK = "2017-05-01"
"""A week in which campaigns are announced, coupons are redeemed and goods are sold and promoted."""

ROWS = {
    "stores": 457,
    "products": 92_331,
    "customers": 2_469,
    "campaigns": 27,
    "campaign_targets": 6_589,
    "coupons": 1_197,
    "coupon_products": 116_204,
    "coupon_redemptions": 2_102,
}
"""Table -> rows in all 53 weeks; sales and promotions have tests of their own."""
UNDATED = ("stores", "products", "customers")

Deliveries = dict[str, pa.Table]


@pytest.fixture(scope="module")
def delivered() -> dict[str, Deliveries]:
    """Table -> week -> rows, for all tables but sales and promotions."""
    return {table: {week: JOURNEY.read(table, week) for week in WEEKS} for table in ROWS}


@pytest.fixture(scope="module")
def sales() -> Deliveries:
    """Week -> its sales."""
    return {week: JOURNEY.read("pos_transactions", week) for week in WEEKS}


@pytest.fixture(scope="module")
def publisher() -> Iterator[duckdb.DuckDBPyConnection]:
    """The publisher's files as views."""
    with duckdb.connect(config={"threads": 1}) as engine:
        for name in COLUMNS:
            engine.read_parquet(str(JOURNEY.folder / f"{name}.parquet")).create_view(name)
        yield engine


def whole(deliveries: Deliveries) -> pa.Table:
    return pa.concat_tables(deliveries.values())


def query(sql: str, **tables: pa.Table) -> list[tuple]:
    """The answer of a query over tables."""
    with duckdb.connect(config={"threads": 1}) as engine:
        for name, rows in tables.items():
            engine.register(name, rows)
        return engine.execute(sql).fetchall()


def instants(rows: pa.Table, column: str = "known_at") -> np.ndarray:
    return rows[column].to_numpy()


def in_new_york(day: date) -> datetime:
    """The first instant of a day in New York, naive UTC."""
    return datetime.combine(day, time(), ZoneInfo("America/New_York")).astimezone(UTC).replace(tzinfo=None)


def assert_known_in(week: str, rows: pa.Table) -> None:
    first = date.fromisoformat(week)
    known = instants(rows)
    assert (known >= np.datetime64(in_new_york(first))).all()
    assert (known < np.datetime64(in_new_york(first + timedelta(days=7)))).all()


def as_parquet(rows: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(rows, stream)
    return stream.getvalue()


def test_the_calendar_has_53_weeks_from_the_one_that_holds_new_year() -> None:
    assert len(WEEKS) == 53
    assert (WEEKS[0], WEEKS[-1]) == ("2016-12-26", "2017-12-25")
    assert JOURNEY.calendar.timezone == "America/New_York"


def test_ten_tables_are_delivered_referenced_tables_first() -> None:
    tables = JOURNEY.tables()
    assert set(tables) == {*ROWS, "pos_transactions", "promotions"}
    for table, references in {
        "pos_transactions": ("stores", "products", "customers"),
        "promotions": ("stores", "products"),
        "campaign_targets": ("campaigns", "customers"),
        "coupons": ("campaigns",),
        "coupon_products": ("coupons", "products"),
        "coupon_redemptions": ("coupons", "customers"),
    }.items():
        assert all(tables.index(reference) < tables.index(table) for reference in references)


@pytest.mark.parametrize("table", READS)
def test_a_table_has_the_columns_of_its_contract_and_never_ends_a_key(table: str) -> None:
    contract, rows = reader.load(table), JOURNEY.read(table, WEEKS[0])
    assert rows.column_names == [column.name for column in contract.columns]
    if contract.kind == "change_log":
        assert (rows["is_deleted"].type, rows["is_deleted"].null_count) == (pa.bool_(), rows.num_rows)


@pytest.mark.parametrize(("table", "rows"), ROWS.items())
def test_the_weeks_of_a_table_hold_all_rows_of_the_publisher(
    table: str, rows: int, delivered: dict[str, Deliveries]
) -> None:
    assert whole(delivered[table]).num_rows == rows


def test_the_weeks_hold_every_sale_and_the_first_one_only_a_sunday(sales: Deliveries) -> None:
    first, *others = (rows.num_rows for rows in sales.values())
    assert first + sum(others) == 1_469_307
    assert (first, min(others), max(others)) == (3_722, 24_886, 33_126)


@pytest.mark.parametrize(("week", "number"), [("2016-12-26", 1), ("2017-12-25", 53)])
def test_a_week_of_promotions_is_the_publishers_week(
    week: str, number: int, publisher: duckdb.DuckDBPyConnection
) -> None:
    rows = JOURNEY.read("promotions", week)
    expected = publisher.execute(
        "select count(*), sum(product_id), sum(store_id) from promotions where week = $1", [number]
    )
    found = query("select count(*), sum(product_id), sum(store_id) from rows", rows=rows)
    assert found == expected.fetchall()
    assert rows["promo_week"].unique().to_pylist() == [date.fromisoformat(week)]


def test_the_single_day_of_the_first_week_has_a_whole_week_of_promotions() -> None:
    assert JOURNEY.read("promotions", "2016-12-26").num_rows == 386_086


@pytest.mark.parametrize("table", ROWS)
def test_a_row_is_delivered_in_the_week_in_which_it_became_known(table: str, delivered: dict[str, Deliveries]) -> None:
    for week, rows in delivered[table].items():
        assert_known_in(week, rows)


def test_a_sale_is_known_when_it_is_made(sales: Deliveries) -> None:
    for week, rows in sales.items():
        assert rows["known_at"].equals(rows["sold_at"])
        assert_known_in(week, rows)


def test_weeks_of_utc_days_would_move_34729_sales(sales: Deliveries) -> None:
    moved = 0
    for week, rows in sales.items():
        first, sold = np.datetime64(week), instants(rows, "sold_at")
        moved += int(((sold < first) | (sold >= first + np.timedelta64(7, "D"))).sum())
    assert moved == 34_729


@pytest.mark.parametrize("week", ["2017-03-06", "2017-10-30", "2017-12-25"])
def test_promotions_are_known_in_the_last_microsecond_of_their_week(week: str) -> None:
    known = JOURNEY.read("promotions", week)["known_at"].unique().to_pylist()
    assert known == [in_new_york(date.fromisoformat(week) + timedelta(days=7)) - INSTANT]


@pytest.mark.parametrize("table", UNDATED)
def test_undated_tables_are_known_from_the_start_and_never_change(table: str, delivered: dict[str, Deliveries]) -> None:
    assert whole(delivered[table])["known_at"].unique().to_pylist() == [in_new_york(date(2016, 12, 26))]
    assert all(rows.num_rows == 0 for week, rows in delivered[table].items() if week != WEEKS[0])


def test_a_campaign_is_announced_on_the_monday_of_the_week_before_it_starts(delivered: dict[str, Deliveries]) -> None:
    rows = whole(delivered["campaigns"])
    first = in_new_york(date(2016, 12, 26))
    for starts_on, known_at in zip(rows["starts_on"].to_pylist(), rows["known_at"].to_pylist(), strict=True):
        monday = starts_on - timedelta(days=starts_on.weekday() + 7)
        assert known_at == max(first, in_new_york(monday))
    assert rows["known_at"].to_pylist().count(first) == 3


def test_the_cycle_that_decides_the_first_week_of_a_campaign_knows_it(delivered: dict[str, Deliveries]) -> None:
    rows = whole(delivered["campaigns"])
    in_calendar = 0
    for starts_on, known_at in zip(rows["starts_on"].to_pylist(), rows["known_at"].to_pylist(), strict=True):
        deciding = starts_on - timedelta(days=starts_on.weekday() + 7)
        if deciding.isoformat() in WEEKS:
            assert known_at < JOURNEY.calendar.decision_time(deciding.isoformat())
            in_calendar += 1
    assert in_calendar == 24


@pytest.mark.parametrize("table", ["campaign_targets", "coupons", "coupon_products"])
def test_what_belongs_to_a_campaign_is_known_with_it(table: str, delivered: dict[str, Deliveries]) -> None:
    campaign = "coupon_id // 100000000000" if table == "coupon_products" else "campaign_id"
    found = query(f"select distinct {campaign}, known_at from rows order by all", rows=whole(delivered[table]))
    announced = whole(delivered["campaigns"])
    assert found == query("select campaign_id, known_at from announced order by all", announced=announced)


def test_a_redemption_is_known_in_the_last_microsecond_of_its_day_in_new_york(
    delivered: dict[str, Deliveries], publisher: duckdb.DuckDBPyConnection
) -> None:
    rows = whole(delivered["coupon_redemptions"]).select(["household_id", "coupon_id", "known_at"])
    raw = publisher.sql(
        "select household_id, campaign_id * 10**11 + coupon_upc, redemption_date::date from coupon_redemptions"
    ).fetchall()
    expected = [
        (household, int(coupon), in_new_york(day + timedelta(days=1)) - INSTANT) for household, coupon, day in raw
    ]
    assert sorted(tuple(row.values()) for row in rows.to_pylist()) == sorted(expected)


def test_a_redemption_happens_when_it_becomes_known_and_its_basket_is_not_observed(
    delivered: dict[str, Deliveries],
) -> None:
    rows = whole(delivered["coupon_redemptions"])
    assert rows["redeemed_at"].equals(rows["known_at"])
    for column in ("issue_id", "basket_id", "store_id", "discount_cents"):
        assert rows[column].null_count == rows.num_rows


def test_the_next_midnight_would_make_383_redemptions_a_week_late(delivered: dict[str, Deliveries]) -> None:
    late = 0
    for week, rows in delivered["coupon_redemptions"].items():
        closes = np.datetime64(JOURNEY.calendar.decision_time(week))
        late += int((instants(rows) + np.timedelta64(1, "us") >= closes).sum())
    assert late == 383


def test_redemptions_have_an_id_each_and_one_week_has_none(delivered: dict[str, Deliveries]) -> None:
    ids = whole(delivered["coupon_redemptions"])["redemption_id"]
    assert len(ids.unique()) == 2_102
    assert [rows.num_rows for rows in delivered["coupon_redemptions"].values()].count(0) == 1


def test_a_coupon_is_a_campaign_and_a_upc(
    delivered: dict[str, Deliveries], publisher: duckdb.DuckDBPyConnection
) -> None:
    rows = whole(delivered["coupons"])
    pairs = publisher.sql("select distinct campaign_id, coupon_upc from coupons").fetchall()
    assert sorted(rows["coupon_id"].to_pylist()) == sorted(campaign * 10**11 + upc for campaign, upc in pairs)
    assert len(rows["upc"].unique()) == 981


def test_only_manufacturer_coupons_have_a_supplier_and_may_have_a_value(delivered: dict[str, Deliveries]) -> None:
    found = query(
        """select upc // 10000000000, funding, supplier_share_bp, count(distinct upc),
            count(distinct upc) filter (face_value_cents is not null) from rows group by all order by all""",
        rows=whole(delivered["coupons"]),
    )
    assert found == [(1, "store", 0, 239, 0), (5, "supplier", 10_000, 742, 732)]


def test_face_values_lie_between_20_cents_and_5_dollars(delivered: dict[str, Deliveries]) -> None:
    found = query(
        """select min(cents), median(cents), max(cents)
        from (select distinct upc, face_value_cents as cents from rows where face_value_cents is not null)""",
        rows=whole(delivered["coupons"]),
    )
    assert found == [(20, 100, 500)]


def test_a_free_item_has_no_value_and_says_what_it_is(delivered: dict[str, Deliveries]) -> None:
    kinds = query(
        """select distinct discount_kind from rows
        where funding = 'supplier' and face_value_cents is null""",
        rows=whole(delivered["coupons"]),
    )
    assert kinds == [("free_item",)]


def test_an_offer_lives_as_long_as_its_campaign(
    delivered: dict[str, Deliveries], publisher: duckdb.DuckDBPyConnection
) -> None:
    rows = whole(delivered["coupons"])
    found = query("select distinct campaign_id, valid_from, valid_to from rows order by 1", rows=rows)
    expected = "select campaign_id, start_date::date, end_date::date from campaign_descriptions order by 1"
    assert found == publisher.sql(expected).fetchall()


def test_the_surplus_copies_of_coupon_products_are_delivered(delivered: dict[str, Deliveries]) -> None:
    rows = whole(delivered["coupon_products"])
    distinct = query("select count(*) from (select distinct * from rows)", rows=rows)
    assert distinct == [(rows.num_rows - 4_872,)]


def test_1559_of_2469_households_are_assumed_to_consent(
    delivered: dict[str, Deliveries], publisher: duckdb.DuckDBPyConnection
) -> None:
    rows = whole(delivered["customers"])
    consenting = query("select household_id from rows where marketing_consent order by 1", rows=rows)
    assert len(consenting) == 1_559
    assert consenting == publisher.sql("select distinct household_id from campaigns order by 1").fetchall()
    assert rows["marketing_consent"].null_count == 0
    assert "assumed_consent" in JOURNEY.assumptions


def test_demographics_are_known_of_801_households(delivered: dict[str, Deliveries]) -> None:
    rows = whole(delivered["customers"])
    assert rows.num_rows - rows["age_band"].null_count == 801


def test_what_the_retailer_received_follows_from_gross_and_discounts_to_the_cent(
    sales: Deliveries, publisher: duckdb.DuckDBPyConnection
) -> None:
    columns = ["basket_id", "product_id", "gross_cents", "retail_discount_cents", "match_discount_cents"]
    rows = whole(sales).select([*columns, "coupon_discount_cents"])
    publisher.register("sales", rows)
    (found,) = publisher.sql(
        """select count(*),
            count(*) filter (
                gross_cents - retail_discount_cents - match_discount_cents <> (sales_value::decimal(12, 2) * 100)),
            count(*) filter (coupon_discount_cents <> (coupon_disc::decimal(12, 2) * 100)),
            sum(retail_discount_cents), sum(coupon_discount_cents), sum(match_discount_cents)
        from sales join transactions using (basket_id, product_id)"""
    ).fetchall()
    lines, differing, coupons_differing, *discounts = (int(figure) for figure in found)
    assert (lines, differing, coupons_differing) == (1_469_307, 0, 0)
    assert [round(cents / 100) for cents in discounts] == [791_651, 26_360, 4_543]


def test_lines_are_numbered_by_product_within_their_basket() -> None:
    rows = JOURNEY.read("pos_transactions", BUSY_WEEK)
    basket, line, product = (rows[name].to_numpy() for name in ("basket_id", "line", "product_id"))
    same = basket[1:] == basket[:-1]
    assert line[0] == 1
    np.testing.assert_array_equal(line[1:], np.where(same, line[:-1] + 1, 1))
    assert (product[1:] > product[:-1])[same].all()
    assert (basket[1:] >= basket[:-1]).all()


def test_every_line_is_a_sale(sales: Deliveries) -> None:
    assert whole(sales)["line_kind"].unique().to_pylist() == ["sale"]


@pytest.mark.parametrize("table", READS)
def test_a_week_without_rows_has_the_columns_of_one_with_rows(table: str) -> None:
    schemas = {str(JOURNEY.read(table, week).schema.remove_metadata()) for week in (WEEKS[0], BUSY_WEEK)}
    assert len(schemas) == 1


@pytest.mark.parametrize("table", READS)
def test_a_week_that_is_read_twice_gives_the_same_bytes(table: str) -> None:
    week = WEEKS[0] if table in UNDATED else BUSY_WEEK
    first, second = JOURNEY.read(table, week), CompleteJourney().read(table, week)
    assert first.num_rows > 0
    assert first.equals(second)
    assert as_parquet(first) == as_parquet(second)


def linked(folder: Path, name: str) -> Path:
    """Fill a folder with the publisher's files except one; returns where that one belongs."""
    for path in JOURNEY.folder.glob("*.parquet"):
        if path.stem != name:
            (folder / path.name).symlink_to(path)
    return folder / f"{name}.parquet"


def copied(folder: Path, name: str) -> tuple[Path, bytes]:
    """`linked`, and the bytes of the one file that is left out."""
    return linked(folder, name), (JOURNEY.folder / f"{name}.parquet").read_bytes()


def test_a_digest_changes_with_the_week_and_with_the_files_behind_a_table(tmp_path: Path) -> None:
    path, content = copied(tmp_path, "campaigns")
    path.write_bytes(content)
    same = CompleteJourney(tmp_path)
    assert same.fingerprint("campaign_targets", BUSY_WEEK) == JOURNEY.fingerprint("campaign_targets", BUSY_WEEK)
    assert same.fingerprint("campaign_targets", WEEKS[0]) != JOURNEY.fingerprint("campaign_targets", BUSY_WEEK)
    pq.write_table(pq.read_table(path).slice(1), path)
    other = CompleteJourney(tmp_path)
    assert other.fingerprint("campaign_targets", BUSY_WEEK) != JOURNEY.fingerprint("campaign_targets", BUSY_WEEK)
    assert other.fingerprint("stores", BUSY_WEEK) == JOURNEY.fingerprint("stores", BUSY_WEEK)


@pytest.mark.parametrize("week", ["2016-12-19", "2018-01-01", "2017-05-02"])
def test_a_week_outside_the_calendar_is_refused(week: str) -> None:
    with pytest.raises(UnknownWeekError, match=week):
        JOURNEY.read("stores", week)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_that_lacks_a_column_is_refused_with_the_columns_name(name: str, tmp_path: Path) -> None:
    path = linked(tmp_path, name)
    schema = pq.read_schema(JOURNEY.folder / path.name)
    pq.write_table(schema.remove(schema.get_field_index(COLUMNS[name].split()[-1])).empty_table(), path)
    with pytest.raises(SourceError, match=rf"{path} lacks the column {COLUMNS[name].split()[-1]}: it has "):
        CompleteJourney(tmp_path).read("stores", WEEKS[0])


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_that_is_missing_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    path = linked(tmp_path, name)
    with pytest.raises(SourceError, match=rf"{path} cannot be read .*COUPON_COMPLETE_JOURNEY"):
        CompleteJourney(tmp_path).read("stores", WEEKS[0])


@pytest.mark.parametrize("kept", [0, 4, 1_000, -1])
def test_a_file_that_is_cut_short_is_refused_with_what_to_do(kept: int, tmp_path: Path) -> None:
    path, content = copied(tmp_path, "coupon_redemptions")
    path.write_bytes(content[:kept])
    with pytest.raises(SourceError, match=rf"{path} cannot be read .*COUPON_COMPLETE_JOURNEY"):
        CompleteJourney(tmp_path).read("stores", WEEKS[0])


@pytest.mark.parametrize("table", ["pos_transactions", "coupons", "coupon_redemptions"])
def test_a_file_of_which_only_the_footer_is_whole_is_refused_with_its_folder(table: str, tmp_path: Path) -> None:
    path, content = copied(tmp_path, READS[table][0])
    footer = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(b"PAR1" + bytes(len(content) - 4 - footer) + content[-footer:])
    with pytest.raises(SourceError, match=str(tmp_path)):
        CompleteJourney(tmp_path).read(table, BUSY_WEEK)


def test_sales_without_a_row_are_refused_because_they_have_no_weeks(tmp_path: Path) -> None:
    path = linked(tmp_path, "transactions")
    pq.write_table(pq.read_schema(JOURNEY.folder / path.name).empty_table(), path)
    with pytest.raises(SourceError, match="transactions"):
        CompleteJourney(tmp_path).read("stores", WEEKS[0])
