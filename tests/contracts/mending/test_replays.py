"""Rows that were let in again are judged with those that landed, and only those that pass are let in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.contracts.deliveries import CALENDAR, WEEKS, beside, coupon, coupons

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.contracts.mending.replaying import (
    Passing,
    RefusedReplayError,
    let_in,
    passing,
)
from coupon_pipeline.contracts.mending.replays import with_replays
from coupon_pipeline.tables import Store, read_digest

LAST = WEEKS[3]
END = "2025-03-30 23:59:59.999999"
COUPONS = reader.load("coupons")


def held(*rows: dict, week: str = WEEKS[0]) -> pa.Table:
    """Waiting coupons, set aside in a week unless they say another `_week`."""
    told = [{"_week": week, "_row": at, "_no_key": False, "_rule": "x", **row} for at, row in enumerate(rows)]
    text = [(name, pa.string()) for name in [*coupon(), "_week", "_rule"]]
    return pa.Table.from_pylist(told, pa.schema([*text, ("_row", pa.int64()), ("_no_key", pa.bool_())]))


def landed(*ids: int) -> pa.Table:
    return coupons(*(coupon(LAST, coupon_id=str(number)) for number in ids))


def found(rows: pa.Table, raw: pa.Table | None = None) -> Passing:
    chosen = np.ones(rows.num_rows, bool)
    return passing(COUPONS, rows, chosen, LAST, landed(1, 2) if raw is None else raw, beside())


def test_replays_follow_what_landed_as_text_where_types_differ() -> None:
    raw = Lineage.whole("erp: x", 2).attached(pa.table({"id": [1, 2], "name": ["a", "b"], "extra": [0.5, 1.5]}))
    replays = pa.table({"id": ["3", "x"], "name": ["c", None], "_week": ["2025-01-06", "2025-01-13"]})
    whole = with_replays(raw, replays)
    assert whole.to_pylist() == [
        {"id": "1", "name": "a", "extra": 0.5},
        {"id": "2", "name": "b", "extra": 1.5},
        {"id": "3", "name": "c", "extra": None},
        {"id": "x", "name": None, "extra": None},
    ]
    files, places = Lineage.of(whole).locate(np.arange(4))
    assert files.to_pylist() == ["erp: x", "erp: x", "replay of 2025-01-06", "replay of 2025-01-13"]
    assert places.to_pylist() == [None] * 4


def test_replays_leave_unknown_what_the_landed_rows_do_not_say() -> None:
    whole = with_replays(pa.table({"id": ["1"]}), pa.table({"id": ["2"], "_week": ["2025-01-06"]}))
    assert Lineage.of(whole).locate(np.arange(2))[0].to_pylist() == [None, "replay of 2025-01-06"]


def test_a_column_that_did_not_land_stays_missing_for_the_contract_to_find() -> None:
    replays = pa.table({"id": ["2"], "name": ["b"], "_week": ["2025-01-06"]})
    assert with_replays(pa.table({"id": ["1"]}), replays).column_names == ["id"]


def test_a_row_that_passes_is_let_in_as_known_in_the_last_microsecond_of_the_week() -> None:
    rows = found(held(coupon(coupon_id="7", category="WINE"), coupon(coupon_id="8", discount_kind="gift"))).rows
    assert rows.to_pylist() == [{**coupon(coupon_id="7", category="WINE", known_at=END), "_week": WEEKS[0]}]


def test_rows_are_held_against_what_is_known_by_the_newest_week() -> None:
    assert found(held(coupon(coupon_id="7", campaign_id="9"))).rows["coupon_id"].to_pylist() == ["7"]
    assert found(held(coupon(coupon_id="7", campaign_id="8"))).rows.num_rows == 0


def test_of_several_versions_of_a_key_the_last_one_is_let_in() -> None:
    versions = [coupon(WEEKS[at], coupon_id="7", category=f"v{at}") | {"_week": WEEKS[at]} for at in (0, 2, 1)]
    assert found(held(*versions)).rows["category"].to_pylist() == ["v2"]


@pytest.mark.parametrize(
    "newer",
    [
        coupon(WEEKS[1], coupon_id="7", valid_from="soon") | {"_week": WEEKS[1]},
        coupon(LAST, coupon_id="7", discount_kind="gift") | {"_week": LAST},
        coupon(coupon_id="7", known_at="soon", discount_kind="gift") | {"_week": WEEKS[1]},
    ],
    ids=["cannot be read", "lies in the week itself", "at an instant that cannot be read"],
)
def test_an_older_version_stays_where_the_last_one_does(newer: dict) -> None:
    assert found(held(coupon(coupon_id="7"), newer)).rows.num_rows == 0


def test_a_last_version_that_is_not_chosen_keeps_an_older_one_out_too() -> None:
    rows = held(coupon(coupon_id="7"), coupon(WEEKS[1], coupon_id="7") | {"_week": WEEKS[1]})
    chosen = np.array([True, False])
    assert passing(COUPONS, rows, chosen, LAST, landed(1, 2), beside()).rows.num_rows == 0


def test_versions_that_contradict_each_other_stay() -> None:
    assert found(held(coupon(coupon_id="7"), coupon(coupon_id="7", category="WINE"))).rows.num_rows == 0


def test_rows_that_cannot_be_read_stay_and_keep_no_other_out() -> None:
    spoilt = [coupon(coupon_id=str(number), valid_from="soon") for number in range(20, 60)]
    keyless = coupon(coupon_id=None) | {"_no_key": True}
    rows = found(held(*spoilt, keyless, coupon(coupon_id="7", known_at="soon"))).rows
    assert rows["coupon_id"].to_pylist() == ["7"]


def test_many_rows_that_fail_do_not_block_the_week() -> None:
    bad = [coupon(coupon_id=str(number), discount_kind="gift") for number in range(20, 60)]
    assert found(held(*bad, coupon(coupon_id="7"))).rows["coupon_id"].to_pylist() == ["7"]


def test_rows_of_the_week_itself_are_counted_and_not_let_in_twice() -> None:
    rows = held(coupon(LAST, coupon_id="1"), week=LAST)
    assert found(rows) == Passing(found(rows).rows.slice(0, 0), 1)


def test_a_week_that_would_be_blocked_takes_none_in() -> None:
    blocked = coupons(*(coupon(LAST, coupon_id=str(number), discount_kind="gift") for number in (1, 2)))
    with pytest.raises(RefusedReplayError, match=rf"week {LAST}: 2 of 3 rows .* no row is let in"):
        found(held(coupon(coupon_id="7")), blocked)


def test_rows_are_appended_and_the_digest_follows_the_content(tmp_path: Path) -> None:
    store = Store(tmp_path, CALENDAR)
    digests = []
    for number in ("7", "8"):
        let_in(store, "coupons", LAST, found(held(coupon(coupon_id=number))).rows)
        digests.append(read_digest(store.path("replays", "coupons", LAST)))
    assert store.read("replays", "coupons", LAST)["coupon_id"].to_pylist() == ["7", "8"]
    assert len({*digests, None}) == 3
