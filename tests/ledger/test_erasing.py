"""Consent and erasure: nothing is issued without consent; an erased household is gone, and the books still close."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.ledger.worlds import (
    BREAD,
    CAKE,
    DEFINITIONS,
    FUNDED,
    KEYS,
    NOW,
    PLAIN,
    SILENT,
    World,
    basket,
    refused,
)

from coupon_pipeline.ledger.operations import syncing
from coupon_pipeline.ledger.operations.context import Context
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.schema import METADATA


def test_consent_may_be_given_and_withdrawn(world: World) -> None:
    assert world.ledger.may_be_sent(1)
    assert not world.ledger.may_be_sent(SILENT)
    assert not world.ledger.may_be_sent(4711)
    assert world.sync(consents={SILENT: True, 1: False, 2: True}).consents == 2
    assert world.ledger.may_be_sent(SILENT)
    assert not world.ledger.may_be_sent(1)
    world.issue(household=SILENT)
    with refused(Reason.NO_CONSENT):
        world.issue(household=1)
    changes = "select marketing from consent_change order by change_id"
    assert world.rows(changes)[-2:] == [(0,), (1,)]


def test_withdrawn_consent_ends_what_is_open_and_nothing_else(world: World) -> None:
    used, opened, others = world.issue(PLAIN), world.issue(FUNDED), world.issue(PLAIN, household=2)
    world.redeem(used)
    assert world.sync(consents={1: False}).voided == 1
    assert [world.state(one) for one in (used, opened, others)] == ["redeemed", "void", "issued"]
    assert world.reserved("total", 0) == 2 * PLAIN.value_cents
    with refused(Reason.VOID):
        world.redeem(opened)
    assert world.sync(consents={1: True}).voided == 0
    assert world.state(opened) == "void"
    assert world.wrong() == []


def test_consent_is_withdrawn_before_the_issues_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issue that comes between the two finds no consent; the other way round it would stay open."""
    world.issue(PLAIN)
    void = syncing.void_unwanted
    between = []

    def late(tx: Any, now: int) -> int:
        found = tx.all(syncing.OWNERS)
        between.extend(marketing for name, _, marketing in found if bytes(name) == Context(KEYS).household(1))
        return void(tx, now)

    monkeypatch.setattr(syncing, "void_unwanted", late)
    assert world.sync(consents={1: False}).voided == 1
    assert set(between) == {0}


def test_an_erased_household_is_forgotten_and_the_books_close(world: World) -> None:
    used, opened = world.issue(BREAD), world.issue(FUNDED)
    world.issue(PLAIN, household=2)
    world.redeem(used)
    assert world.ledger.erase(1) == 1
    assert [world.state(one) for one in (used, opened)] == ["redeemed", "void"]
    assert world.reserved("total", 0) == BREAD.value_cents + PLAIN.value_cents
    assert world.ledger.erase(1) == 0
    assert not world.ledger.may_be_sent(1)
    assert world.wrong() == []


def test_it_never_gets_a_coupon_again(world: World) -> None:
    world.ledger.erase(1)
    world.ledger.erase(4711)
    told = world.sync(consents={1: True, 4711: True})
    assert told.consents == 0
    for household in (1, 4711):
        with refused(Reason.NO_CONSENT):
            world.issue(household=household)


def test_nothing_that_is_kept_leads_to_it(world: World) -> None:
    """Neither its number, nor the digest of it, nor what only its decisions could have made."""
    household, key = 123_456_789, "decision-of-123456789"
    world.sync(consents={household: True})
    issued = world.ledger.issue("app", key, household, PLAIN.coupon_id, "app", decision_id=key)
    context = Context(KEYS)
    traces = [context.household(household), context.idem(key), str(household).encode()]
    assert all(any(trace in row for row in cells(world)) for trace in traces)
    world.ledger.erase(household)
    assert not [row for row in cells(world) for trace in traces if trace in row]
    assert world.rows("select count(*) from suppression") == [(1,)]
    assert world.ledger.codes([issued.issue_id]) == [issued.code]


def cells(world: World) -> list[bytes]:
    """All rows of all tables, as bytes."""
    rows = [row for table in METADATA.tables for row in world.rows(f"select * from {table}")]
    return [b"|".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in row) for row in rows]


def test_its_issues_cannot_be_asked_for_again(world: World) -> None:
    world.issue(key="key-of-one")
    world.ledger.erase(1)
    with refused(Reason.NO_CONSENT):
        world.issue(key="key-of-one")


def test_what_was_redeemed_stays_redeemed_and_replays(world: World) -> None:
    issued, within = world.issue(), basket()
    first = world.redeem(issued, within, key="key-of-first")
    world.ledger.erase(1)
    assert world.redeem(issued, within, key="key-of-first") == replace(first, replay=True)
    with refused(Reason.ALREADY_REDEEMED):
        world.redeem(issued)


def test_the_export_knows_it_no_more(world: World) -> None:
    issued, other = world.issue(CAKE), world.issue(PLAIN, household=2)
    world.redeem(issued, discount=101)
    world.ledger.claim()
    world.ledger.erase(1)
    issues = world.ledger.exported_issues(0, NOW + 1, DEFINITIONS.consents)
    assert {one.issue_id: one.household_id for one in issues} == {issued.issue_id: None, other.issue_id: 2}
    [redeemed] = world.ledger.exported_redemptions(0, NOW + 1, DEFINITIONS.consents)
    assert (redeemed.household_id, redeemed.discount_cents) == (None, 101)
