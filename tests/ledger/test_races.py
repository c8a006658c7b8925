"""Many at the same moment: one gets what there is one of, all with one key get one answer, and the books close."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from tests.ledger.racing import TOGETHER, at_once, new_ones
from tests.ledger.worlds import (
    BREAD,
    CAKE,
    DEFINITIONS,
    OFFICE,
    OTHER_TILL,
    PLAIN,
    SPRING,
    STACKED,
    STACKED_TOO,
    TILL,
    World,
    basket,
    fresh_key,
)

from coupon_pipeline.ledger.records import Assignment, Issued, Redeemed


class TestOneKey:
    """The same request many times at once is one request."""

    def test_a_redemption_gets_one_answer(self, world: World) -> None:
        for _ in range(5):
            issued, within, key = world.issue(), basket(), fresh_key()
            answers = at_once(*[partial(world.redeem, issued, within, 50, key)] * TOGETHER)
            assert new_ones(answers) == 1
            assert {replace(answer, replay=True) for answer in answers} == {replace(answers[0], replay=True)}

    def test_an_issue_gets_one_answer_although_it_fills_the_cap(self, world: World) -> None:
        world.sync(replace(DEFINITIONS.campaigns[0], per_household=1))
        for household in (1, 2, 3):
            answers = at_once(*[partial(world.issue, PLAIN, household, f"key-of-{household:04}")] * TOGETHER)
            assert new_ones(answers) == 1
            assert {answer.code for answer in answers} == {answers[0].code}

    @pytest.mark.parametrize("operation", ["hold", "void", "reverse"])
    def test_so_does_any_other_request(self, world: World, operation: str) -> None:
        issued, within, key = world.issue(), basket(), fresh_key()
        world.redeem(world.issue(), key="key-of-first")
        ask = {
            "hold": partial(world.hold, issued, within, key),
            "void": partial(world.ledger.void, OFFICE, key, issue_id=issued.issue_id),
            "reverse": partial(world.reverse, "key-of-first", key),
        }[operation]
        answers = at_once(*[ask] * TOGETHER)
        assert new_ones(answers) == 1
        assert {replace(answer, replay=True) for answer in answers} == {replace(answers[0], replay=True)}
        assert world.wrong() == []


class TestOneCoupon:
    """Many who want the same thing at once: one of them gets it."""

    def test_is_redeemed_once(self, world: World) -> None:
        issued = world.issue()
        answers = at_once(*[partial(world.redeem, issued)] * TOGETHER)
        assert Counter(map(type, answers)) == {Redeemed: 1, str: TOGETHER - 1}
        assert set(answers) - {one for one in answers if isinstance(one, Redeemed)} == {"already_redeemed"}
        assert world.wrong() == []

    def test_is_redeemed_or_held_by_another(self, world: World) -> None:
        for _ in range(8):
            issued = world.issue()
            held, redeemed = at_once(
                partial(world.hold, issued, client=OTHER_TILL), partial(world.redeem, issued, client=TILL)
            )
            assert (held, redeemed).count("already_redeemed") + (held, redeemed).count("held") == 1

    def test_is_redeemed_or_voided(self, world: World) -> None:
        for _ in range(8):
            issued = world.issue()
            void = partial(world.ledger.void, OFFICE, fresh_key(), issue_id=issued.issue_id)
            voided, redeemed = at_once(void, partial(world.redeem, issued))
            assert (voided, redeemed).count("already_redeemed") + (voided, redeemed).count("void") == 1
        assert world.wrong() == []

    def test_of_a_group_is_used_in_a_basket(self, world: World) -> None:
        for number in range(8):
            within = basket(number=f"b{number}")
            first, second = world.issue(STACKED), world.issue(STACKED_TOO)
            answers = at_once(partial(world.redeem, first, within), partial(world.redeem, second, within))
            assert answers.count("not_stackable") == 1

    @pytest.mark.parametrize("limit", [{"liability_cents": 100}, {"max_issues": 1}])
    def test_is_the_last_that_a_limit_allows(self, world: World, limit: dict[str, int]) -> None:
        world.sync(replace(DEFINITIONS.campaigns[0], **limit))
        answers = at_once(*(partial(world.issue, PLAIN, 1 + number % 4) for number in range(TOGETHER)))
        assert new_ones(answers) == 1
        assert world.reserved("campaign", SPRING) == 100
        assert world.wrong() == []

    def test_is_the_last_that_a_household_may_have(self, world: World) -> None:
        world.sync(replace(DEFINITIONS.campaigns[0], per_household=1))
        answers = at_once(*[partial(world.issue, PLAIN, 1)] * TOGETHER)
        assert Counter(map(str, answers))["household_cap"] == TOGETHER - 1
        world.sync(per_household_day=1)
        answers = at_once(*[partial(world.issue, CAKE, 2)] * TOGETHER)
        assert new_ones(answers) == 1

    def test_of_a_category_is_open(self, world: World) -> None:
        answers = at_once(*(partial(world.issue, (BREAD, CAKE)[number % 2], 1) for number in range(TOGETHER)))
        assert Counter(map(str, answers))["category_taken"] == TOGETHER - 1
        assert world.wrong() == []

    def test_is_no_reason_to_refuse_another(self, world: World) -> None:
        """As many as a household may have, all at once: none is lost in the crowd."""
        world.sync(replace(DEFINITIONS.campaigns[0], per_household=TOGETHER), per_household_day=TOGETHER)
        answers = at_once(*[partial(world.issue, PLAIN, 1)] * TOGETHER)
        assert [type(answer) for answer in answers] == [Issued] * TOGETHER
        assert world.wrong() == []

    def test_given_back_is_not_opened_beside_another_of_its_category(self, world: World) -> None:
        for household in (1, 2, 3, 4):
            key = f"key-of-{household:04}"
            world.redeem(world.issue(BREAD, household), key=key)
            undone, _ = at_once(partial(world.reverse, key), partial(world.issue, CAKE, household))
            assert undone.state in ("issued", "void")
        assert world.wrong() == []


class TestConsent:
    """Consent that goes while coupons are issued."""

    @pytest.mark.parametrize("how", ["withdrawn", "erased"])
    def test_leaves_nothing_open(self, world: World, how: str) -> None:
        leave = {"withdrawn": lambda: world.sync(consents={1: False}), "erased": lambda: world.ledger.erase(1)}[how]
        for _ in range(3):
            world.sync(consents={1: True})
            answers = at_once(leave, *[partial(world.issue, PLAIN, 1)] * 7)
            assert {answer for answer in answers if isinstance(answer, str)} <= {"no_consent"}
            assert world.rows("select count(*) from issue where state = 'issued'") == [(0,)]
        assert world.wrong() == []


class TestBulk:
    """Two processes that issue the same cycle."""

    def test_issue_it_once(self, world: World) -> None:
        world.sync(replace(DEFINITIONS.campaigns[0], per_household=1), consents={100 + n: True for n in range(40)})
        asked = [Assignment(f"decision-{number:04}", 100 + number, BREAD.coupon_id, "mail") for number in range(40)]
        outcomes = at_once(*[partial(world.ledger.issue_all, "cycle", asked, chunk=10)] * 3)
        assert [outcome.reason for one in outcomes for outcome in one] == [None] * 120
        assert sum(not outcome.replay for one in outcomes for outcome in one) == 40
        assert world.rows("select count(*) from issue") == [(40,)]
        assert world.wrong() == []
