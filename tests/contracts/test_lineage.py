"""Lineage tells of every row what a plain list with one entry per row would tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.tables import read_parquet, write_parquet

Place = tuple[str | None, int | None]

runs = st.lists(
    st.tuples(st.sampled_from(["a.csv", "b.csv", "erp: products"]), st.none() | st.integers(1, 9), st.integers(0, 6)),
    max_size=6,
)


def listed(lineage: Lineage) -> list[Place]:
    """File and record of each row, as the runs say when they are read one row at a time."""
    return [
        (file, None if first is None else first + place) for file, first, rows in lineage.runs for place in range(rows)
    ]


def located(lineage: Lineage, rows: list[int]) -> list[Place]:
    files, numbers = lineage.locate(np.array(rows, np.int64))
    assert (files.type, numbers.type) == (pa.string(), pa.int64())
    return list(zip(files.to_pylist(), numbers.to_pylist(), strict=True))


@given(first=runs, second=runs, data=st.data())
def test_concatenation_filter_and_locate_agree_with_a_plain_list(
    first: list, second: list, data: st.DataObject
) -> None:
    before, after = Lineage(tuple(first)), Lineage(tuple(second))
    whole = after.after(before)
    plain = listed(before) + listed(after)
    assert listed(whole) == plain
    keep = data.draw(st.lists(st.booleans(), min_size=len(plain), max_size=len(plain)))
    left = whole.kept(np.array(keep, bool))
    expected = [place for place, kept in zip(plain, keep, strict=True) if kept]
    assert listed(left) == expected
    some = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=5)) if expected else []
    assert located(left, some) == [expected[row] for row in some]


@given(numbers=st.lists(st.integers(1, 30), unique=True).map(sorted))
def test_numbered_records_keep_their_numbers(numbers: list[int]) -> None:
    found = Lineage.numbered("a.jsonl", np.array(numbers, np.int64))
    assert listed(found) == [("a.jsonl", number) for number in numbers]


def test_a_table_says_it_and_a_file_keeps_it(tmp_path: Path) -> None:
    lineage = Lineage((("pos/2025-03-03/store-7.csv.gz", 1, 2), ("erp: Köln", None, 1)))
    rows = lineage.attached(pa.table({"x": [1, 2, 3]}).replace_schema_metadata({"kept": "too"}))
    write_parquet(tmp_path / "part.parquet", rows, "digest")
    read = read_parquet(tmp_path / "part.parquet")
    assert Lineage.of(read) == lineage
    told = read.schema.metadata
    assert told[b"kept"] == b"too"
    assert json.loads(told[b"lineage"]) == [["pos/2025-03-03/store-7.csv.gz", 1, 2], ["erp: Köln", None, 1]]


def test_a_table_that_says_nothing_has_rows_from_nowhere() -> None:
    nothing = Lineage.of(pa.table({"x": [1, 2]}))
    assert nothing == Lineage()
    assert located(nothing, [0, 1]) == [(None, None), (None, None)]


def test_a_lineage_of_other_rows_is_refused() -> None:
    lineage = Lineage.whole("a.csv", 2)
    with pytest.raises(ValueError, match="covers 2 rows, and the table has 1"):
        lineage.attached(pa.table({"x": [1]}))
    with pytest.raises(ValueError, match="covers 2 rows, and the filter 3"):
        lineage.kept(np.ones(3, bool))


def test_rows_of_one_origin_take_one_run_whatever_is_left_out() -> None:
    erp = Lineage.whole("erp: products", 100_000).kept(np.arange(100_000) % 2 == 0)
    assert erp.runs == (("erp: products", None, 50_000),)
