"""What a table keeps of an erased household: by its contract, whatever the form its cells come in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.erasures.rule import Rule, matches, tombstones

NOW = datetime(2025, 3, 10, 3, 59, 59)
GONE = np.array([7], np.int64)


def rule(table: str) -> Rule:
    return Rule.of(reader.load(table))


def as_delivered(table: str, *rows: dict[str, Any]) -> pa.Table:
    """All cells as text, as a feed of text brings them."""
    names = [column.name for column in reader.load(table).columns]
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def erasures(*households: int) -> pa.Table:
    told = pa.table({"household_id": pa.array(households, pa.int64()), "erased_at": pa.array([NOW] * len(households))})
    return tombstones(reader.load("customers"), told, pa.scalar(NOW, pa.timestamp("us")))


@pytest.mark.parametrize("table", ["pos_transactions", "bills", "coupon_issues", "coupon_redemptions", "engagements"])
def test_where_a_household_may_be_unknown_the_row_stays_and_the_link_is_gone(table: str) -> None:
    rows = as_delivered(table, {"household_id": "7", "store_id": "1"}, {"household_id": "8"}, {"household_id": None})
    left = rule(table).erase(rows, GONE)
    assert left.rows["household_id"].to_pylist() == [None, "8", None]
    assert left.rows.drop_columns(["household_id"]).equals(rows.drop_columns(["household_id"]))
    assert left.count == 1
    assert left.keep.all()


def test_where_a_household_must_be_named_the_row_goes() -> None:
    rows = as_delivered("campaign_targets", {"household_id": "7"}, {"household_id": "8"}, {"household_id": "7"})
    left = rule("campaign_targets").erase(rows, GONE)
    assert left.rows["household_id"].to_pylist() == ["8"]
    assert left.keep.tolist() == [False, True, False]


def test_customers_keep_who_is_erased_since_when_and_nothing_else() -> None:
    told = {"age_band": "35-44", "marketing_consent": "true", "known_at": "2025-03-04T10:00:00Z"}
    rows = as_delivered("customers", {"household_id": "7", **told}, {"household_id": "8", **told})
    left = rule("customers").erase(rows, GONE, erasures(7)).rows
    assert left["household_id"].to_pylist() == ["8", "7"]
    kept = {name: cell for name, cell in left.slice(1).to_pylist()[0].items() if cell is not None}
    at = "2025-03-10 03:59:59"
    assert kept == {"household_id": "7", "erased_at": at, "known_at": at, "marketing_consent": "false"}


def test_erasing_again_changes_nothing() -> None:
    rows = as_delivered("customers", {"household_id": "7"}, {"household_id": "8"}).append_column(
        "is_new", pa.nulls(2, pa.string())
    )
    once = rule("customers").erase(rows, GONE, erasures(7)).rows
    assert rule("customers").erase(once, GONE, erasures(7)).rows is once


def test_a_row_of_an_erased_household_is_no_row_of_another() -> None:
    rows = as_delivered("pos_transactions", *({"household_id": text} for text in ("7", "07", "+7", "7.0", " 7", "77")))
    assert matches(reader.load("pos_transactions"), rows, GONE).tolist() == [True] * 5 + [False]
    for wrong in ("7x", "-7", "7.5", "", "household 7"):
        assert not matches(reader.load("bills"), as_delivered("bills", {"household_id": wrong}), GONE).any()


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.int32(), pa.float64(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_a_household_is_found_in_cells_of_any_type(kind: pa.DataType) -> None:
    numbers = pa.array([7, 8, None], pa.int64())
    text = pa.types.is_dictionary(kind) or pa.types.is_large_string(kind)
    cells = numbers.cast(pa.string()).cast(kind) if text else numbers.cast(kind)
    left = rule("bills").erase(pa.table({"household_id": cells}), GONE).rows
    assert left["household_id"].is_null().to_pylist() == [True, False, True]
    assert left["household_id"].type == kind


def test_columns_that_no_contract_knows_go_with_the_household() -> None:
    rows = as_delivered("bills", {"household_id": "7"}, {"household_id": "8"})
    left = rule("bills").erase(rows.append_column("email", pa.array(["a@example.com", "b@example.com"])), GONE).rows
    assert left["email"].to_pylist() == [None, "b@example.com"]


def test_a_quarantined_row_keeps_its_reason_and_masks_what_it_quotes() -> None:
    quoted = ["household_id=7; store_id=7", "store_id=7; household_id=7", "household_id=8; store_id=7"]
    rows = as_delivered("bills", *({"household_id": household, "store_id": "7"} for household in "778"))
    rows = rows.append_column("_value", pa.array(quoted)).append_column("_reason", pa.array(["wrong"] * 3))
    left = rule("bills").erase(rows, GONE).rows
    masked = ["household_id=***; store_id=7", "store_id=7; household_id=***", quoted[2]]
    assert left["_value"].to_pylist() == masked
    assert left["_reason"].to_pylist() == ["wrong"] * 3


def test_a_row_that_is_left_still_tells_where_it_came_from() -> None:
    rows = as_delivered("customers", *({"household_id": household} for household in "67789"))
    rows = Lineage((("crm: one", 1, 2), ("crm: two", 1, 3))).attached(rows)
    left = rule("customers").erase(rows, GONE, erasures(7)).rows
    files, places = Lineage.of(left).locate(np.arange(left.num_rows))
    assert files.to_pylist() == ["crm: one", "crm: two", "crm: two", "erasures"]
    assert places.to_pylist() == [1, 2, 3, None]


@given(st.lists(st.sampled_from(["6", "7", " 7", "07", "8", None, "x"]), max_size=12), st.sets(st.integers(6, 8)))
def test_no_erased_household_is_left_and_no_other_row_changes(cells: list[str | None], gone: set[int]) -> None:
    households = np.array(sorted(gone), np.int64)
    for table in ("bills", "campaign_targets"):
        rows = as_delivered(table, *({"household_id": cell} for cell in cells))
        named = matches(reader.load(table), rows, households)
        left = rule(table).erase(rows, households)
        assert not matches(reader.load(table), left.rows, households).any()
        assert left.count == named.sum()
        others = rows.filter(pa.array(~named))
        if rule(table).drops:
            assert left.rows.equals(others)
        else:
            assert left.rows.filter(pa.array(~named)).equals(others)
