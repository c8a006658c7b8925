"""Voiding and expiring: how issues end without being used, and what is free again then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ledger.worlds import (
    BRIEF,
    DAIRY_WEEK,
    FUNDED,
    FUNDED_CENTS,
    OFFICE,
    PLAIN,
    SCARCE,
    SPRING,
    SUPPLIER,
    World,
    basket,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.operations import ending
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Issued, Voided


def void(world: World, issued: Issued, key: str | None = None) -> Voided:
    return world.ledger.void(OFFICE, key or fresh_key(), issue_id=issued.issue_id)


def test_an_issue_is_voided_by_its_code_or_its_id(world: World) -> None:
    first, second = world.issue(), world.issue()
    assert world.ledger.void(OFFICE, fresh_key(), code=first.code) == Voided(first.issue_id, replay=False)
    assert world.ledger.void(OFFICE, fresh_key(), issue_id=second.issue_id) == Voided(second.issue_id, replay=False)
    for issued in (first, second):
        assert world.state(issued) == "void"
        with refused(Reason.VOID):
            world.redeem(issued)
    assert world.topics() == ["issued", "issued", "void", "void"]


def test_voiding_once_more_changes_nothing(world: World) -> None:
    issued = world.issue()
    first = void(world, issued, key="key-of-void")
    assert void(world, issued, key="key-of-void") == replace(first, replay=True)
    assert void(world, issued) == replace(first, replay=True)
    assert world.topics() == ["issued", "void"]
    assert world.reserved("campaign", SPRING) == 0


def test_a_key_belongs_to_one_request(world: World) -> None:
    issued = world.issue()
    void(world, issued, key="key-of-void")
    with refused(Reason.KEY_REUSED):
        void(world, world.issue(), key="key-of-void")
    with refused(Reason.KEY_REUSED):
        world.ledger.void(OFFICE, "key-of-void", code=issued.code)


def test_a_used_coupon_is_reversed_and_not_voided(world: World) -> None:
    issued = world.issue()
    world.redeem(issued)
    with refused(Reason.ALREADY_REDEEMED):
        void(world, issued)


def test_what_is_not_there_is_unknown(world: World) -> None:
    for number in (0, -1, 4711, 2**70):
        with refused(Reason.UNKNOWN_ISSUE):
            world.ledger.void(OFFICE, fresh_key(), issue_id=number)
    with refused(Reason.UNKNOWN_CODE):
        world.ledger.void(OFFICE, fresh_key(), code="0000-0000-0000-00000")
    with refused(Reason.UNKNOWN_ISSUE):
        world.ledger.codes([4711])


def test_a_voided_issue_gives_back_its_face_value_and_not_its_place(world: World) -> None:
    world.sync(consents={}, supplier_liability_cents={SUPPLIER: FUNDED_CENTS})
    issued = world.issue(FUNDED)
    assert world.reserved("supplier", SUPPLIER) == FUNDED_CENTS
    void(world, issued)
    assert [world.reserved(*place) for place in (("campaign", DAIRY_WEEK), ("supplier", SUPPLIER), ("total", 0))] == [
        0,
        0,
        0,
    ]
    assert world.issue(FUNDED).issue_id != issued.issue_id
    for _ in range(2):
        void(world, world.issue(SCARCE))
    with refused(Reason.COUPON_CAP):
        world.issue(SCARCE)


@pytest.mark.parametrize(("at", "due"), [(-1, 0), (0, 1), (1, 1)])
def test_an_issue_is_due_at_its_last_millisecond(world: World, at: int, due: int) -> None:
    issued, other = world.issue(BRIEF), world.issue(PLAIN)
    world.clock.now = BRIEF.expires_at + at
    assert world.ledger.expire() == due
    assert world.ledger.expire() == 0
    assert world.state(issued) == ("expired" if due else "issued")
    assert world.state(other) == "issued"
    assert world.reserved("campaign", SPRING) == PLAIN.value_cents + (0 if due else BRIEF.value_cents)


def test_all_that_is_due_ends_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "TOGETHER", 2)
    crisps = replace(BRIEF, category=None)
    world.sync(coupons=(crisps,))
    for household in (1, 2, 3, 4, 1):
        world.issue(crisps, household=household)
    world.clock.now = BRIEF.expires_at
    assert world.ledger.expire() == 5
    assert world.reserved("campaign", SPRING) == 0
    assert world.topics() == ["issued"] * 5 + ["expired"] * 5


def test_a_used_or_cancelled_coupon_does_not_expire(world: World) -> None:
    used, cancelled = world.issue(BRIEF), world.issue(BRIEF, household=2)
    world.redeem(used, basket())
    void(world, cancelled)
    world.clock.now = BRIEF.expires_at
    assert world.ledger.expire() == 0
    with refused(Reason.ALREADY_REDEEMED):
        world.redeem(used)
    with refused(Reason.VOID):
        world.redeem(cancelled)


def test_what_has_expired_cannot_be_voided(world: World) -> None:
    issued = world.issue(BRIEF)
    world.clock.now = BRIEF.expires_at
    world.ledger.expire()
    with refused(Reason.EXPIRED):
        void(world, issued)
