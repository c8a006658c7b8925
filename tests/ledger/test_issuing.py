"""Issuing: who may get a coupon and when, one reason for each no, and one issue per key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.ledger.worlds import (
    APP,
    BREAD,
    BRIEF,
    CAKE,
    DAIRY_WEEK,
    DAY,
    DEFINITIONS,
    HOUR,
    NOW,
    OVER,
    PLAIN,
    SCARCE,
    SILENT,
    SOON,
    SPRING,
    STACKED,
    World,
    basket,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import CampaignTerms

ROWS = "select * from issue", "select * from outbox", "select * from escrow", "select * from campaign"


def everything(world: World) -> list[Any]:
    return [sorted(world.rows(text), key=str) for text in ROWS]


def test_an_issue_tells_its_code_and_its_window(world: World) -> None:
    issued = world.issue(PLAIN)
    assert (issued.valid_from, issued.expires_at, issued.replay) == (PLAIN.valid_from, PLAIN.expires_at, False)
    assert world.ledger.codes([issued.issue_id]) == [issued.code]
    assert world.redeem(issued).issue_id == issued.issue_id
    assert world.topics() == ["issued", "redeemed"]


def test_it_keeps_what_was_decided(world: World) -> None:
    labels = {"decision_id": "decision-1", "arm": "explore", "policy": "policy-3", "propensity": 0.25}
    issued = world.ledger.issue(APP, fresh_key(), 1, PLAIN.coupon_id, "mail", **labels)
    kept = "select decision_id, arm, policy, propensity, channel, issued_at from issue where issue_id = :wanted"
    assert world.rows(kept, wanted=issued.issue_id) == [(*labels.values(), "mail", NOW)]


def test_the_same_key_gets_the_same_answer_for_ever(world: World) -> None:
    first = world.issue(key="key-of-one")
    before = everything(world)
    world.clock.tick(2 * DAY)
    assert world.issue(key="key-of-one") == replace(first, replay=True)
    world.redeem(first)
    world.clock.tick(9 * DAY)
    world.sync(replace(DEFINITIONS.campaigns[0], is_open=False), consents={1: False})
    assert world.issue(key="key-of-one") == replace(first, replay=True)
    assert everything(world)[0][0][:3] == before[0][0][:3]


@pytest.mark.parametrize("other", [(2, PLAIN, "app"), (1, STACKED, "app"), (1, PLAIN, "mail")])
def test_a_key_belongs_to_one_request(world: World, other: tuple[int, Any, str]) -> None:
    world.issue(key="key-of-one")
    household, coupon, channel = other
    with refused(Reason.KEY_REUSED):
        world.ledger.issue(APP, "key-of-one", household, coupon.coupon_id, channel)


def test_a_key_belongs_to_one_client(world: World) -> None:
    assert world.issue(key="key-of-one").issue_id != world.issue(key="key-of-one", client="web").issue_id


@pytest.mark.parametrize("key", ["", "short", "x" * 129, "key\nkey\nkey", "schlüssel-1"])
def test_a_key_has_8_to_128_printable_characters(world: World, key: str) -> None:
    with refused(Reason.INVALID_KEY):
        world.ledger.issue(APP, key, 1, PLAIN.coupon_id, "app")


@pytest.mark.parametrize("client", ["", "two words", "x" * 65])
def test_a_client_has_a_short_name(world: World, client: str) -> None:
    with refused(Reason.INVALID_KEY):
        world.issue(client=client)


def spring(**changes: Any) -> CampaignTerms:
    return replace(DEFINITIONS.campaigns[0], **changes)


SECOND_ISSUE = {
    Reason.HOUSEHOLD_CAP: {"per_household": 1},
    Reason.CAMPAIGN_CAP: {"max_issues": 1},
    Reason.LIABILITY_EXHAUSTED: {"liability_cents": 199},
    Reason.CAMPAIGN_CLOSED: {"is_open": False},
    Reason.BUDGET_EXHAUSTED: {"budget_cents": 0},
}


@pytest.mark.parametrize("reason", SECOND_ISSUE)
def test_the_campaign_says_no_by_name(world: World, reason: Reason) -> None:
    world.issue(PLAIN)
    world.sync(spring(**SECOND_ISSUE[reason]))
    with refused(reason):
        world.issue(PLAIN)
    other_campaign = world.issue(SCARCE)
    assert other_campaign.issue_id


def test_the_coupon_says_no_by_name(world: World) -> None:
    with refused(Reason.UNKNOWN_COUPON):
        world.ledger.issue(APP, fresh_key(), 1, 4711, "app")
    with refused(Reason.EXPIRED):
        world.issue(OVER)
    world.issue(SCARCE, household=1)
    world.issue(SCARCE, household=2)
    with refused(Reason.COUPON_CAP):
        world.issue(SCARCE, household=3)


def test_the_household_says_no_by_name(world: World) -> None:
    for household in (SILENT, 4711):
        with refused(Reason.NO_CONSENT):
            world.issue(household=household)
    world.sync(per_household_day=2)
    world.issue(BREAD)
    with refused(Reason.CATEGORY_TAKEN):
        world.issue(CAKE)
    world.issue(PLAIN)
    with refused(Reason.DAY_CAP):
        world.issue(PLAIN)


def test_of_several_reasons_the_first_one_is_said(world: World) -> None:
    """Each cure uncovers the next reason."""
    bread = replace(BREAD, max_issues=1)
    tight: dict[str, Any] = {
        "is_open": False,
        "budget_cents": 0,
        "per_household": 1,
        "liability_cents": 150,
        "max_issues": 1,
    }
    told: dict[str, Any] = {"per_household_day": 1, "consents": {1: True}}
    taken = world.issue(BREAD, household=1)
    world.sync(spring(**tight), **told, coupons=(replace(bread, expires_at=NOW),))
    with refused(Reason.UNKNOWN_COUPON):
        world.ledger.issue(APP, fresh_key(), SILENT, 4711, "app")
    with refused(Reason.NO_CONSENT):
        world.issue(BREAD, household=SILENT)
    cures: list[tuple[Reason, Any]] = [
        (Reason.CAMPAIGN_CLOSED, {"is_open": True}),
        (Reason.EXPIRED, bread),
        (Reason.BUDGET_EXHAUSTED, {"budget_cents": None}),
        (Reason.CATEGORY_TAKEN, replace(bread, category=None)),
        (Reason.HOUSEHOLD_CAP, {"per_household": 2}),
        (Reason.DAY_CAP, "per_household_day"),
        (Reason.LIABILITY_EXHAUSTED, {"liability_cents": None}),
        (Reason.CAMPAIGN_CAP, {"max_issues": None}),
        (Reason.COUPON_CAP, replace(bread, category=None, max_issues=None)),
    ]
    for reason, cure in cures:
        with refused(reason):
            world.issue(BREAD, household=1)
        if isinstance(cure, dict):
            tight |= cure
        elif isinstance(cure, str):
            told[cure] = None
        coupons = (cure,) if not isinstance(cure, dict | str) else ()
        world.sync(spring(**tight), **told, coupons=coupons)
    assert world.issue(BREAD, household=1).issue_id != taken.issue_id


def test_a_refusal_changes_nothing_and_is_not_kept(world: World) -> None:
    world.sync(spring(is_open=False))
    before = everything(world)
    with refused(Reason.CAMPAIGN_CLOSED):
        world.issue(key="key-of-one")
    assert everything(world) == before
    world.sync(spring())
    assert not world.issue(key="key-of-one").replay


def test_a_coupon_is_issued_before_its_first_day_and_until_its_last_millisecond(world: World) -> None:
    soon = world.issue(SOON)
    with refused(Reason.NOT_YET_VALID):
        world.redeem(soon)
    world.clock.now = BRIEF.expires_at - 1
    world.issue(BRIEF)
    world.clock.now = BRIEF.expires_at
    with refused(Reason.EXPIRED):
        world.issue(BRIEF)


def test_a_coupon_that_is_over_makes_room_in_its_category(world: World) -> None:
    crisps = replace(BRIEF, coupon_id=50, expires_at=NOW + DAY)
    world.sync(coupons=(crisps,))
    over = world.issue(BRIEF)
    with refused(Reason.CATEGORY_TAKEN):
        world.issue(crisps)
    world.clock.tick(HOUR)
    world.issue(crisps)
    assert world.state(over) == "expired"
    assert world.topics() == ["issued", "expired", "issued"]
    assert world.reserved("campaign", SPRING) == crisps.value_cents


def test_terms_of_an_issue_stay_as_they_were(world: World) -> None:
    issued = world.issue(PLAIN)
    world.sync(coupons=(replace(PLAIN, value_cents=40, expires_at=NOW + HOUR),))
    world.clock.tick(2 * HOUR)
    assert world.redeem(issued, basket(), discount=100).discount_cents == 100


def test_numbers_and_texts_that_no_database_can_hold_are_refused_by_name(world: World) -> None:
    with refused(Reason.UNKNOWN_COUPON):
        world.ledger.issue(APP, fresh_key(), 1, 2**70, "app")
    with refused(Reason.NO_CONSENT):
        world.issue(household=2**70)
    assert world.reserved("campaign", DAIRY_WEEK) == 0
