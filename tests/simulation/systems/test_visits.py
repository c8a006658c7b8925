"""What tills ask follows from the week's records alone: baskets as they were scanned, under keys that stay."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulation.systems.week import (
    CLOSES,
    FIRST,
    HOUSEHOLDS,
    OPENS,
    PRICE_CENTS,
    SECOND,
    SEED,
    over,
    records,
)

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.ledger.records import Line
from coupon_pipeline.simulation.systems.visits import (
    FATES,
    Call,
    calls_of,
    fates,
)

NEW, OLD = list(range(1, HOUSEHOLDS + 1)), list(range(601, 601 + HOUSEHOLDS))


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return calls_of(records(FIRST, NEW), over(OLD), SEED)


def test_the_same_records_give_the_same_calls(calls: list[Call]) -> None:
    assert calls_of(records(FIRST, NEW), over(OLD), SEED) == calls
    assert calls_of(records(FIRST, NEW), over(OLD), SEED + 1) != calls


def test_all_is_asked_within_the_week_and_in_order(calls: list[Call]) -> None:
    instants = [call.at for call in calls]
    assert instants == sorted(instants)
    assert to_epoch(OPENS) <= instants[0] < instants[-1] < to_epoch(CLOSES) - 1


def test_a_basket_is_told_as_it_was_scanned_without_what_was_voided(calls: list[Call]) -> None:
    for call in calls:
        if call.use is not None:
            assert call.use.basket.lines == (Line(7, 1, PRICE_CENTS),)
            assert call.client == f"store-{call.use.basket.store_id}"
            assert call.use.basket.till_id == "3"


def test_a_key_stands_for_one_use_of_one_till(calls: list[Call]) -> None:
    asked = {(call.client, call.key): (call.use, call.undoes) for call in calls}
    assert all(asked[call.client, call.key] == (call.use, call.undoes) for call in calls)
    again = [call for call in calls if call.is_retry]
    assert len(calls) == len(asked) + len(again)
    assert again


def test_what_is_taken_back_later_is_taken_back_in_the_week_after(calls: list[Call]) -> None:
    back = [call.taken_back_at for call in calls if call.taken_back_at is not None]
    after = records(SECOND, [])
    assert back
    assert all(to_epoch(after.opens_at) < at < to_epoch(after.closes_at) for at in back)


def test_only_some_coupons_that_are_over_are_tried_and_only_by_who_shops(calls: list[Call]) -> None:
    tried = {call.use.issue_id for call in calls if call.use is not None} & set(OLD)
    assert 0 < len(tried) < HOUSEHOLDS / 5
    shut = records(FIRST, [])
    nobody = {**shut.tables, "pos_lines": shut.tables["pos_lines"].slice(0, 0)}
    assert calls_of(type(shut)(FIRST, OPENS, CLOSES, nobody), over(OLD), SEED) == []


def test_fates_have_their_shares() -> None:
    found = fates(np.arange(100_000), SEED)
    for name, share in FATES:
        assert found.count(name) / len(found) == pytest.approx(share, abs=0.005)
