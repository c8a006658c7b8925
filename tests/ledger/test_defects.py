"""Defects that ledgers are known for: each test fails where the defect is made, and some make it to show that."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.ledger.mutants import CAUGHT, MUTANTS, NO_LIVE, Mutant
from tests.ledger.playing import on_sqlite, play
from tests.ledger.racing import answered, at_once, meet, new_ones, stopped_in
from tests.ledger.test_machine import EXAMPLES
from tests.ledger.worlds import (
    BRIEF,
    KEYS,
    OFFICE,
    PLAIN,
    STACKED,
    TILL,
    World,
    basket,
    fresh_key,
)

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.operations import redeeming, reversing
from coupon_pipeline.ledger.reasons import Reason, UnavailableError
from coupon_pipeline.ledger.records import Basket, Redeemed
from coupon_pipeline.ledger.statement import Database, Statement, Transaction


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_machine_catches_a_planted_defect(mutant: Mutant, tmp_path: Path) -> None:
    """With the settings with which a sound ledger passes in `test_machine`."""
    with on_sqlite(tmp_path) as fresh, mutant.planted(fresh) as spoiled, pytest.raises(CAUGHT):
        play(spoiled, EXAMPLES["sqlite"], explain=False)


class TestKeyReadFirst:
    """A retry that is on its way while its first try is done."""

    def test_a_retry_that_overtakes_its_first_try_is_not_told_that_the_coupon_is_spent(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for moment in ("before it looks", "after it has looked"):
            assert _overtaken(world, redeeming.redeem, moment, monkeypatch) is True

    def test_with_the_key_read_before_the_coupon_it_is(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        assert _overtaken(world, _redeem_key_first, "before it looks", monkeypatch) == "already_redeemed"


def _overtaken(world: World, redeem: Any, moment: str, patch: pytest.MonkeyPatch) -> Any:
    """Whether a request is answered as a replay if the same one is done while it looks; else its refusal."""
    issued, within, key, looked = world.issue(), basket(), fresh_key(), redeeming.looked

    def looking(*args: Any) -> Any:
        patch.setattr(redeeming, "looked", looked)
        seen = looked(*args) if moment == "after it has looked" else None
        world.redeem(issued, within, key=key)
        return seen or looked(*args)

    patch.setattr(redeeming, "looked", looking)
    asked = (world.database, world.ledger._context, TILL, key, issued.code, within, 50, world.clock.now)
    answer = answered(partial(redeem, *asked))
    return answer.replay if isinstance(answer, Redeemed) else answer


def _redeem_key_first(database: Any, context: Any, client: str, key: str, code: str, within: Basket, *rest: Any) -> Any:
    """The order in which one would write it down."""
    fact = database.read(lambda tx: tx.one(redeeming.KEY, client=client, idem=context.idem(key)))
    if fact is not None:
        return redeeming.replayed(fact, redeeming.fingerprint_of(context, code, within, rest[0]))
    look = database.read(lambda tx: redeeming.looked(tx, context, code, within))
    redeeming.judge(look, client, within, rest[1], rest[0])
    raise AssertionError("the coupon must be spent by then")


class TestReversing:
    """A reversal that meets its own redemption."""

    @pytest.fixture
    def world(self, postgresql_url: str) -> Any:
        database = open_database(postgresql_url)
        yield World(database)
        database.close()

    def test_undoes_one_that_is_not_committed_yet(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self._met(world, monkeypatch) == "issued"

    def test_without_a_second_look_it_leaves_the_coupon_spent(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reversing, "_reversed", _reversed_once)
        assert self._met(world, monkeypatch) == "redeemed"

    def _met(self, world: World, patch: pytest.MonkeyPatch) -> str:
        """State of a coupon whose redemption waits for its commit while it is reversed."""
        issued = world.issue()
        with stopped_in(redeeming, "emit", patch) as stop:
            redeem = partial(world.redeem, issued, key="key-of-first")
            meet(world, redeem, partial(world.reverse, "key-of-first"), stop)
        return world.state(issued)

    def test_at_any_moment_the_basket_is_undone(self, world: World) -> None:
        for number in range(10):
            issued, key = world.issue(), f"key-of-{number:04}"
            redeemed, undone = at_once(partial(world.redeem, issued, key=key), partial(world.reverse, key))
            assert redeemed == "reversed" if undone.issue_id is None else isinstance(redeemed, Redeemed)
            assert world.state(issued) == "issued"
        assert world.wrong() == []


def _reversed_once(tx: Transaction, client: str, idem: bytes, now: int) -> Any:
    """As one would write it down: an update, else a tombstone."""
    row = tx.one(reversing.REVERSE, client=client, idem=idem, now=now)
    if row is None:
        tx.one(reversing.TOMBSTONE, fingerprint=b"", client=client, idem=idem, now=now)
        return reversing._Undone(None, None, now, was_known=True)
    raise AssertionError("the redemption must not be visible yet")


class TestOutbox:
    """Events that are claimed while others are written."""

    def test_each_is_in_one_batch(self, world: World) -> None:
        issue, claim = partial(world.issue, PLAIN), world.ledger.claim
        for _ in range(3):
            at_once(*[issue, claim] * 6)
        claim()
        assert world.rows("select count(*) from outbox where batch is null") == [(0,)]
        batches = world.ledger.batches(0, 2**53)
        assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
        assert sum(batch.events for batch in batches) == 18
        assert world.wrong() == []

    def test_one_of_a_transaction_that_commits_late_is_not_lost(
        self, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = open_database(postgresql_url)
        world = World(database)
        issued, other = world.issue(), world.issue()
        world.ledger.claim()
        with stopped_in(redeeming, "emit", monkeypatch) as (there, go):

            def overtake() -> None:
                assert there.wait(20)
                world.reverse("key-of-other")
                world.redeem(other)
                assert world.ledger.claim() is not None
                go.set()

            at_once(partial(world.redeem, issued), overtake)
        last = world.ledger.claim()
        assert last is not None
        assert last.events == 1
        assert world.wrong() == []
        database.close()

    def test_the_audit_closes_where_a_count_of_events_would_not(self, world: World) -> None:
        world.redeem(world.issue())
        world.ledger.claim()
        world.ledger.done([1])
        world.ledger.trim(2**53)
        told = "select count(*) from outbox where topic = 'redeemed'"
        assert world.rows("select count(*) from redemption") != world.rows(told) == [(0,)]
        assert world.wrong() == []

    def test_its_numbers_are_never_used_again(self, sqlite_url: str) -> None:
        assert _number_after_trimming(sqlite_url, "") > 2

    def test_without_autoincrement_they_are(self, sqlite_url: str) -> None:
        assert _number_after_trimming(sqlite_url, "update sqlite_sequence set seq = 0 where name = 'outbox'") == 1


def _number_after_trimming(url: str, forget: str) -> int:
    """Number of the first event after all others have gone; SQLite forgets the last one where nothing keeps it."""
    database = open_database(url)
    world = World(database)
    world.issue()
    world.issue()
    world.ledger.claim()
    world.ledger.done([1])
    world.ledger.trim(2**53)
    if forget:
        database.write(lambda tx: tx.run(Statement(forget)))
    world.issue()
    [(number,)] = world.rows("select event_id from outbox")
    database.close()
    return number


class TestSecondLock:
    """Many look, then all write without a condition: the index still holds."""

    @pytest.fixture(autouse=True)
    def naive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        everybody, judge = Barrier(8), redeeming.judge

        def judge_then_wait(*args: Any) -> None:
            judge(*args)
            everybody.wait(20)

        blind = "update issue set state = 'redeemed' where issue_id = :issue_id returning issue_id"
        monkeypatch.setattr(redeeming, "SPEND", Statement(blind))
        monkeypatch.setattr(redeeming, "judge", judge_then_wait)

    @pytest.mark.parametrize(("schema", "times"), [("", 1), (NO_LIVE, 8)])
    def test_a_coupon_is_spent_once_with_the_index_alone(self, sqlite_url: str, schema: str, times: int) -> None:
        with closing(open_database(sqlite_url)) as database:
            Mutant("checks, then acts", schema=schema).spoil(database)
            world = World(database)
            issued = world.issue()
            answers = at_once(*[partial(world.redeem, issued)] * 8)
            assert new_ones(answers) == times
            assert answers.count("already_redeemed") == 8 - times


class TestSqlite:
    """One file, one writer at a time, whoever writes."""

    def test_requests_of_all_kinds_take_turns(self, sqlite_url: str) -> None:
        with closing(open_database(sqlite_url)) as database:
            assert _mixed(World(database), database).wrong() == []

    def test_so_do_two_that_have_opened_the_same_file(self, sqlite_url: str) -> None:
        with closing(open_database(sqlite_url)) as database, closing(open_database(sqlite_url)) as other:
            assert _mixed(World(database), other).wrong() == []

    def test_what_is_closed_says_so_by_name(self, sqlite_url: str) -> None:
        world = World(open_database(sqlite_url))
        issued = world.issue()
        world.ledger.close()
        for ask in (partial(world.redeem, issued), partial(world.issue, PLAIN)):
            with pytest.raises(UnavailableError) as caught:
                ask()
            assert caught.value.reason is Reason.UNAVAILABLE


def _mixed(world: World, other: Database) -> World:
    """Let all operations run at once, half of them through another connection; none may fail."""
    ledger = Ledger(other, KEYS, world.clock)
    for number in range(3):
        issued = [world.issue(BRIEF if at == 3 else PLAIN, 1 + number) for at in range(4)]
        world.redeem(issued[0], key=f"key-of-{number:04}")
        at_once(
            partial(ledger.reverse, TILL, fresh_key(), f"key-of-{number:04}"),
            partial(ledger.void, OFFICE, fresh_key(), code=issued[1].code),
            partial(world.hold, issued[2]),
            partial(ledger.redeem, TILL, fresh_key(), issued[3].code, basket(), 50),
            partial(ledger.issue, "app", fresh_key(), 4, STACKED.coupon_id, "app"),
            partial(world.sync, consents={9: number % 2 == 0}),
            ledger.expire,
            world.ledger.claim,
            partial(ledger.erase, 70 + number),
        )
    return world
