"""A cast loses nothing silently: each cell keeps its value or is reported."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.casting import as_text, cast

TEMPLATE = """
apiVersion: v3.2.0
kind: DataContract
id: one
version: 1.0.0
status: active
schema:
  - name: one
    properties:
      - name: x
        description: "A value"
        logicalType: {logical}
        physicalType: {physical}
        primaryKey: true
        primaryKeyPosition: 1
        customProperties:
          - {{property: unit, value: any}}
          - {{property: businessImpact, value: "A test fails"}}
team: {{name: one, members: [{{username: one@example.com, role: owner}}]}}
customProperties:
  - {{property: tableKind, value: fact}}
  - {{property: mandatory, value: true}}
  - {{property: quarantineMaxPercent, value: 1}}
"""
LOGICAL = {"BIGINT": "integer", "INTEGER": "integer", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp"}


@pytest.fixture(scope="module", params=sorted(LOGICAL))
def any_type(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return one_column(tmp_path_factory.mktemp("contract"), request.param)


def one_column(folder: Path, physical: str) -> Contract:
    path = folder / "one.odcs.yaml"
    path.write_text(TEMPLATE.format(logical=LOGICAL[physical], physical=physical), encoding="utf-8")
    return reader.read(path)


@pytest.mark.parametrize(
    ("physical", "delivered", "expected"),
    [
        ("BIGINT", pa.array(["7", " 7 ", "7.0", "-7", "9007199254740993"]), [7, 7, 7, -7, 9007199254740993]),
        ("BIGINT", pa.array(["1.5", "two", "", "1e3", "0x10", "99999999999999999999"]), [None] * 6),
        ("BIGINT", pa.array([2.0, 2.5, float("inf"), None]), [2, None, None, None]),
        ("BIGINT", pa.array(["3", "1.5"]).dictionary_encode(), [3, None]),
        ("INTEGER", pa.array([1, 2**40]), [1, None]),
        ("BOOLEAN", pa.array(["true", "false", "maybe"]), [True, False, None]),
        ("BOOLEAN", pa.array([0, 1, 2]), [False, True, None]),
        ("DATE", pa.array(["2025-03-03", "2025-03-03 00:00:00"]), [date(2025, 3, 3)] * 2),
        ("DATE", pa.array(["2025-03-03 05:00", "03/03/2025", "2025-02-30"]), [None] * 3),
        (
            "DATE",
            pa.array([datetime(2025, 3, 3), datetime(2025, 3, 3, 5)], pa.timestamp("ms")),
            [date(2025, 3, 3), None],
        ),
        ("TIMESTAMP", pa.array(["2025-03-03 05:00", "2025-03-03T05:00:00Z"]), [datetime(2025, 3, 3, 5)] * 2),
        ("TIMESTAMP", pa.array(["2025-03-03T05:00:00+02:00"]), [datetime(2025, 3, 3, 3)]),
        ("TIMESTAMP", pa.array(["2025-03-03 05:00 Europe/Berlin", "infinity"]), [None, None]),
        ("TIMESTAMP", pa.nulls(2), [None, None]),
    ],
)
def test_a_value_is_cast_whole_or_reported_lost(
    tmp_path: Path, physical: str, delivered: pa.Array, expected: list[Any]
) -> None:
    table, lost = cast(one_column(tmp_path, physical), pa.table({"x": delivered}))
    assert table.column("x").to_pylist() == expected
    was_there = [position for position, cell in enumerate(delivered.to_pylist()) if cell is not None]
    reported = lost["x"].tolist() if "x" in lost else []
    assert reported == [position for position in was_there if expected[position] is None]


def test_an_instant_with_a_zone_becomes_utc(tmp_path: Path) -> None:
    delivered = pa.array([datetime(2025, 3, 3, 12)], pa.timestamp("us")).cast(pa.timestamp("us", "America/New_York"))
    table, _ = cast(one_column(tmp_path, "TIMESTAMP"), pa.table({"x": delivered}))
    assert table.column("x").to_pylist() == [datetime(2025, 3, 3, 12)]


@given(cells=st.lists(st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["1", "2.5", "2025-03-03", "true"]))))
def test_each_cell_is_kept_null_or_lost(any_type: Contract, cells: list[str | None]) -> None:
    table, lost = cast(any_type, pa.table({"x": pa.array(cells, pa.string())}))
    gone = set(lost["x"].tolist()) if "x" in lost else set()
    for position, (before, after) in enumerate(zip(cells, table.column("x").to_pylist(), strict=True)):
        assert (position in gone) == (before is not None and after is None)


@given(cells=st.lists(st.one_of(st.none(), st.text(max_size=6))))
def test_text_stays_as_it_came(cells: list[str | None]) -> None:
    assert as_text(pa.table({"x": pa.array(cells, pa.string())})).column("x").to_pylist() == cells


def test_typed_cells_get_a_plain_text_and_names_that_differ_in_case_stay_apart() -> None:
    raw = pa.table({"x": [1.5, None], "X": [date(2025, 3, 3), None]})
    assert as_text(raw).to_pydict() == {"x": ["1.5", None], "X": ["2025-03-03", None]}
