"""Importing: coupons that were live before the ledger are good in it, under the numbers that they have."""

from __future__ import annotations

from tests.ledger.worlds import (
    BREAD,
    CAKE,
    DAY,
    DEFINITIONS,
    NOW,
    OVER,
    PLAIN,
    SILENT,
    SPRING,
    World,
    basket,
    fresh_key,
    refused,
)

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Imported


def test_live_issues_from_before_are_taken_over_once_and_not_told_of(world: World) -> None:
    rows = [
        Imported(500, PLAIN.coupon_id, 1, NOW - DAY, "mail", "decision-1", "policy", "policy-1", 0.5),
        Imported(501, BREAD.coupon_id, 2, NOW - DAY, "mail"),
        Imported(502, OVER.coupon_id, 2, NOW - DAY, "mail"),
        Imported(503, PLAIN.coupon_id, SILENT, NOW - DAY, "mail"),
    ]
    assert world.ledger.import_live(rows, above=900) == 2
    assert world.ledger.import_live(rows, above=900) == 0
    assert world.topics() == []
    assert world.reserved("campaign", SPRING) == PLAIN.value_cents + BREAD.value_cents
    assert world.issue().issue_id > 900
    with refused(Reason.CATEGORY_TAKEN):
        world.issue(CAKE, household=2)
    [code] = world.ledger.codes([500])
    assert world.ledger.redeem("store-7", fresh_key(), code, basket(), 50).issue_id == 500
    world.ledger.claim()
    exported = world.ledger.exported_issues(0, NOW + DAY, DEFINITIONS.consents)
    assert [one.issue_id for one in exported if one.issue_id <= 900] == []
    assert [one.issue_id for one in world.ledger.exported_redemptions(0, NOW + DAY, [1])] == [500]
    assert world.wrong() == []
