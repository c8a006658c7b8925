"""The outbox: every change of state is told once, in batches that never change, and the pipeline reads from these."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ledger.worlds import (
    BREAD,
    BRIEF,
    DAY,
    DEFINITIONS,
    FUNDED,
    HOUR,
    NOW,
    OFFICE,
    PLAIN,
    TILL,
    World,
    basket,
    fresh_key,
)

from coupon_pipeline.ledger.reasons import Reason, UnavailableError
from coupon_pipeline.ledger.records import Assignment, ExportedIssue, ExportedRedemption

EVER = 2**53


def issues(world: World, opens_at: int = 0, closes_at: int = EVER) -> list[ExportedIssue]:
    return world.ledger.exported_issues(opens_at, closes_at, DEFINITIONS.consents)


def redemptions(world: World, opens_at: int = 0, closes_at: int = EVER) -> list[ExportedRedemption]:
    return world.ledger.exported_redemptions(opens_at, closes_at, DEFINITIONS.consents)


def claim_at(world: World, at: int) -> None:
    world.clock.now = at
    assert world.ledger.claim() is not None


def test_each_change_of_state_is_one_event_with_its_money(world: World) -> None:
    used, cancelled, late = world.issue(PLAIN), world.issue(FUNDED), world.issue(BRIEF)
    world.redeem(used, discount=70, key="key-of-first")
    world.reverse("key-of-first")
    world.ledger.void(OFFICE, fresh_key(), issue_id=cancelled.issue_id)
    world.clock.now = BRIEF.expires_at
    world.ledger.expire()
    told = world.rows("select topic, issue_id, cents from outbox order by event_id")
    assert told == [
        ("issued", used.issue_id, 100),
        ("issued", cancelled.issue_id, 101),
        ("issued", late.issue_id, 100),
        ("redeemed", used.issue_id, 70),
        ("reversed", used.issue_id, 70),
        ("void", cancelled.issue_id, 101),
        ("expired", late.issue_id, 100),
    ]


def test_a_batch_takes_what_no_batch_has(world: World) -> None:
    assert world.ledger.claim() is None
    world.issue()
    world.issue()
    first = world.ledger.claim()
    assert first is not None
    assert (first.number, first.known_at, first.events) == (1, NOW, 2)
    assert world.ledger.claim() is None
    world.issue()
    second = world.ledger.claim()
    assert second is not None
    assert (second.number, second.known_at, second.events) == (2, NOW + 1, 1)
    assert first.digest != second.digest
    assert world.ledger.batches(0, EVER) == [first, second]
    assert world.ledger.batches(NOW, NOW + 1) == [first]
    assert world.ledger.batches(NOW + 1, NOW + 1) == []


def test_a_batch_is_known_after_all_that_it_tells(world: World) -> None:
    world.issue()
    world.clock.tick(HOUR)
    world.issue()
    world.clock.tick(-HOUR)
    batch = world.ledger.claim()
    assert batch is not None
    assert batch.known_at == NOW + HOUR


def test_an_issue_is_exported_once_as_it_was_decided(world: World) -> None:
    decided = Assignment("decision-1", 2, BREAD.coupon_id, "mail", "explore", "policy-3", 0.5)
    [outcome] = world.ledger.issue_all("cycle", [decided])
    single = world.issue(PLAIN)
    claim_at(world, NOW + HOUR)
    assert issues(world) == [
        ExportedIssue(outcome.issue_id or 0, 2, 2, "decision-1", 0.5, "policy-3", "explore", "mail", NOW, NOW + HOUR),
        ExportedIssue(single.issue_id, 1, 1, None, None, None, None, "app", NOW, NOW + HOUR),
    ]
    assert issues(world, NOW + HOUR + 1) == issues(world, 0, NOW + HOUR) == []
    world.issue()
    claim_at(world, NOW + DAY)
    assert len(issues(world, NOW + HOUR + 1)) == 1
    assert issues(world, 0, NOW + DAY) == issues(world)[:2]


def test_households_that_the_pipeline_does_not_know_are_not_told(world: World) -> None:
    world.issue()
    world.ledger.claim()
    assert [one.household_id for one in world.ledger.exported_issues(0, EVER, [2, 3])] == [None]


def test_a_redemption_is_exported_once(world: World) -> None:
    issued, within = world.issue(household=2), basket(number="b1")
    redeemed = world.redeem(issued, within, discount=70)
    claim_at(world, NOW + HOUR)
    world.redeem(world.issue())
    assert redemptions(world) == [
        ExportedRedemption(
            redeemed.redemption_id, issued.issue_id, 1, 2, TILL, "b1", 70, NOW, is_deleted=False, known_at=NOW + HOUR
        )
    ]


def test_one_that_was_reversed_before_it_was_known_never_was(world: World) -> None:
    world.redeem(world.issue(), key="key-of-first")
    world.reverse("key-of-first")
    world.reverse("key-of-late-one")
    claim_at(world, NOW + HOUR)
    assert redemptions(world) == []


def test_one_that_was_reversed_later_comes_again_as_deleted(world: World) -> None:
    issued = world.issue()
    world.redeem(issued, key="key-of-first")
    claim_at(world, NOW + HOUR)
    [first] = redemptions(world)
    world.reverse("key-of-first")
    world.redeem(issued, key="key-of-second")
    claim_at(world, NOW + 2 * HOUR)
    deleted, second = redemptions(world, NOW + HOUR + 1)
    assert deleted == replace(first, is_deleted=True, known_at=NOW + 2 * HOUR)
    assert (second.issue_id, second.is_deleted) == (issued.issue_id, False)
    assert second.redemption_id != first.redemption_id
    assert redemptions(world, 0, NOW + HOUR + 1) == [first]


def test_reading_again_gives_the_same(world: World) -> None:
    for number in range(3):
        world.redeem(world.issue(), key=f"key-of-{number:04}")
        claim_at(world, NOW + (number + 1) * HOUR)
    before = issues(world, 0, NOW + 2 * HOUR), redemptions(world, 0, NOW + 2 * HOUR)
    world.issue()
    world.reverse("key-of-0000")
    claim_at(world, NOW + DAY)
    assert (issues(world, 0, NOW + 2 * HOUR), redemptions(world, 0, NOW + 2 * HOUR)) == before


def test_only_what_has_arrived_is_trimmed_and_the_books_close_without_it(world: World) -> None:
    used = world.issue(PLAIN)
    world.redeem(used, key="key-of-first")
    claim_at(world, NOW + HOUR)
    world.reverse("key-of-first")
    claim_at(world, NOW + 2 * HOUR)
    assert world.ledger.trim(EVER) == 0
    world.ledger.done([1, 2])
    assert world.ledger.trim(NOW + HOUR) == 0
    assert world.ledger.trim(NOW + 2 * HOUR) == 2
    assert world.wrong() == []
    assert [batch.is_trimmed for batch in world.ledger.batches(0, EVER)] == [True, False]
    [deleted] = redemptions(world, NOW + HOUR + 1)
    assert deleted.is_deleted
    assert world.ledger.trim(EVER) == 1
    world.issue()
    assert world.wrong() == []


def test_what_was_trimmed_is_not_exported_as_nothing(world: World) -> None:
    world.issue()
    claim_at(world, NOW + HOUR)
    world.ledger.done([1])
    world.ledger.trim(EVER)
    for read in (issues, redemptions):
        with pytest.raises(UnavailableError) as caught:
            read(world)
        assert caught.value.reason is Reason.UNAVAILABLE
        assert read(world, NOW + HOUR + 1) == []


def test_what_was_paid_is_counted_with_each_batch(world: World) -> None:
    world.redeem(world.issue(), discount=70)
    paid = "select paid_cents from campaign order by campaign_id"
    assert world.rows(paid) == [(0,), (0,)]
    world.ledger.claim()
    assert world.rows(paid) == [(70,), (0,)]


def test_settings_are_kept(world: World) -> None:
    assert world.ledger.setting("origin") is None
    world.ledger.set_setting("origin", "2025-03-03")
    world.ledger.set_setting("origin", "2025-03-10")
    assert world.ledger.setting("origin") == "2025-03-10"
