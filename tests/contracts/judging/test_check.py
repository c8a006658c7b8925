"""A check moves bad rows to quarantine as they came, loses none, and judges each week as if it were alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.deliveries import (
    WEEKS,
    as_delivery,
    beside,
    check,
    coupon,
    coupons,
    till_lines,
)

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.verdict import Outcome, Verdict

DIRT: dict[str, list[str | None]] = {
    "coupon_id": ["1", "2", "two", None],
    "campaign_id": ["1", "9", "77"],
    "discount_kind": ["amount", "gift"],
    "face_value_cents": ["50", "-1", "1.5", None],
    "valid_to": ["2025-03-23", "2025-03-01", "soon"],
    "known_at": [f"{WEEKS[0]} 12:00", f"{WEEKS[1]} 12:00", None],
}
DELIVERIES = st.lists(
    st.lists(st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in DIRT.items()}), max_size=5),
    min_size=1,
    max_size=4,
)


CAMPAIGN_COLUMNS = [column.name for column in reader.load("campaigns").columns]


def campaign(week: str, kind: str | None) -> dict[str, str | None]:
    limits = {"budget_cents": None, "liability_cents": None}
    days = {"starts_on": "2025-03-03", "ends_on": "2025-03-09", "is_deleted": None, "known_at": f"{week} 12:00"}
    return {"campaign_id": "1", "kind": kind, **limits, **days}


def outcome(verdict: Verdict, rule: str) -> Outcome:
    return next(found for found in verdict.outcomes if found.rule == rule)


def dirty(weeks: list[list[dict[str, str | None]]]) -> list[pa.Table]:
    return [coupons(*(coupon(week, **cells) for cells in rows)) for week, rows in zip(WEEKS, weeks, strict=False)]


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"min_quantity": "two"}, "min_quantity.type"),
        ({"min_quantity": "1.5"}, "min_quantity.type"),
        ({"funding": None}, "funding.required"),
        ({"min_quantity": "0"}, "min_quantity.range"),
        ({"supplier_share_bp": "10001"}, "supplier_share_bp.range"),
        ({"face_value_cents": "-1"}, "face_value_cents.range"),
        ({"discount_kind": "gift"}, "discount_kind.enum"),
        ({"campaign_id": "77"}, "campaign_id.exists_in"),
        ({"campaign_id": "9"}, "campaign_id.exists_in"),
        ({"valid_to": "2025-03-09"}, "valid_before_it_ends"),
        ({"known_at": f"{WEEKS[1]} 00:00:00"}, "known_at.in_week"),
        ({"known_at": "2025-03-02 23:59:59.999999"}, "known_at.in_week"),
    ],
)
def test_a_broken_rule_quarantines_its_row_and_no_other(cells: dict[str, str | None], rule: str) -> None:
    (verdict,) = check("coupons", coupons(coupon(coupon_id="2"), {**coupon(), **cells}))
    assert verdict.quarantined.column("_rule").to_pylist() == [rule]
    assert verdict.quarantined.column("_row").to_pylist() == [1]
    assert verdict.quarantined.column("_contract").to_pylist() == ["coupons:2.0.0"]
    (changed,) = cells
    assert f"{changed}={cells[changed] or 'null'}" in verdict.quarantined.column("_value")[0].as_py()
    assert outcome(verdict, rule).failed == 1
    assert verdict.clean.column("coupon_id").to_pylist() == [2]


def test_a_key_counts_from_the_week_in_which_it_became_known() -> None:
    tables = [coupons(coupon(week, campaign_id="9")) for week in WEEKS[:3]]
    assert [verdict.clean.num_rows for verdict in check("coupons", *tables)] == [0, 0, 1]


def test_all_broken_rules_of_a_row_are_named_and_its_cells_stay_as_they_came() -> None:
    row = coupon(coupon_id=" 1 ", min_quantity="two", discount_kind="gift", upc="007")
    (verdict,) = check("coupons", coupons(row))
    (kept,) = verdict.quarantined.to_pylist()
    assert {name: kept[name] for name in row} == row
    assert kept["_rule"] == "discount_kind.enum,min_quantity.type"
    assert (
        kept["_reason"]
        == "discount_kind must be one of amount, percent, free_item; min_quantity must be of type BIGINT"
    )
    assert sorted(kept["_value"].split("; ")) == ["discount_kind=gift", "min_quantity=two"]


def test_typed_cells_are_quarantined_as_text() -> None:
    table = coupons(coupon(coupon_id="1"))
    typed = table.set_column(table.column_names.index("min_quantity"), "min_quantity", pa.array([1.5]))
    (verdict,) = check("coupons", typed)
    assert verdict.quarantined.column("min_quantity").to_pylist() == ["1.5"]


def test_surplus_exact_copies_leave_one_and_do_not_count_in_the_share() -> None:
    (verdict,) = check("coupons", coupons(*[coupon()] * 4))
    assert verdict.quarantined.column("_rule").to_pylist() == ["row.duplicate"] * 3
    assert verdict.quarantined.column("_row").to_pylist() == [1, 2, 3]
    assert (verdict.clean.num_rows, verdict.share, verdict.passed) == (1, 0.0, True)


def test_rows_behind_a_copy_keep_their_own_place() -> None:
    (verdict,) = check("coupons", coupons(coupon(), coupon(), coupon(coupon_id="2", discount_kind="gift")))
    found = zip(*(verdict.quarantined.column(name).to_pylist() for name in ("_row", "_rule")), strict=True)
    assert list(found) == [(1, "row.duplicate"), (2, "discount_kind.enum")]


def test_rows_that_differ_only_in_what_could_not_be_cast_are_no_copies() -> None:
    (verdict,) = check("coupons", coupons(coupon(min_quantity="two"), coupon(min_quantity="three")))
    assert verdict.quarantined.column("_rule").to_pylist() == ["min_quantity.type,key.unique"] * 2


def test_copies_of_a_row_without_a_whole_key_are_copies() -> None:
    (verdict,) = check("coupons", coupons(*[coupon(coupon_id=None)] * 2))
    assert verdict.quarantined.column("_rule").to_pylist() == ["coupon_id.required", "row.duplicate"]


def test_rows_that_share_a_key_and_differ_are_all_quarantined() -> None:
    (verdict,) = check("coupons", coupons(coupon(category="DAIRY"), coupon(category="MEAT"), coupon(coupon_id="2")))
    assert verdict.quarantined.column("_rule").to_pylist() == ["key.unique"] * 2


def test_a_change_log_may_repeat_its_key_at_another_instant_and_in_another_week() -> None:
    first = coupons(coupon(), coupon(category="MEAT", known_at=f"{WEEKS[0]} 13:00:00"))
    second = coupons(coupon(WEEKS[1]))
    assert [verdict.clean.num_rows for verdict in check("coupons", first, second)] == [2, 1]


def test_large_ids_beside_nulls_stay_apart() -> None:
    rows = [coupon(coupon_id=cell) for cell in (str(2**53), str(2**53 + 1), None)]
    (verdict,) = check("coupons", coupons(*rows))
    assert verdict.quarantined.column("_rule").to_pylist() == ["coupon_id.required"]


def test_more_bad_rows_than_allowed_block_the_week() -> None:
    (verdict,) = check("coupons", coupons(coupon(discount_kind="gift"), coupon(coupon_id="2")))
    assert not verdict.passed
    assert verdict.share == 0.5
    (reason,) = verdict.reasons
    assert "coupons:2.0.0" in reason
    assert "1 of 2 rows (50.0%)" in reason
    assert "discount_kind.enum 1" in reason
    assert "coupons-owner@example.com" in reason


@pytest.mark.parametrize(("bad", "passed"), [(2, True), (3, False)])
def test_a_few_bad_rows_do_not_block_a_quiet_week_where_the_contract_says_so(bad: int, passed: bool) -> None:
    contract = replace(reader.load("coupons"), quarantine_min_rows=3)
    rows = [coupon(coupon_id=str(n + 1), discount_kind="gift" if n < bad else "amount") for n in range(4)]
    (verdict,) = check(contract, coupons(*rows))
    assert verdict.passed == passed
    assert verdict.quarantined.num_rows == bad


def test_a_renamed_column_blocks_and_says_what_was_expected_and_found() -> None:
    table = coupons(coupon(), coupon(coupon_id="2"))
    renamed = table.rename_columns(["price" if name == "face_value_cents" else name for name in table.column_names])
    (verdict,) = check("coupons", renamed)
    assert (verdict.passed, verdict.rows_in, verdict.clean.num_rows, verdict.quarantined.num_rows) == (False, 2, 0, 2)
    assert verdict.quarantined.column("_rule").to_pylist() == ["columns.present"] * 2
    (reason,) = verdict.reasons
    assert "coupons:2.0.0" in reason
    assert "face_value_cents is missing" in reason
    assert "found coupon_id" in reason
    assert "price" in reason
    assert {found.rule for found in verdict.outcomes} == {"columns.present", "columns.typed", "columns.extra"}


def test_a_column_given_twice_blocks() -> None:
    (verdict,) = check("coupons", coupons(coupon()).append_column("coupon_id", pa.array(["1"])))
    assert not verdict.passed
    assert "coupon_id is given twice" in verdict.reasons[0]
    assert verdict.quarantined.column("coupon_id.2").to_pylist() == ["1"]


def test_an_extra_column_that_is_named_like_ours_is_kept_beside_ours() -> None:
    table = coupons(coupon(), coupon()).append_column("_rule", pa.array(["mine", "yours"]))
    (verdict,) = check("coupons", table)
    assert verdict.quarantined.column("_rule").to_pylist() == ["row.duplicate"]
    assert verdict.quarantined.column("_rule.2").to_pylist() == ["yours"]


def test_a_column_of_another_kind_blocks_and_names_what_was_expected_and_found() -> None:
    table = coupons(coupon())
    place = table.column_names.index("valid_from")
    (verdict,) = check("coupons", table.set_column(place, "valid_from", pa.array([20250310])))
    assert not verdict.passed
    assert "the column valid_from is expected as DATE, found int64" in verdict.reasons[0]
    assert verdict.quarantined.column("_rule").to_pylist() == ["columns.typed"]


@pytest.mark.parametrize(("unreadable", "rule"), [(5, "min_quantity.type"), (10, "columns.typed")])
def test_a_column_of_which_most_values_cannot_be_read_is_called_retyped(unreadable: int, rule: str) -> None:
    rows = [coupon(coupon_id=str(n + 1), min_quantity="two" if n < unreadable else "2") for n in range(15)]
    (verdict,) = check("coupons", coupons(*rows))
    assert not verdict.passed
    assert {row["_rule"] for row in verdict.quarantined.to_pylist()} == {rule}
    assert verdict.rows_in == verdict.clean.num_rows + verdict.quarantined.num_rows


def test_an_extra_column_is_reported_left_out_of_clean_and_kept_in_quarantine() -> None:
    table = coupons(coupon(), coupon(coupon_id="2", discount_kind="gift"))
    (verdict,) = check("coupons", table.append_column("note", pa.array(["a", "b"])))
    assert outcome(verdict, "columns.extra").examples == ("note",)
    assert outcome(verdict, "columns.extra").severity == "warning"
    assert verdict.clean.schema == arrow.schema(reader.load("coupons"))
    assert verdict.quarantined.column("note").to_pylist() == ["b"]


def test_a_missing_reference_blocks_as_could_not_run() -> None:
    (verdict,) = check("coupons", coupons(coupon()), surroundings=beside(references={}))
    assert not verdict.passed
    assert not outcome(verdict, "campaign_id.exists_in").could_run
    assert "campaign_id.exists_in could not run" in verdict.reasons[0]
    assert "campaigns.campaign_id" in verdict.reasons[0]


def test_a_rule_that_raises_blocks_only_the_weeks_that_it_cannot_run_on(tmp_path: Path) -> None:
    text = (reader.FOLDER / "campaigns.odcs.yaml").read_text(encoding="utf-8")
    path = tmp_path / "campaigns.odcs.yaml"
    path.write_text(text.replace("column_B: starts_on", "column_B: kind"), encoding="utf-8")
    kinds = as_delivery([campaign(WEEKS[0], "A")], CAMPAIGN_COLUMNS)
    no_kind = as_delivery([campaign(WEEKS[1], None)], CAMPAIGN_COLUMNS)
    raised, ran, empty = check(reader.read(path), kinds, no_kind, kinds.slice(0, 0))
    assert "starts_before_it_ends could not run" in raised.reasons[0]
    assert outcome(ran, "starts_before_it_ends").could_run
    assert ran.quarantined.column("_rule").to_pylist() == ["kind.required"]
    assert (raised.passed, empty.passed) == (False, True)


def test_an_empty_week_is_a_delivery() -> None:
    (verdict,) = check("coupons", coupons())
    assert (verdict.passed, verdict.rows_in, verdict.share) == (True, 0, 0.0)
    assert verdict.clean.schema == arrow.schema(reader.load("coupons"))


POS_COLUMNS = list(till_lines(1)[0])


def pos(*args: Any, **kwargs: Any) -> pa.Table:
    return as_delivery(till_lines(*args, **kwargs), POS_COLUMNS)


def test_a_week_of_sales_passes_with_fuel_volumes_and_no_loyalty_card() -> None:
    (verdict,) = check("pos_transactions", pos(1000, quantity="89638"))
    assert (verdict.passed, verdict.quarantined.num_rows) == (True, 0)


@pytest.mark.parametrize(("rows", "passed"), [(0, False), (999, False), (1000, True)])
def test_too_few_sales_fail_coverage(rows: int, passed: bool) -> None:
    (verdict,) = check("pos_transactions", pos(1000).slice(0, rows))
    assert verdict.passed == passed
    assert outcome(verdict, "volume").failed == int(not passed)
    assert outcome(verdict, "sold_at.fresh").failed == 0


def test_copies_do_not_make_up_for_missing_sales() -> None:
    table = pos(999)
    (verdict,) = check("pos_transactions", pa.concat_tables([table, table]))
    assert outcome(verdict, "volume").failed == 1


def aged_lines() -> list[dict[str, str | None]]:
    """Lines of the second week that were all sold in the first one, and never seen then."""
    lines = till_lines(1001, WEEKS[1])
    return [{**line, "basket_id": f"9{line['basket_id']}", "sold_at": "2025-03-08 23:00:00"} for line in lines]


def test_sales_are_stale_when_the_latest_is_too_old_at_the_end_of_the_week() -> None:
    fresh, stale = check("pos_transactions", pos(1000), as_delivery(aged_lines(), POS_COLUMNS))
    assert (fresh.passed, stale.passed) == (True, False)
    assert "sold_at" in stale.reasons[0]


def test_a_bad_row_does_not_make_a_stale_week_fresh() -> None:
    lines = aged_lines()
    lines[0]["sold_at"] = "2099-01-01 00:00:00"
    (_, verdict) = check("pos_transactions", pos(1000), as_delivery(lines, POS_COLUMNS))
    assert "sold_at.fresh" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("coupon_discount", "gross", "warned"), [("200", "250", 0), ("201", "250", 1), ("201", None, 0)]
)
def test_a_coupon_above_the_value_of_its_line_only_warns(coupon_discount: str, gross: str | None, warned: int) -> None:
    (verdict,) = check("pos_transactions", pos(1000, coupon_discount_cents=coupon_discount, gross_cents=gross))
    assert outcome(verdict, "coupon_within_value").failed == warned
    assert verdict.quarantined.num_rows == (gross is None)
    assert verdict.passed


def test_examples_mask_personal_data() -> None:
    (verdict,) = check("pos_transactions", pos(1000, household_id="77", product_id="88"))
    assert outcome(verdict, "household_id.exists_in").examples == ("household_id=***",)
    assert outcome(verdict, "product_id.exists_in").examples == ("product_id=88",)


def test_the_arrow_schema_carries_nulls_and_meaning() -> None:
    schema = arrow.schema(reader.load("pos_transactions"))
    assert not schema.field("basket_id").nullable
    assert schema.field("household_id").nullable
    assert schema.field("household_id").metadata[b"classification"] == b"pii-pseudonymous"
    assert schema.field("gross_cents").metadata[b"unit"] == b"cents"
    assert schema.metadata == {b"contract": b"pos-transactions:2.0.0"}


@settings(max_examples=8, deadline=None)
@given(weeks=DELIVERIES)
def test_no_row_is_lost_and_clean_rows_are_clean_again(weeks: list[list[dict[str, str | None]]]) -> None:
    contract = replace(reader.load("coupons"), quarantine_max_percent=100.0)
    verdicts = check(contract, *dirty(weeks))
    for verdict, table in zip(verdicts, dirty(weeks), strict=True):
        assert verdict.rows_in == table.num_rows == verdict.clean.num_rows + verdict.quarantined.num_rows
        delivered = table.take(verdict.quarantined.column("_row"))
        assert verdict.quarantined.select(table.column_names).to_pylist() == delivered.to_pylist()
    again = check(contract, *(verdict.clean for verdict in verdicts))
    assert [verdict.quarantined.num_rows for verdict in again] == [0] * len(verdicts)
    assert all(one.clean.equals(two.clean, check_metadata=True) for one, two in zip(verdicts, again, strict=True))


@settings(max_examples=8, deadline=None)
@given(weeks=DELIVERIES, batch_rows=st.sampled_from([1, 6, 5_000_000]))
def test_weeks_checked_together_equal_weeks_checked_alone(
    weeks: list[list[dict[str, str | None]]], batch_rows: int
) -> None:
    tables = dirty(weeks)
    together = check("coupons", *tables, batch_rows=batch_rows)
    assert [verdict.week for verdict in together] == list(WEEKS[: len(tables)])
    for verdict, table in zip(together, tables, strict=True):
        (alone,) = check_weeks(reader.load("coupons"), [verdict.week], reading(table), beside())
        assert as_bytes(alone.clean) == as_bytes(verdict.clean)
        assert as_bytes(alone.quarantined) == as_bytes(verdict.quarantined)
        assert (alone.outcomes, alone.reasons, alone.share) == (verdict.outcomes, verdict.reasons, verdict.share)


def reading(table: pa.Table) -> Callable[[str], pa.Table]:
    return lambda _: table


def as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()
