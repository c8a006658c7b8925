"""Redeeming: a coupon is good once, within its time, for whom and what it was meant; validate says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.ledger.worlds import (
    BOUND,
    BREAD,
    BRIEF,
    CAKE,
    DEFINITIONS,
    KEYS,
    OTHER_PRODUCT,
    OTHER_TILL,
    PLAIN,
    SOON,
    STACKED,
    STACKED_TOO,
    TILL,
    World,
    basket,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.codes import code_of
from coupon_pipeline.ledger.keys import Keys
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Basket, CouponTerms, Issued, Line


def test_a_coupon_is_redeemed_once(world: World) -> None:
    issued = world.issue()
    first = world.redeem(issued, discount=70)
    assert (first.discount_cents, first.redeemed_at, first.replay) == (70, world.clock.now, False)
    for client in (TILL, OTHER_TILL):
        with refused(Reason.ALREADY_REDEEMED):
            world.redeem(issued, client=client)
    assert world.state(issued) == "redeemed"
    assert world.topics() == ["issued", "redeemed"]


def test_the_same_key_gets_the_same_answer_for_ever(world: World) -> None:
    issued, within = world.issue(), basket()
    first = world.redeem(issued, within, key="key-of-one")
    world.clock.now = issued.expires_at + 1
    world.ledger.expire()
    assert world.redeem(issued, within, key="key-of-one") == replace(first, replay=True)
    assert world.topics() == ["issued", "redeemed"]


def test_a_key_belongs_to_one_request_of_one_client(world: World) -> None:
    issued, other, within = world.issue(), world.issue(household=2), basket()
    world.redeem(issued, within, key="key-of-one")
    for code, place, discount in ((issued, within, 51), (issued, basket(), 50), (other, within, 50)):
        with refused(Reason.KEY_REUSED):
            world.redeem(code, place, discount, key="key-of-one")
    assert not world.redeem(other, within, key="key-of-one", client=OTHER_TILL).replay


@pytest.mark.parametrize("typed", ["", "x", "0000-0000-0000-00000", "Ü" * 20, "\0" * 20, "0" * 10_000])
def test_what_is_no_code_is_unknown(world: World, typed: str) -> None:
    nothing = Issued(0, typed, 0, 0, replay=False)
    for ask in (world.redeem, world.hold):
        with refused(Reason.UNKNOWN_CODE):
            ask(nothing)
    with refused(Reason.UNKNOWN_CODE):
        world.ledger.validate(TILL, typed, basket())
    with refused(Reason.UNKNOWN_CODE):
        world.ledger.void(TILL, fresh_key(), code=typed)


def test_a_code_made_with_another_key_is_unknown(world: World) -> None:
    issued = world.issue()
    foreign = code_of(Keys.random().newest, issued.issue_id)
    with refused(Reason.UNKNOWN_CODE):
        world.redeem(replace(issued, code=foreign))


def test_a_code_may_be_typed_in_any_way_and_is_the_same_request(world: World) -> None:
    issued, within = world.issue(), basket()
    first = world.redeem(issued, within, key="key-of-one")
    typed = issued.code.lower().replace("-", " ").replace("0", "o")
    assert world.redeem(replace(issued, code=typed), within, key="key-of-one") == replace(first, replay=True)


def test_codes_of_an_older_key_stay_good(world: World) -> None:
    old = world.issue()
    rotated = Ledger(world.database, KEYS.rotated(), world.clock)
    new = rotated.issue("app", fresh_key(), 1, PLAIN.coupon_id, "app")
    for code in (old.code, new.code):
        assert not rotated.redeem(TILL, fresh_key(), code, basket(), 50).replay
    with refused(Reason.UNKNOWN_CODE):
        world.redeem(new)
    assert rotated.codes([old.issue_id, new.issue_id]) == [old.code, new.code]


@pytest.mark.parametrize(
    ("coupon", "at", "reason"),
    [
        (SOON, SOON.valid_from - 1, Reason.NOT_YET_VALID),
        (SOON, SOON.valid_from, None),
        (BRIEF, BRIEF.expires_at - 1, None),
        (BRIEF, BRIEF.expires_at, Reason.EXPIRED),
        (BRIEF, BRIEF.expires_at + 1, Reason.EXPIRED),
    ],
)
def test_a_coupon_is_good_from_its_first_millisecond_until_before_its_last(
    world: World, coupon: CouponTerms, at: int, reason: Reason | None
) -> None:
    issued = world.issue(coupon)
    world.clock.now = at
    if reason is None:
        assert world.ledger.validate(TILL, issued.code, basket()).coupon_id == coupon.coupon_id
        assert world.redeem(issued).redeemed_at == at
        return
    with refused(reason):
        world.ledger.validate(TILL, issued.code, basket())
    with refused(reason):
        world.redeem(issued)


def test_time_never_goes_back(world: World) -> None:
    issued = world.issue(BRIEF)
    world.clock.now = BRIEF.expires_at
    world.ledger.expire()
    world.clock.tick(-3_600_000)
    assert world.ledger.now() == BRIEF.expires_at
    assert Ledger(world.database, KEYS, world.clock).now() == BRIEF.expires_at
    with refused(Reason.EXPIRED):
        world.redeem(issued)


def test_a_bound_coupon_is_good_for_its_household_alone(world: World) -> None:
    issued = world.issue(BOUND, household=2)
    with refused(Reason.HOUSEHOLD_REQUIRED):
        world.redeem(issued, basket())
    for stranger in (1, 4711):
        with refused(Reason.WRONG_HOUSEHOLD):
            world.redeem(issued, basket(household=stranger))
    assert not world.redeem(issued, basket(household=2)).replay


def test_any_other_coupon_may_be_handed_on(world: World) -> None:
    assert not world.redeem(world.issue(PLAIN, household=2), basket(household=1)).replay


@pytest.mark.parametrize(
    ("coupon", "lines", "reason"),
    [
        (BREAD, (Line(10, 1, 900), Line(OTHER_PRODUCT, 5, 900)), Reason.MINIMUM_QUANTITY),
        (BREAD, (Line(10, 2, 900),), None),
        (BREAD, (Line(10, 1, 450), Line(11, 1, 450)), None),
        (CAKE, (Line(12, 1, 499), Line(OTHER_PRODUCT, 5, 900)), Reason.MINIMUM_SPEND),
        (CAKE, (Line(12, 1, 250), Line(12, 1, 250)), None),
        (PLAIN, (), Reason.MINIMUM_QUANTITY),
        (PLAIN, None, Reason.MINIMUM_QUANTITY),
        (PLAIN, (Line(OTHER_PRODUCT, 1, 49),), Reason.OVER_BASKET_VALUE),
        (BREAD, (Line(10, 2, 49), Line(OTHER_PRODUCT, 1, 900)), Reason.OVER_BASKET_VALUE),
        (PLAIN, (Line(OTHER_PRODUCT, 1, 50),), None),
        (PLAIN, (Line(OTHER_PRODUCT, 0, 50),), Reason.INVALID_AMOUNT),
        (PLAIN, (Line(OTHER_PRODUCT, 1, -50),), Reason.INVALID_AMOUNT),
        (BREAD, (Line(10, 2, 900), Line(2**70, 2**70, 2**70)), None),
    ],
)
def test_only_the_coupons_own_products_count(
    world: World, coupon: CouponTerms, lines: tuple[Line, ...] | None, reason: Reason | None
) -> None:
    issued = world.issue(coupon)
    if reason is None:
        assert world.redeem(issued, basket(lines), discount=50).discount_cents == 50
        return
    with refused(reason):
        world.redeem(issued, basket(lines), discount=50)
    assert world.state(issued) == "issued"


@pytest.mark.parametrize(
    ("discount", "reason"),
    [
        (0, None),
        (100, None),
        (101, Reason.OVER_FACE_VALUE),
        (-1, Reason.INVALID_AMOUNT),
        (2**70, Reason.INVALID_AMOUNT),
        (0.5, Reason.INVALID_AMOUNT),
        (True, Reason.INVALID_AMOUNT),
    ],
)
def test_a_discount_is_whole_cents_up_to_the_face_value(world: World, discount: Any, reason: Reason | None) -> None:
    issued = world.issue(PLAIN)
    if reason is None:
        assert world.redeem(issued, discount=discount).discount_cents == discount
        return
    with refused(reason):
        world.redeem(issued, discount=discount)


def test_a_basket_uses_one_coupon_of_a_group(world: World) -> None:
    first, second, third = world.issue(STACKED), world.issue(STACKED_TOO), world.issue(STACKED, household=2)
    world.redeem(first, basket(number="b1"), key="key-of-first")
    with refused(Reason.NOT_STACKABLE):
        world.redeem(second, basket(number="b1"))
    with refused(Reason.NOT_STACKABLE):
        world.ledger.validate(TILL, second.code, basket(number="b1"))
    world.redeem(world.issue(PLAIN), basket(number="b1"))
    world.redeem(third, basket(number="b1", store=OTHER_TILL), client=OTHER_TILL)
    world.reverse("key-of-first")
    world.redeem(second, basket(number="b1"))
    with refused(Reason.NOT_STACKABLE):
        world.redeem(first, basket(number="b1"))


def test_of_several_reasons_the_first_one_is_said(world: World) -> None:
    """Each cure uncovers the next reason."""
    soon = replace(
        SOON, is_bound=True, min_quantity=2, min_spend_cents=300, stacking_group="week", product_ids=(10, 12)
    )
    world.sync(coupons=(soon,))
    issued, other = world.issue(soon), world.issue(STACKED)

    def refuse(reason: Reason, within: Basket, discount: int = 500, code: Issued = issued) -> None:
        with refused(reason):
            world.redeem(code, within, discount)

    few = basket((Line(10, 1, 100), Line(OTHER_PRODUCT, 9, 9_000)), number="b1")
    refuse(Reason.UNKNOWN_CODE, few, code=replace(issued, code="0" * 17))
    refuse(Reason.NOT_YET_VALID, few)
    world.clock.now = SOON.valid_from
    world.redeem(other, basket(number="b1"), client=OTHER_TILL)
    world.hold(issued, basket(household=1), client=OTHER_TILL)
    refuse(Reason.HELD, few)
    world.clock.tick(300_000)
    refuse(Reason.HOUSEHOLD_REQUIRED, few)
    refuse(Reason.WRONG_HOUSEHOLD, replace(few, household_id=2))
    refuse(Reason.NOT_STACKABLE, replace(few, household_id=1))
    refuse(Reason.MINIMUM_QUANTITY, replace(few, household_id=1, basket_id="b2"))
    cheap = basket((Line(10, 2, 100), Line(12, 1, 199)), household=1)
    refuse(Reason.MINIMUM_SPEND, cheap)
    dear = replace(cheap, lines=(Line(10, 2, 100), Line(12, 1, 201)))
    refuse(Reason.OVER_FACE_VALUE, dear)
    world.sync(coupons=(replace(soon, min_spend_cents=0),))
    refuse(Reason.OVER_BASKET_VALUE, replace(dear, lines=(Line(10, 2, 99),)), 100)
    assert world.redeem(issued, dear, 100).issue_id == issued.issue_id


@pytest.mark.parametrize(("end", "reason"), [("void", Reason.VOID), ("expire", Reason.EXPIRED)])
def test_an_ended_coupon_is_refused_by_the_name_of_its_end(world: World, end: str, reason: Reason) -> None:
    issued = world.issue(BRIEF)
    if end == "void":
        world.ledger.void("office", fresh_key(), issue_id=issued.issue_id)
    world.clock.now = BRIEF.expires_at
    world.ledger.expire()
    with refused(reason):
        world.redeem(issued)


def test_validate_tells_the_terms_and_changes_nothing(world: World) -> None:
    issued = world.issue(CAKE)
    before = world.rows("select * from issue")
    valid = world.ledger.validate(TILL, issued.code, basket(lines=None))
    assert (valid.issue_id, valid.coupon_id, valid.value_cents) == (issued.issue_id, CAKE.coupon_id, 101)
    assert (valid.min_quantity, valid.min_spend_cents, valid.expires_at) == (1, 500, CAKE.expires_at)
    assert world.rows("select * from issue") == before
    assert world.topics() == ["issued"]


def test_a_refusal_is_not_kept(world: World) -> None:
    issued, within = world.issue(SOON), basket()
    with refused(Reason.NOT_YET_VALID):
        world.redeem(issued, within, key="key-of-one")
    world.clock.now = SOON.valid_from
    assert not world.redeem(issued, within, key="key-of-one").replay


def test_reaching_the_payout_budget_refuses_no_coupon_that_is_issued(world: World) -> None:
    world.sync(replace(DEFINITIONS.campaigns[0], budget_cents=100))
    first, second = world.issue(), world.issue()
    world.redeem(first, discount=100)
    world.ledger.roll_up()
    with refused(Reason.BUDGET_EXHAUSTED):
        world.issue()
    assert world.redeem(second, discount=100).discount_cents == 100
