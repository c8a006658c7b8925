"""Limits: face value is escrowed at issue in three scopes and given back at the end; caps count all there ever was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.ledger.worlds import (
    BRIEF,
    DAIRY_WEEK,
    DAY,
    DEFINITIONS,
    FUNDED,
    FUNDED_CENTS,
    HOUR,
    OFFICE,
    PLAIN,
    SCARCE,
    SPRING,
    STACKED,
    SUPPLIER,
    World,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import CampaignTerms, Synced
from coupon_pipeline.ledger.schema import UNLIMITED
from coupon_pipeline.ledger.statement import Statement


def spring(**changes: Any) -> CampaignTerms:
    return replace(DEFINITIONS.campaigns[0], **changes)


def granted(world: World, scope: str, scope_id: int) -> int:
    wanted = "select coalesce(sum(granted), 0) from escrow where scope = :wanted and scope_id = :wanted_id"
    return int(world.rows(wanted, wanted=scope, wanted_id=scope_id)[0][0])


LIMITED: dict[str, dict[str, Any]] = {
    "campaign": {"campaigns": (replace(DEFINITIONS.campaigns[1], liability_cents=202),)},
    "supplier": {"supplier_liability_cents": {SUPPLIER: 2 * FUNDED_CENTS}},
    "total": {"total_liability_cents": 202},
}


@pytest.mark.parametrize("scope", LIMITED)
def test_a_limit_is_filled_to_the_cent_and_never_passed(world: World, scope: str) -> None:
    limit = LIMITED[scope]
    world.sync(*limit.get("campaigns", ()), **{name: value for name, value in limit.items() if name != "campaigns"})
    first = world.issue(FUNDED)
    world.issue(FUNDED, household=2)
    with refused(Reason.LIABILITY_EXHAUSTED):
        world.issue(FUNDED, household=3)
    world.redeem(first, discount=1)
    with refused(Reason.LIABILITY_EXHAUSTED):
        world.issue(FUNDED, household=3)
    world.clock.now = FUNDED.expires_at - 1
    world.sync(coupons=(replace(FUNDED, expires_at=FUNDED.expires_at + DAY),), **_without_campaigns(limit))
    world.clock.tick(1)
    assert world.ledger.expire() == 1
    world.issue(FUNDED, household=3)
    with refused(Reason.LIABILITY_EXHAUSTED):
        world.issue(FUNDED, household=4)


def _without_campaigns(limit: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in limit.items() if name != "campaigns"}


@pytest.mark.parametrize(("value", "share", "cents"), [(101, 3_333, 34), (100, 5_000, 50), (1, 1, 1), (100, 0, 0)])
def test_the_suppliers_share_is_rounded_up(world: World, value: int, share: int, cents: int) -> None:
    world.sync(coupons=(replace(FUNDED, value_cents=value, supplier_share_bp=share),))
    issued = world.issue(FUNDED)
    assert world.reserved("supplier", SUPPLIER) == cents
    assert world.reserved("campaign", DAIRY_WEEK) == value == world.reserved("total", 0)
    world.ledger.void(OFFICE, fresh_key(), issue_id=issued.issue_id)
    assert world.reserved("supplier", SUPPLIER) == 0


def test_an_issue_that_fails_at_the_last_limit_reserves_nothing(world: World) -> None:
    world.sync(total_liability_cents=100)
    with refused(Reason.LIABILITY_EXHAUSTED):
        world.issue(FUNDED)
    assert [world.reserved(*at) for at in (("campaign", DAIRY_WEEK), ("supplier", SUPPLIER), ("total", 0))] == [0, 0, 0]


def test_what_is_left_in_several_shards_is_pooled(world: World) -> None:
    shards = [(0, 60), (1, 60), (2, 80)]
    world.sync(spring(liability_cents=200))

    def split(tx: Any) -> None:
        tx.run(Statement("delete from escrow where scope = 'campaign' and scope_id = 1"))
        values = "insert into escrow (scope, scope_id, shard, granted, reserved) values ('campaign', 1, :n, :cents, 0)"
        tx.many(Statement(values), [{"n": shard, "cents": cents} for shard, cents in shards])

    world.database.write(split)
    first, second = world.issue(PLAIN), world.issue(PLAIN)
    with refused(Reason.LIABILITY_EXHAUSTED):
        world.issue(PLAIN)
    assert granted(world, "campaign", SPRING) == world.reserved("campaign", SPRING) == 200
    world.ledger.void(OFFICE, fresh_key(), issue_id=first.issue_id)
    world.issue(PLAIN)
    world.redeem(second)
    assert world.reserved("campaign", SPRING) == 200


def test_without_a_limit_nothing_is_refused_and_all_is_counted(world: World) -> None:
    world.issue(PLAIN)
    assert world.reserved("total", 0) == PLAIN.value_cents
    assert granted(world, "total", 0) == UNLIMITED


def test_the_same_definitions_twice_change_nothing(world: World) -> None:
    tables = "escrow", "coupon", "coupon_product", "campaign", "consent", "consent_change", "setting"
    before = [sorted(world.rows(f"select * from {table}"), key=str) for table in tables]
    assert world.ledger.sync(DEFINITIONS) == Synced(0, 0, 0, 0)
    assert [sorted(world.rows(f"select * from {table}"), key=str) for table in tables] == before


def test_a_limit_is_never_lowered_below_what_is_reserved_and_says_so(world: World) -> None:
    world.issue(PLAIN)
    world.issue(STACKED)
    told = world.sync(spring(liability_cents=100, max_issues=1), total_liability_cents=219)
    assert told.raised == ("total 0", "campaign 1", "campaign_issues 1")
    assert [granted(world, *at) for at in (("total", 0), ("campaign", SPRING), ("campaign_issues", SPRING))] == [
        220,
        220,
        2,
    ]
    told = world.sync(spring(liability_cents=220, max_issues=2), total_liability_cents=220)
    assert told.raised == ()
    with refused(Reason.LIABILITY_EXHAUSTED):
        world.issue(PLAIN)
    world.sync(spring())
    world.issue(PLAIN)


def test_a_cap_counts_what_was_issued_before_it(world: World) -> None:
    for household in (1, 2):
        world.issue(PLAIN, household=household)
    world.sync(spring(max_issues=3), coupons=(replace(PLAIN, max_issues=2),))
    with refused(Reason.COUPON_CAP):
        world.issue(PLAIN, household=3)
    world.issue(STACKED, household=3)
    with refused(Reason.CAMPAIGN_CAP):
        world.issue(STACKED, household=4)


def test_caps_are_never_given_back(world: World) -> None:
    world.sync(spring(per_household=1, max_issues=2))
    issued = world.issue(BRIEF, household=1)
    world.ledger.void(OFFICE, fresh_key(), issue_id=issued.issue_id)
    with refused(Reason.HOUSEHOLD_CAP):
        world.issue(PLAIN, household=1)
    world.issue(BRIEF, household=2)
    world.clock.now = BRIEF.expires_at
    world.ledger.expire()
    with refused(Reason.CAMPAIGN_CAP):
        world.issue(PLAIN, household=3)


def test_the_cap_of_a_day_counts_all_campaigns(world: World) -> None:
    world.sync(per_household_day=2)
    world.issue(PLAIN)
    world.issue(SCARCE)
    with refused(Reason.DAY_CAP):
        world.issue(FUNDED)
    world.issue(FUNDED, household=2)


def test_the_cap_of_a_day_counts_what_was_issued_before_it(world: World) -> None:
    world.issue(PLAIN)
    world.issue(PLAIN)
    world.sync(per_household_day=2)
    with refused(Reason.DAY_CAP):
        world.issue(PLAIN)
    world.sync(per_household_day=3)
    world.issue(PLAIN)


@pytest.mark.parametrize(
    ("timezone", "midnight"),
    [
        ("UTC", datetime(2025, 3, 11, tzinfo=UTC)),
        ("America/New_York", datetime(2025, 3, 11, 4, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2025, 3, 10, 18, 30, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_of_the_store(world: World, timezone: str, midnight: datetime) -> None:
    world.sync(per_household_day=1, timezone=timezone)
    world.issue(PLAIN)
    world.clock.now = int(midnight.timestamp() * 1_000) - 1
    with refused(Reason.DAY_CAP):
        world.issue(PLAIN)
    world.clock.tick(1)
    world.issue(PLAIN)


def test_the_payout_budget_closes_what_is_new_once_it_is_counted(world: World) -> None:
    world.sync(spring(budget_cents=100))
    first, second = world.issue(), world.issue()
    world.redeem(first, discount=99)
    world.ledger.roll_up()
    world.issue()
    world.redeem(second, discount=1, key="key-of-second")
    world.issue()
    world.ledger.claim()
    with refused(Reason.BUDGET_EXHAUSTED):
        world.issue()
    world.issue(SCARCE)
    world.reverse("key-of-second")
    world.ledger.roll_up()
    world.clock.tick(HOUR)
    world.issue()
