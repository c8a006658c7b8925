"""Reversing: a redemption is undone by its key, also before it arrives; what was spent by it is good again, or over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.ledger.worlds import (
    BREAD,
    BRIEF,
    CAKE,
    DAIRY_WEEK,
    DAY,
    HOUR,
    NOW,
    OTHER_TILL,
    SPRING,
    SUPPLIER,
    TILL,
    World,
    basket,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import CouponTerms

MONEY = ("campaign", SPRING), ("campaign", DAIRY_WEEK), ("supplier", SUPPLIER), ("total", 0)


def owed(world: World) -> list[int]:
    return [world.reserved(*place) for place in MONEY]


def test_a_reversed_coupon_can_be_redeemed_again(world: World) -> None:
    issued, within = world.issue(), basket()
    world.redeem(issued, within, key="key-of-first")
    before = owed(world)
    world.clock.tick(HOUR)
    undone = world.reverse("key-of-first")
    assert (undone.issue_id, undone.state, undone.reversed_at) == (issued.issue_id, "issued", NOW + HOUR)
    assert not undone.replay
    assert owed(world) == before
    again = world.redeem(issued, within, key="key-of-second")
    assert not again.replay
    assert world.topics() == ["issued", "redeemed", "reversed", "redeemed"]


def test_the_key_of_a_reversed_redemption_is_spent(world: World) -> None:
    issued, within = world.issue(), basket()
    world.redeem(issued, within, key="key-of-first")
    world.reverse("key-of-first")
    with refused(Reason.REVERSED):
        world.redeem(issued, within, key="key-of-first")
    with refused(Reason.KEY_REUSED):
        world.redeem(issued, within, discount=51, key="key-of-first")


def test_the_same_key_gets_the_same_answer_for_ever(world: World) -> None:
    issued = world.issue()
    world.redeem(issued, key="key-of-first")
    first = world.reverse("key-of-first", key="key-of-reversal")
    world.redeem(issued)
    world.clock.tick(DAY)
    assert world.reverse("key-of-first", key="key-of-reversal") == replace(first, replay=True)
    with refused(Reason.KEY_REUSED):
        world.reverse("key-of-other", key="key-of-reversal")


def test_reversing_twice_tells_what_is_so_already(world: World) -> None:
    issued = world.issue()
    world.redeem(issued, key="key-of-first")
    first = world.reverse("key-of-first")
    world.clock.tick(HOUR)
    assert world.reverse("key-of-first") == replace(first, replay=True)
    world.redeem(issued)
    assert world.reverse("key-of-first").state == "redeemed"
    assert world.topics() == ["issued", "redeemed", "reversed", "redeemed"]


def test_what_is_reversed_before_it_arrives_never_happens(world: World) -> None:
    issued = world.issue()
    undone = world.reverse("key-of-late-one")
    assert (undone.issue_id, undone.state, undone.reversed_at, undone.replay) == (None, None, NOW, False)
    for discount in (50, 51):
        with refused(Reason.REVERSED):
            world.redeem(issued, key="key-of-late-one", discount=discount)
    assert world.reverse("key-of-late-one") == replace(undone, replay=True)
    assert world.state(issued) == "issued"
    assert world.topics() == ["issued"]
    assert not world.redeem(issued).replay


def test_a_client_reverses_its_own_redemptions_alone(world: World) -> None:
    issued = world.issue()
    world.redeem(issued, key="key-of-first")
    assert world.reverse("key-of-first", client=OTHER_TILL).issue_id is None
    assert world.state(issued) == "redeemed"
    assert world.reverse("key-of-first").issue_id == issued.issue_id


@pytest.mark.parametrize("key", ["", "short", "x" * 129])
def test_both_keys_must_be_keys(world: World, key: str) -> None:
    with refused(Reason.INVALID_KEY):
        world.ledger.reverse(TILL, fresh_key(), key)
    with refused(Reason.INVALID_KEY):
        world.ledger.reverse(TILL, key, fresh_key())


def spent(world: World, coupon: CouponTerms) -> Any:
    issued = world.issue(coupon)
    world.redeem(issued, key="key-of-first")
    return issued


@pytest.mark.parametrize(("at", "state"), [(-1, "issued"), (0, "expired"), (1, "expired")])
def test_a_coupon_whose_time_is_over_comes_back_expired(world: World, at: int, state: str) -> None:
    issued = spent(world, BRIEF)
    world.clock.now = BRIEF.expires_at + at
    assert world.ledger.expire() == 0
    assert world.reverse("key-of-first").state == state == world.state(issued)
    assert world.reserved("campaign", SPRING) == (BRIEF.value_cents if state == "issued" else 0)
    assert world.topics()[2:] == ["reversed", "expired"][: 1 + (state == "expired")]


@pytest.mark.parametrize("how", ["withdrawn", "erased"])
def test_a_coupon_whose_owner_has_gone_comes_back_void(world: World, how: str) -> None:
    issued = spent(world, BREAD)
    if how == "withdrawn":
        assert world.sync(consents={1: False}).voided == 0
    else:
        assert world.ledger.erase(1) == 0
    assert world.state(issued) == "redeemed"
    assert world.reverse("key-of-first").state == "void" == world.state(issued)
    assert owed(world) == [0, 0, 0, 0]
    assert world.topics() == ["issued", "redeemed", "reversed", "void"]


def test_a_coupon_comes_back_void_where_the_household_has_another_of_the_category(world: World) -> None:
    spent(world, BREAD)
    other = world.issue(CAKE)
    assert world.reverse("key-of-first").state == "void"
    assert world.state(other) == "issued"
    assert owed(world) == [0, CAKE.value_cents, 0, CAKE.value_cents]


def test_another_coupon_that_is_over_does_not_count(world: World) -> None:
    cake = replace(CAKE, expires_at=NOW + HOUR)
    world.sync(coupons=(cake,))
    issued = spent(world, BREAD)
    other = world.issue(cake)
    world.clock.tick(HOUR)
    assert world.reverse("key-of-first").state == "issued" == world.state(issued)
    assert world.state(other) == "expired"
    assert owed(world) == [BREAD.value_cents, 0, 0, BREAD.value_cents]


def test_a_reversed_redemption_is_no_payout(world: World) -> None:
    spent(world, BREAD)
    world.ledger.roll_up()
    paid = "select paid_cents from campaign where campaign_id = :wanted"
    assert world.rows(paid, wanted=SPRING) == [(50,)]
    world.reverse("key-of-first")
    world.ledger.roll_up()
    assert world.rows(paid, wanted=SPRING) == [(0,)]
