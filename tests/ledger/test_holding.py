"""Holding: an open basket keeps a coupon from other clients for a while; the lease ends by time and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ledger.worlds import (
    BOUND,
    BREAD,
    BRIEF,
    NOW,
    OTHER_TILL,
    PLAIN,
    SECOND,
    SOON,
    TILL,
    World,
    basket,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Issued, Line

LEASE = 300 * SECOND


def void(world: World, issued: Issued) -> None:
    world.ledger.void("office", fresh_key(), issue_id=issued.issue_id)


def test_a_hold_keeps_others_away_until_it_ends(world: World) -> None:
    issued = world.issue()
    held = world.hold(issued)
    assert (held.issue_id, held.held_until, held.replay) == (issued.issue_id, NOW + LEASE, False)
    world.clock.now = held.held_until - 1
    for ask in (world.redeem, world.hold):
        with refused(Reason.HELD):
            ask(issued, client=OTHER_TILL)
    with refused(Reason.HELD):
        world.ledger.validate(OTHER_TILL, issued.code, basket())
    world.clock.now = held.held_until
    assert world.ledger.validate(OTHER_TILL, issued.code, basket()).issue_id == issued.issue_id
    assert world.hold(issued, client=OTHER_TILL).held_until == NOW + 2 * LEASE
    with refused(Reason.HELD):
        world.redeem(issued)


def test_who_holds_may_redeem(world: World) -> None:
    issued = world.issue()
    world.hold(issued)
    assert not world.redeem(issued, client=TILL).replay
    with refused(Reason.ALREADY_REDEEMED):
        world.hold(issued)


def test_a_hold_writes_no_event_and_no_state(world: World) -> None:
    issued = world.issue()
    before = world.rows("select * from escrow")
    world.hold(issued)
    assert world.state(issued) == "issued"
    assert world.topics() == ["issued"]
    assert world.rows("select * from escrow") == before


def test_the_same_client_renews_and_the_same_key_does_not(world: World) -> None:
    issued, within = world.issue(), basket()
    first = world.hold(issued, within, key="key-of-hold")
    world.clock.tick(60 * SECOND)
    assert world.hold(issued, within, key="key-of-hold") == replace(first, replay=True)
    renewed = world.hold(issued, within)
    assert renewed.held_until == first.held_until + 60 * SECOND
    world.clock.now = renewed.held_until
    assert world.hold(issued, within, key="key-of-hold") == replace(first, replay=True)
    world.redeem(issued, client=OTHER_TILL)


def test_a_client_may_shorten_its_own_hold(world: World) -> None:
    issued = world.issue()
    world.hold(issued, seconds=300)
    assert world.hold(issued, seconds=1).held_until == NOW + SECOND


def test_a_key_belongs_to_one_request(world: World) -> None:
    issued, other, within = world.issue(), world.issue(household=2), basket()
    world.hold(issued, within, key="key-of-hold")
    for code, place, seconds in ((other, within, 300), (issued, basket(), 300), (issued, within, 301)):
        with refused(Reason.KEY_REUSED):
            world.hold(code, place, key="key-of-hold", seconds=seconds)
    assert not world.redeem(issued, within, key="key-of-hold").replay


def test_a_hold_ends_with_the_coupon_at_the_latest(world: World) -> None:
    issued = world.issue(BRIEF)
    world.clock.now = BRIEF.expires_at - 1
    assert world.hold(issued).held_until == BRIEF.expires_at
    world.clock.tick(1)
    assert world.ledger.expire() == 1
    with refused(Reason.EXPIRED):
        world.redeem(issued)


@pytest.mark.parametrize("seconds", [1, 3_600])
def test_a_hold_lasts_from_a_second_to_an_hour(world: World, seconds: int) -> None:
    assert world.hold(world.issue(), seconds=seconds).held_until == NOW + seconds * SECOND


@pytest.mark.parametrize("seconds", [-1, 0, 3_601, 2**70])
def test_any_other_time_is_refused(world: World, seconds: int) -> None:
    with refused(Reason.INVALID_AMOUNT):
        world.hold(world.issue(), seconds=seconds)


def test_what_could_not_be_redeemed_is_not_held(world: World) -> None:
    soon, bread, bound, plain = (world.issue(coupon) for coupon in (SOON, BREAD, BOUND, PLAIN))
    with refused(Reason.NOT_YET_VALID):
        world.hold(soon)
    with refused(Reason.MINIMUM_QUANTITY):
        world.hold(bread, basket((Line(10, 1, 100),)))
    with refused(Reason.HOUSEHOLD_REQUIRED):
        world.hold(bound)
    with refused(Reason.WRONG_HOUSEHOLD):
        world.hold(bound, basket(household=2))
    void(world, plain)
    with refused(Reason.VOID):
        world.hold(plain)


def test_of_a_basket_whose_lines_are_not_told_nothing_is_checked(world: World) -> None:
    assert world.hold(world.issue(BREAD), basket(lines=None)).issue_id


def test_a_cancelled_coupon_is_not_held_any_more(world: World) -> None:
    issued = world.issue()
    world.hold(issued)
    void(world, issued)
    with refused(Reason.VOID):
        world.redeem(issued)


def test_a_reversed_coupon_is_still_held_until_then(world: World) -> None:
    issued = world.issue()
    world.hold(issued)
    world.redeem(issued, key="key-of-first")
    world.reverse("key-of-first")
    with refused(Reason.HELD):
        world.redeem(issued, client=OTHER_TILL)
    world.clock.tick(LEASE)
    world.redeem(issued, client=OTHER_TILL)
