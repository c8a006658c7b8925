"""Text of a system becomes text that a contract reads, digit by digit; what is not understood stays visible."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.casting import cast
from coupon_pipeline.sources.values import (
    to_iso,
    to_minor,
    to_text,
    translated,
    with_point,
)

NEW_YORK = ZoneInfo("America/New_York")


def cells(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("12.34", "1234"),
        ("12.3", "1230"),
        ("12", "1200"),
        ("12.", "1200"),
        (".5", "50"),
        ("0.07", "7"),
        ("-0.50", "-50"),
        ("+3.00", "+300"),
        (" 1.10 ", "110"),
        ("1.2300", "123"),
        ("123456789012345678.99", "12345678901234567899"),
        (None, None),
    ],
)
def test_amounts_become_minor_units(written: str | None, minor: str | None) -> None:
    assert to_minor(pa.chunked_array([pa.array([written], pa.string())])).to_pylist() == [minor]


@pytest.mark.parametrize("written", ["12.345", "1,234.50", "12,34", "1e3", "free", ".", "", "--1", "٣.٠٠", "1 2"])
def test_what_is_no_amount_stays_as_it_came_and_no_contract_takes_it_for_one(written: str) -> None:
    [same] = to_minor(cells(written)).to_pylist()
    assert same == written
    assert as_bigint(same) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [("1.234,50", "1234.50"), ("12,5", "12.5"), ("1.000", "1000"), ("-3", "-3"), ("1.234.567", "1234567")],
)
def test_a_decimal_comma_becomes_a_point(written: str, read: str) -> None:
    assert with_point(cells(written)).to_pylist() == [read]


@pytest.mark.parametrize("written", ["12.00", "1.00", "1.2345", "1,000.00"])
def test_a_point_where_commas_are_expected_never_passes_for_a_number(written: str) -> None:
    [found] = to_minor(with_point(cells(written))).to_pylist()
    assert written in found.replace(" ", "") or "comma" in found
    assert as_bigint(found) is None


def as_bigint(text: str) -> int | None:
    contract = reader.load("stores")
    raw = pa.table({column.name: [text] for column in contract.columns})
    return cast(contract, raw)[0]["store_id"].to_pylist()[0]


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2025-03-04T17:05:09", "2025-03-04 22:05:09"),
        ("2025-03-04 17:05", "2025-03-04 22:05:00"),
        ("2025-07-04 17:05:09.5", "2025-07-04 21:05:09.500000"),
        # Of the hour that the clocks show twice, the first.
        ("2025-11-02 01:30:00", "2025-11-02 05:30:00"),
        ("2025-03-04T17:05:09+01:00", "2025-03-04 16:05:09"),
        ("yesterday", "yesterday"),
        ("2025-02-30 00:00:00", "2025-02-30 00:00:00"),
    ],
)
def test_local_times_become_utc(written: str, utc: str) -> None:
    assert to_iso(cells(written), day_only=False, written=None, local=NEW_YORK).to_pylist() == [utc]


def test_days_and_times_may_be_written_in_any_format() -> None:
    days = to_iso(cells("04.03.2025", "2025-03-04", None), day_only=True, written="%d.%m.%Y", local=None)
    assert days.to_pylist() == ["2025-03-04", "2025-03-04", None]
    times = to_iso(cells("04.03.2025 17:05"), day_only=False, written="%d.%m.%Y %H:%M", local=NEW_YORK)
    assert times.to_pylist() == ["2025-03-04 22:05:00"]


def test_words_are_translated_and_others_stay() -> None:
    assert translated(cells("V", "X", None), {"V": "sale"}).to_pylist() == ["sale", "X", None]


def test_typed_cells_become_text_without_rounding() -> None:
    assert to_text(cells(1, None)).to_pylist() == ["1", None]
    assert to_text(cells(0.1, 12.5)).to_pylist() == ["0.1", "12.5"]
    assert to_text(cells(True)).to_pylist() == ["true"]
    assert to_text(cells(Decimal("1.10"))).to_pylist() == ["1.10"]
    assert to_text(cells(datetime(2025, 3, 4, 17))).to_pylist() == ["2025-03-04 17:00:00"]
