"""A fact that was clean before is set aside, outside the share: a file sent again harms nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.deliveries import CALENDAR, WEEKS, as_delivery, beside, check, till_lines

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.seen import Window, hashed, repeated
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK, Past

COLUMNS = list(till_lines(1)[0])


def sales() -> Contract:
    """The contract of till lines, without the rules of a whole week: these deliveries are short."""
    contract = reader.load("pos_transactions")
    return replace(contract, rules=tuple(rule for rule in contract.rules if rule.scope == "row" or not rule.line))


def lines(count: int, week: str, **cells: str | None) -> pa.Table:
    return as_delivery(till_lines(count, week, **cells), COLUMNS)


def test_a_fact_that_comes_again_in_a_later_week_is_set_aside_and_does_not_count_as_bad() -> None:
    first, again = check(sales(), lines(3, WEEKS[0]), lines(3, WEEKS[1]))
    assert (first.clean.num_rows, again.clean.num_rows) == (3, 0)
    assert again.quarantined.column("_rule").to_pylist() == ["key.seen"] * 3
    assert (again.passed, again.share) == (True, 0.0)


def test_a_fact_that_was_bad_before_may_come_again_once_it_is_good() -> None:
    contract = replace(sales(), quarantine_max_percent=50.0)
    bad, good = check(contract, lines(3, WEEKS[0], quantity="-1"), lines(1, WEEKS[1]))
    assert bad.quarantined.column("_rule").to_pylist() == ["quantity.range"]
    assert good.clean.num_rows == 1


def test_what_a_blocked_week_brought_was_never_seen() -> None:
    blocked, again = check(sales(), lines(2, WEEKS[0], quantity="-1"), lines(2, WEEKS[1]))
    assert not blocked.passed
    assert again.clean.num_rows == 2


def test_keys_of_clean_weeks_before_the_range_count() -> None:
    keys = hashed(pa.table({"basket_id": [1, 2], "line": [1, 1]}), ("basket_id", "line"))
    past = [Past("2025-02-24", {}, keys)]
    (verdict,) = check(sales(), lines(3, WEEKS[0]), surroundings=beside(past=past))
    assert verdict.quarantined.column("basket_id").to_pylist() == ["1", "2"]


def test_a_key_is_free_again_after_eight_weeks() -> None:
    keys = np.array([5, 6], np.uint64)
    weeks = [str(np.datetime64(WEEKS[0], "D") + np.timedelta64(7 * n, "D")) for n in range(WEEKS_BACK + 2)]
    window = Window([Past(weeks[0], {}, keys)], keys)
    assert window.seen(weeks[WEEKS_BACK], keys).tolist() == [0, 1]
    assert window.seen(weeks[WEEKS_BACK + 1], keys).tolist() == []


def test_a_change_log_may_say_the_same_key_week_after_week() -> None:
    assert all(rule.id != "key.seen" for rule in reader.load("prices").rules)
    assert CALENDAR.weeks == WEEKS


KEYS = st.lists(
    st.tuples(st.integers(-3, 3) | st.none(), st.sampled_from(["a", "b", "ab", None])), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(rows=KEYS)
def test_rows_share_a_hash_where_they_share_a_whole_key(rows: list[tuple[int | None, str | None]]) -> None:
    number, text = zip(*rows, strict=True)
    table = pa.table({"number": pa.array(number, pa.int64()), "text": pa.array(text, pa.string())})
    found = hashed(table, ("number", "text"))
    for one, a in zip(rows, found, strict=True):
        for other, b in zip(rows, found, strict=True):
            assert (a == b) == (one == other or (None in one and None in other))
    whole = [row for row in rows if None not in row]
    assert len(repeated([found])) == len({row for row in whole if whole.count(row) > 1})
