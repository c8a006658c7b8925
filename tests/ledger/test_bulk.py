"""Issuing a cycle: the same rules as one by one, chunk by chunk, and a second run finds what the first has done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.ledger.worlds import (
    BREAD,
    BRIEF,
    CAKE,
    DAIRY_WEEK,
    DAY,
    DEFINITIONS,
    FUNDED,
    FUNDED_CENTS,
    KEYS,
    NOW,
    OVER,
    PLAIN,
    SCARCE,
    SILENT,
    SPRING,
    STACKED,
    SUPPLIER,
    World,
    basket,
    fresh_key,
)

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.records import Assignment, CouponTerms, Definitions, Outcome
from coupon_pipeline.ledger.statement import Database, Transaction

CLIENT = "cycle"


class KilledError(Exception):
    """The process ends here."""


class Interrupting(Database):
    """A database of which one write is undone in its last moment."""

    def __init__(self, database: Database, at: int) -> None:
        self.database, self.left = database, at
        self.dialect = database.dialect

    def read(self, work: Callable[[Transaction], Any], snapshot: bool = False) -> Any:
        return self.database.read(work, snapshot)

    def close(self) -> None:
        self.database.close()

    def write(self, work: Callable[[Transaction], Any], *more: Any, **options: Any) -> Any:
        self.left -= 1

        def cut(tx: Transaction) -> Any:
            work(tx)
            raise KilledError

        return self.database.write(cut if self.left == 0 else work, *more, **options)


def assigned(number: int, household: int, coupon: CouponTerms = PLAIN, **labels: Any) -> Assignment:
    return Assignment(f"decision-{number:06}", household, coupon.coupon_id, "mail", **labels)


def crowd(world: World, size: int, coupon: CouponTerms = PLAIN) -> list[Assignment]:
    """A coupon for each of many households, all of which agree."""
    world.sync(consents={1_000 + number: True for number in range(size)})
    return [assigned(number, 1_000 + number, coupon) for number in range(size)]


def reasons(outcomes: Sequence[Outcome]) -> list[str | None]:
    return [outcome.reason for outcome in outcomes]


def books(world: World) -> list[Any]:
    """What must be the same however it came about."""
    issues = "select decision_id, coupon_id, slot, day_slot, state, value_cents, supplier_cents from issue order by 1"
    events = "select topic, count(*), cast(sum(cents) as bigint) from outbox group by topic"
    limits = (
        "select scope, scope_id, cast(sum(granted) as bigint), cast(sum(reserved) as bigint) from escrow group by 1, 2"
    )
    return [world.rows(issues), world.rows(events), sorted(world.rows(limits))]


def test_outcomes_come_in_order_with_the_decisions_labels(world: World) -> None:
    asked = [
        assigned(2, 1, PLAIN, arm="explore", policy="policy-3", propensity=0.125),
        assigned(1, SILENT),
        assigned(0, 2, CAKE, arm="policy"),
    ]
    outcomes = world.ledger.issue_all(CLIENT, asked)
    assert [outcome.decision_id for outcome in outcomes] == [one.decision_id for one in asked]
    assert reasons(outcomes) == [None, "no_consent", None]
    kept = "select issue_id, decision_id, arm, policy, propensity, channel, issued_at from issue order by issue_id"
    first, second = sorted((outcome.issue_id or 0, one) for outcome, one in zip(outcomes, asked, strict=True))[1:]
    assert world.rows(kept) == [
        (number, one.decision_id, one.arm, one.policy, one.propensity, "mail", NOW) for number, one in (first, second)
    ]
    assert world.topics() == ["issued", "issued"]
    [code] = world.ledger.codes([outcomes[0].issue_id or 0])
    assert world.ledger.redeem("store-7", fresh_key(), code, basket(), 50).issue_id == outcomes[0].issue_id
    assert world.wrong() == []


def test_each_row_is_refused_by_name_as_a_single_issue_is(world: World) -> None:
    world.sync(
        replace(DEFINITIONS.campaigns[0], per_household=2),
        supplier_liability_cents={SUPPLIER: FUNDED_CENTS},
        per_household_day=3,
    )
    asked = [
        (assigned(1, 1, BREAD), None),
        (assigned(2, 1, CAKE), "category_taken"),
        (assigned(3, 1, PLAIN), None),
        (assigned(4, 1, PLAIN), "household_cap"),
        (assigned(5, 1, SCARCE), None),
        (assigned(6, 1, SCARCE), "day_cap"),
        (assigned(7, 2, SCARCE), None),
        (assigned(8, 3, SCARCE), "coupon_cap"),
        (assigned(9, 2, FUNDED), None),
        (assigned(10, 3, FUNDED), "liability_exhausted"),
        (assigned(11, 3, OVER), "expired"),
        (assigned(12, 4711), "no_consent"),
        (replace(assigned(13, 3), coupon_id=4711), "unknown_coupon"),
        (replace(assigned(14, 3), decision_id="short"), "invalid_key"),
        (assigned(15, 3), None),
    ]
    outcomes = world.ledger.issue_all(CLIENT, [one for one, _ in asked], chunk=4)
    assert reasons(outcomes) == [reason for _, reason in asked]
    assert world.wrong() == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_the_size_of_a_chunk_changes_nothing(world: World, chunk: int) -> None:
    world.sync(replace(DEFINITIONS.campaigns[0], liability_cents=450, per_household=2, max_issues=4))
    households = [1, 2, 1, 2, 1, SILENT, 3, 4]
    coupons = [PLAIN, BREAD, BREAD, STACKED, PLAIN, PLAIN, BRIEF, PLAIN]
    asked = [assigned(at, *pair) for at, pair in enumerate(zip(households, coupons, strict=True))]
    outcomes = world.ledger.issue_all(CLIENT, [*asked, *asked[:2]], chunk=chunk)
    assert reasons(outcomes) == [
        None,
        None,
        None,
        "liability_exhausted",
        "household_cap",
        "no_consent",
        "liability_exhausted",
        "liability_exhausted",
        None,
        None,
    ]
    assert [outcome.replay for outcome in outcomes] == [False] * 8 + [True] * 2
    assert [outcome.issue_id for outcome in outcomes[8:]] == [outcome.issue_id for outcome in outcomes[:2]]


def test_a_rerun_changes_nothing_and_reports_what_was_there(world: World) -> None:
    asked = [*crowd(world, 7), assigned(100, SILENT)]
    first = world.ledger.issue_all(CLIENT, asked, chunk=3)
    before = books(world)
    world.clock.tick(DAY)
    again = world.ledger.issue_all(CLIENT, asked, chunk=5)
    assert again == [replace(one, replay=one.issue_id is not None) for one in first]
    assert books(world) == before


def test_what_was_refused_is_asked_again(world: World) -> None:
    asked = [assigned(1, SILENT)]
    assert reasons(world.ledger.issue_all(CLIENT, asked)) == ["no_consent"]
    world.sync(consents={SILENT: True})
    assert world.ledger.issue_all(CLIENT, asked)[0].issue_id


def test_a_decision_stands_for_one_issue(world: World) -> None:
    world.ledger.issue_all(CLIENT, [assigned(1, 1)])
    changed = [assigned(1, 2), assigned(1, 1, STACKED), assigned(1, 1, arm="explore"), assigned(1, 1)]
    outcomes = world.ledger.issue_all(CLIENT, changed)
    assert reasons(outcomes) == ["key_reused", "key_reused", "key_reused", None]
    assert outcomes[-1].replay


@pytest.mark.parametrize("after", [1, 2, 3])
def test_killed_after_any_chunk_and_run_again_it_is_as_if_nothing_had_happened(world: World, after: int) -> None:
    asked = crowd(world, 10)
    through: list[int] = []

    def progress(done: int) -> None:
        through.append(done)
        if len(through) == after:
            raise KilledError

    with pytest.raises(KilledError):
        world.ledger.issue_all(CLIENT, asked, progress, chunk=3)
    assert through == [3, 6, 9, 10][:after]
    assert world.rows("select count(*) from issue") == [(through[-1],)]
    outcomes = world.ledger.issue_all(CLIENT, asked, chunk=3)
    assert [outcome.replay for outcome in outcomes] == [True] * through[-1] + [False] * (10 - through[-1])
    expected = [(one.decision_id, PLAIN.coupon_id, 0, None, "issued", PLAIN.value_cents, 0) for one in asked]
    assert books(world)[0] == expected
    assert world.wrong() == []


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_killed_within_a_chunk_nothing_of_it_is_left(world: World, at: int) -> None:
    asked = crowd(world, 7)
    cut = Ledger(Interrupting(world.database, at), KEYS, world.clock)
    with pytest.raises(KilledError):
        cut.issue_all(CLIENT, asked, chunk=3)
    [(issued,)] = world.rows("select count(*) from issue")
    assert issued in (0, 3, 6, 7)
    assert world.reserved("campaign", SPRING) == issued * PLAIN.value_cents
    assert world.wrong() == []
    world.ledger.issue_all(CLIENT, asked, chunk=3)
    assert Counter(world.topics()) == {"issued": 7}


@pytest.mark.parametrize("limit", ["liability", "total", "supplier", "campaign", "coupon"])
def test_a_limit_within_a_chunk_is_exhausted_to_the_last_unit(world: World, limit: str) -> None:
    asked = crowd(world, 9, FUNDED)
    second = DEFINITIONS.campaigns[1]
    money = 5 * FUNDED.value_cents
    changes: dict[str, dict[str, Any]] = {
        "liability": {"campaigns": (replace(second, liability_cents=money + 100),)},
        "campaign": {"campaigns": (replace(second, max_issues=5),)},
        "total": {"total_liability_cents": money + 100},
        "supplier": {"supplier_liability_cents": {SUPPLIER: 5 * FUNDED_CENTS + 33}},
        "coupon": {"coupons": (replace(FUNDED, max_issues=5),)},
    }
    world.ledger.sync(Definitions(**changes[limit]))
    outcomes = world.ledger.issue_all(CLIENT, asked, chunk=4)
    names = {"campaign": "campaign_cap", "coupon": "coupon_cap"}
    assert reasons(outcomes) == [None] * 5 + [names.get(limit, "liability_exhausted")] * 4
    assert world.reserved("campaign", DAIRY_WEEK) == money
    assert world.wrong() == []


def test_nothing_is_issued_without_consent(world: World) -> None:
    asked = crowd(world, 60)
    world.sync(consents={one.household_id: False for one in asked[:40]})
    strangers = [assigned(1_000 + number, 50_000 + number) for number in range(40)]
    outcomes = Counter(reasons(world.ledger.issue_all(CLIENT, [*asked, *strangers], chunk=25)))
    assert outcomes == {"no_consent": 80, None: 20}
    assert world.rows("select count(*) from issue") == [(20,)]


def test_what_is_over_and_what_was_paid_count_before_a_cycle(world: World) -> None:
    world.sync(replace(DEFINITIONS.campaigns[0], budget_cents=50, liability_cents=100))
    world.issue(BRIEF)
    world.clock.now = BRIEF.expires_at
    outcomes = world.ledger.issue_all(CLIENT, [assigned(1, 1), assigned(2, 2)])
    assert reasons(outcomes) == [None, "liability_exhausted"]
    [code] = world.ledger.codes([outcomes[0].issue_id or 0])
    world.ledger.redeem("store-7", fresh_key(), code, basket(), 50)
    assert reasons(world.ledger.issue_all(CLIENT, [assigned(2, 2)])) == ["budget_exhausted"]


def test_no_assignments_are_no_work(world: World) -> None:
    assert world.ledger.issue_all(CLIENT, []) == []
