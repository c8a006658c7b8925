"""A quarantined row waits until its key is clean: nothing that is lost is forgotten, nothing else is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.deliveries import coupon, till_lines

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.contracts.mending.piles import piles
from coupon_pipeline.contracts.mending.waiting import waiting
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 1, 6), date(2025, 3, 31), "UTC")
WEEKS = CALENDAR.weeks
Cells = Mapping[str, str | None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, CALENDAR)


def set_aside(store: Store, table: str, week: str, *rows: Cells, rule: str = "quantity.range", **marks: object) -> None:
    """Quarantine rows of a week, as a validation would; each may name its own `_rule`."""
    told = [
        {
            **row,
            "_rule": row.get("_rule", rule),
            "_source_file": f"{week}.csv",
            "_source_row": at + 1,
            "_row": at,
            **marks,
        }
        for at, row in enumerate(rows)
    ]
    text = [(name, pa.string()) for name in told[0] if name not in ("_source_row", "_row")]
    schema = pa.schema([*text, ("_source_row", pa.int64()), ("_row", pa.int64())])
    store.write("quarantine", table, week, pa.Table.from_pylist(told, schema), "")


def publish(store: Store, table: str, week: str, *rows: Mapping[str, object]) -> None:
    """Clean rows of a week, of which only what is named is not null."""
    schema = pa.schema([field.with_nullable(True) for field in arrow.schema(reader.load(table))])
    store.write("clean", table, week, pa.Table.from_pylist([dict(row) for row in rows], schema), "")


def line(basket: int | str | None = 1, **cells: str | None) -> Cells:
    return {**till_lines(1)[0], "basket_id": None if basket is None else str(basket), **cells}


def who_waits(store: Store, table: str, column: str) -> list[str | None]:
    return waiting(store, reader.load(table), None, None)[column].to_pylist()


def test_a_fact_waits_until_its_key_is_clean_in_a_later_week(store: Store) -> None:
    set_aside(store, "pos_transactions", WEEKS[2], line(1), line(2), line(3))
    publish(store, "pos_transactions", WEEKS[2], {"basket_id": 3, "line": 1})
    publish(store, "pos_transactions", WEEKS[5], {"basket_id": 1, "line": 1}, {"basket_id": 2, "line": 2})
    assert who_waits(store, "pos_transactions", "basket_id") == ["2"]


def test_a_fact_that_was_clean_up_to_eight_weeks_before_lacks_nothing(store: Store) -> None:
    set_aside(store, "pos_transactions", WEEKS[9], line(1), line(2))
    publish(store, "pos_transactions", WEEKS[1], {"basket_id": 1, "line": 1})
    publish(store, "pos_transactions", WEEKS[0], {"basket_id": 2, "line": 1})
    assert who_waits(store, "pos_transactions", "basket_id") == ["2"]


def test_copies_and_keys_that_were_seen_never_wait(store: Store) -> None:
    rules = ("row.duplicate", "key.seen", "row.duplicate,key.seen", "quantity.range,key.seen")
    rows = [line(number, _rule=rule) for number, rule in enumerate(rules)]
    set_aside(store, "pos_transactions", WEEKS[0], *rows)
    assert who_waits(store, "pos_transactions", "_rule") == ["quantity.range,key.seen"]


def test_keys_are_compared_as_the_contract_reads_them(store: Store) -> None:
    set_aside(store, "pos_transactions", WEEKS[0], line("007"), line("8.0"), line("9.5"))
    publish(store, "pos_transactions", WEEKS[0], *({"basket_id": number, "line": 1} for number in (7, 8, 9)))
    assert who_waits(store, "pos_transactions", "basket_id") == ["9.5"]


def test_a_row_without_a_key_that_can_be_read_waits_and_says_so(store: Store) -> None:
    set_aside(store, "pos_transactions", WEEKS[0], line(None), line("nine"), line(9))
    rows = waiting(store, reader.load("pos_transactions"))
    assert rows["_no_key"].to_pylist() == [True, True, False]


def test_a_change_waits_until_its_key_is_clean_at_its_instant_or_later(store: Store) -> None:
    at = datetime.fromisoformat(WEEKS[2]) + timedelta(hours=12)
    rows = [coupon(WEEKS[2], coupon_id=str(number)) for number in (1, 2, 3)]
    set_aside(store, "coupons", WEEKS[2], *rows)
    publish(store, "coupons", WEEKS[2], {"coupon_id": 1, "known_at": at - timedelta(microseconds=1)})
    publish(store, "coupons", WEEKS[3], {"coupon_id": 2, "known_at": at + timedelta(days=7)})
    assert who_waits(store, "coupons", "coupon_id") == ["1", "3"]
    publish(store, "coupons", WEEKS[2], {"coupon_id": 1, "known_at": at})
    assert who_waits(store, "coupons", "coupon_id") == ["3"]


def test_a_change_at_an_instant_that_cannot_be_read_waits_for_a_later_week(store: Store) -> None:
    set_aside(store, "coupons", WEEKS[2], coupon(WEEKS[2], known_at="soon"))
    publish(store, "coupons", WEEKS[2], {"coupon_id": 1, "known_at": datetime.fromisoformat(WEEKS[2])})
    assert who_waits(store, "coupons", "coupon_id") == ["1"]
    publish(store, "coupons", WEEKS[3], {"coupon_id": 1, "known_at": datetime.fromisoformat(WEEKS[3])})
    assert who_waits(store, "coupons", "coupon_id") == []


def test_a_change_from_the_future_waits_no_longer_than_its_week(store: Store) -> None:
    set_aside(store, "coupons", WEEKS[2], coupon(known_at="2099-01-01 00:00:00"))
    publish(store, "coupons", WEEKS[3], {"coupon_id": 1, "known_at": datetime.fromisoformat(WEEKS[3])})
    assert who_waits(store, "coupons", "coupon_id") == []


def test_a_file_with_other_columns_or_none_of_its_marks_is_read_all_the_same(store: Store) -> None:
    set_aside(store, "pos_transactions", WEEKS[0], line(1, floor="2"))
    bare = pa.table({"basket_id": ["2"], "week": ["x"], "_rule": ["columns.present"]})
    store.write("quarantine", "pos_transactions", WEEKS[1], bare, "")
    rows = waiting(store, reader.load("pos_transactions")).to_pylist()
    assert [(row["basket_id"], row["_week"], row["_source_row"]) for row in rows] == [
        ("1", WEEKS[0], 1),
        ("2", WEEKS[1], None),
    ]


def test_a_table_without_quarantine_has_nothing_that_waits(store: Store) -> None:
    assert waiting(store, reader.load("stores")).num_rows == 0


@settings(max_examples=12, deadline=None)
@given(
    held=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), min_size=1, max_size=6),
    clean=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=6),
)
def test_facts_wait_as_a_plain_search_says(
    tmp_path_factory: pytest.TempPathFactory, held: Sequence[tuple[int, int]], clean: Sequence[tuple[int, int]]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"), CALENDAR)
    for week in {at for at, _ in held}:
        set_aside(store, "pos_transactions", WEEKS[week], *(line(key) for at, key in held if at == week))
    for week in {at for at, _ in clean}:
        publish(
            store, "pos_transactions", WEEKS[week], *({"basket_id": key, "line": 1} for at, key in clean if at == week)
        )
    expected = [(week, key) for week, key in held if not any(key == k and at >= week - 8 for at, k in clean)]
    rows = waiting(store, reader.load("pos_transactions"))
    found = zip(map(WEEKS.index, rows["_week"].to_pylist()), map(int, rows["basket_id"].to_pylist()), strict=True)
    assert sorted(found) == sorted(expected)


def test_a_pile_says_how_much_waits_since_when_and_what_to_do(store: Store) -> None:
    for week, count in ((WEEKS[1], 1), (WEEKS[3], 2)):
        rows = [line(f"{week[-2:]}{number}", household_id="4711") for number in range(count)]
        set_aside(store, "pos_transactions", week, *rows, rule="quantity.range,household_id.exists_in")
        store.write("raw", "pos_transactions", week, pa.table({"x": range(10)}), "")
    contract = reader.load("pos_transactions")
    found = piles(store, contract, waiting(store, contract))
    assert [(pile.rule, pile.rows, pile.share) for pile in found] == [
        ("household_id.exists_in", 3, 0.15),
        ("quantity.range", 3, 0.15),
    ]
    assert (found[0].first_week, found[0].last_week) == (WEEKS[1], WEEKS[3])
    assert (found[0].source_file, found[0].source_row) == (f"{WEEKS[1]}.csv", 1)
    assert [pile.example for pile in found] == ["household_id=***", "quantity=1"]
    rule = contract.rule("quantity.range")
    assert found[1].todo == f"{rule.reason}. {rule.impact} Ask {contract.owner}"


def test_a_rule_that_the_contract_has_given_up_is_told_as_such(store: Store) -> None:
    set_aside(store, "pos_transactions", WEEKS[0], line(1), rule="relic")
    contract = reader.load("pos_transactions")
    [pile] = piles(store, contract, waiting(store, contract))
    assert (pile.rule, pile.example) == ("relic", "")
    assert pile.todo.startswith("No rule of today's contract")
