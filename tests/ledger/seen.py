"""What the database of a ledger holds, read by plain SQL, for the tests to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.ledger.books import EVER
from tests.ledger.worlds import HOUSEHOLDS, SILENT

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.statement import Database, Row, Statement, Transaction

STATES = Statement("select issue_id, state from issue")
LIMITS = Statement(
    "select scope, scope_id, cast(sum(granted) as bigint), cast(sum(reserved) as bigint) from escrow "
    "group by scope, scope_id"
)
EVENTS = Statement("select topic, issue_id from outbox")
PAID = Statement("select campaign_id, paid_cents from campaign")
REDEEMED = Statement("select issue_id from redemption where reversed_at is null")
ISSUES = Statement(
    "select issue_id, code_hash, key_id, coupon_id, campaign_id, category, pid, slot, day, day_slot, value_cents, "
    "supplier_id, supplier_cents, issued_at, valid_from, expires_at, client, arm, policy, propensity, channel "
    "from issue"
)
REDEMPTIONS = Statement(
    "select redemption_id, issue_id, client, idem, fingerprint, discount_cents, store_id, till_id, basket_id, "
    "stacking_group, at from redemption"
)


@dataclass(frozen=True)
class Seen:
    """What changes."""

    states: list[Row]
    limits: list[Row]
    events: list[Row]
    redeemed: list[int]
    paid: list[Row]


def seen(database: Database) -> Seen:
    """The state of all issues, all limits, all events, and which issues have a live redemption, what was paid."""

    def look(tx: Transaction) -> Seen:
        redeemed = [row[0] for row in tx.all(REDEEMED)]
        return Seen(tx.all(STATES), tx.all(LIMITS), tx.all(EVENTS), redeemed, tx.all(PAID))

    return database.read(look)


def facts(database: Database) -> dict[tuple[str, int], Row]:
    """What never changes, by table and id."""

    def look(tx: Transaction) -> dict[tuple[str, int], Row]:
        issues = {("issue", row[0]): row for row in tx.all(ISSUES)}
        return issues | {("redemption", row[0]): row for row in tx.all(REDEMPTIONS)}

    return database.read(look)


def exported(ledger: Ledger, named: Mapping[tuple[str, Any], int], opens_at: int) -> tuple[list[Any], list[Any]]:
    """All rows of the export known from `opens_at` on, with the model's numbers for issues."""
    known = *HOUSEHOLDS, SILENT
    issues = [
        (named["issue_id", one.issue_id], one.coupon_id, one.household_id, one.issued_at, one.known_at)
        for one in ledger.exported_issues(opens_at, EVER, known)
    ]
    redemptions = [
        (
            named["issue_id", one.issue_id],
            one.household_id,
            one.discount_cents,
            one.redeemed_at,
            one.is_deleted,
            one.known_at,
        )
        for one in ledger.exported_redemptions(opens_at, EVER, known)
    ]
    return sorted(issues), sorted(redemptions, key=str)
