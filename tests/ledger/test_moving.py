"""A whole ledger moves to the other kind of database and goes on there, or stays where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from tests.ledger.filled import content
from tests.ledger.worlds import CAKE, KEYS, NOW, PLAIN, TILL, World, basket, refused

from coupon_pipeline.ledger import moving
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.counters import counters
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.moving import MovingError, move_ledger
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.reasons import Reason, UnavailableError
from coupon_pipeline.ledger.records import Definitions
from coupon_pipeline.ledger.statement import Database, Statement

TOO_MUCH = Statement("update escrow set reserved = reserved + 1 where scope = 'total'")
BASKET = basket()


@pytest.fixture
def lived(database: Database) -> World:
    """A ledger in which a little of everything has happened, its oldest events trimmed away."""
    world = World(database)
    first, second, third = (world.issue(coupon, household) for coupon, household in ((PLAIN, 1), (CAKE, 2), (PLAIN, 3)))
    world.redeem(first, BASKET, key="redeem-first")
    world.hold(second)
    batch = world.ledger.claim()
    assert batch is not None
    world.ledger.done([batch.number])
    world.ledger.trim(NOW + 10)
    world.reverse("redeem-first")
    world.ledger.void("office", "void-third-1", code=third.code)
    world.ledger.set_setting("Zone", "Ünïcode")
    return world


@pytest.fixture
def other(lived: World, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of the other kind."""
    kind = {"sqlite": "postgresql", "postgresql": "sqlite"}[lived.database.dialect]
    opened = open_database(request.getfixturevalue(f"{kind}_url"))
    yield opened
    opened.close()


def test_everything_moves_and_the_books_close(lived: World, other: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "CHUNK", 2)
    named: list[str] = []
    moved = move_ledger(lived.database, other, named.append)
    before, after = content(lived.database), content(other)
    for each in (before, after):
        each["setting"] = [row for row in each["setting"] if row[0] != "next_issue_id"]
    assert after == before
    assert moved == {table: len(rows) for table, rows in before.items()}
    assert sorted(named) == sorted(moved)
    assert all(check.passed for check in audit(other))


def test_the_ledger_goes_on_where_it_stood(lived: World, other: Database) -> None:
    last = lived.database.read(counters)
    codes = lived.ledger.codes([1, 2])
    move_ledger(lived.database, other)
    ledger = Ledger(other, KEYS, lived.clock)
    assert ledger.codes([1, 2]) == codes
    again = ledger.redeem(TILL, "a-fresh-key", codes[0], basket(), 40)
    issued = ledger.issue("app", "another-key", 1, CAKE.coupon_id, "app")
    assert (again.redemption_id, issued.issue_id) == (last["redemption"] + 1, last["issue"] + 1)
    assert other.read(counters)["outbox"] == last["outbox"] + 2
    with refused(Reason.REVERSED):
        ledger.redeem(TILL, "redeem-first", codes[0], BASKET, 50)


def test_a_ledger_without_anything_moves_as_well(database: Database, request: pytest.FixtureRequest) -> None:
    kind = {"sqlite": "postgresql", "postgresql": "sqlite"}[database.dialect]
    with closing(open_database(request.getfixturevalue(f"{kind}_url"))) as other:
        assert sum(move_ledger(database, other).values()) == 0
        assert World(other).issue().issue_id == 1


def test_a_target_that_holds_something_is_left_alone(lived: World, other: Database) -> None:
    World(other)
    before = content(other)
    with pytest.raises(MovingError, match="the target is not empty, its table"):
        move_ledger(lived.database, other)
    assert content(other) == before


def test_a_copy_that_differs_is_taken_back(lived: World, other: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, look, numbers = content(other), moving._content, count(1)
    monkeypatch.setattr(moving, "_content", lambda rows: moving.Content(look(rows).rows, str(next(numbers))))
    with pytest.raises(MovingError, match="the copy differs from the original"):
        move_ledger(lived.database, other)
    assert content(other) == empty


def test_a_ledger_pays_no_more_while_it_moves_nor_once_it_has_moved(lived: World, other: Database) -> None:
    code = lived.issue(PLAIN, 4).code
    told: list[str] = []

    def pay(table: str) -> None:
        told.append(table)
        with pytest.raises(UnavailableError) as caught:
            lived.ledger.redeem(TILL, f"redeem-{table}", code, BASKET, 1)
        assert caught.value.reason is Reason.READ_ONLY

    move_ledger(lived.database, other, pay)
    pay("afterwards")
    Ledger(other, KEYS, lambda: NOW + 20).redeem(TILL, "redeem-there", code, BASKET, 1)


def test_a_ledger_that_could_not_be_moved_goes_on(lived: World, other: Database) -> None:
    World(other)
    with pytest.raises(MovingError, match="the target is not empty"):
        move_ledger(lived.database, other)
    lived.issue(PLAIN, 4)


def test_consent_that_changes_while_a_ledger_is_copied_has_the_copy_taken_back(lived: World, other: Database) -> None:
    empty = content(other)
    told: list[str] = []

    def write(table: str) -> None:
        told.append(table)
        if len(told) == len(moving.TABLES):
            lived.ledger.sync(Definitions(consents={77: True}))

    with pytest.raises(MovingError, match="was written to while it was copied: stop the service"):
        move_ledger(lived.database, other, write)
    assert content(other) == empty
    lived.issue(PLAIN, 4)


def test_books_that_do_not_close_are_not_moved(lived: World, other: Database) -> None:
    lived.database.write(
        lambda tx: tx.run(Statement("update escrow set reserved = reserved + 1 where scope = 'total'"))
    )
    with pytest.raises(MovingError, match="the books of the ledger to be moved do not close"):
        move_ledger(lived.database, other)
