"""PostgreSQL: races are run again, a lost connection is told from a lost answer, and a restart costs no request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import psycopg
import pytest

from tests.ledger.cutting import wired
from tests.ledger.processes import wait_until
from tests.ledger.servers import running

from coupon_pipeline.ledger import postgresql
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.postgresql import PostgresqlDatabase
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError
from coupon_pipeline.ledger.statement import Database, RetryError, Statement, Transaction

ADD = Statement("insert into suppression (household_hmac, at) values (:name, 1)")
NAMES = Statement("select household_hmac from suppression order by household_hmac")
SET = Statement("insert into setting (name, value) values (:name, '0')")
CHANGE = Statement("update setting set value = cast(cast(value as integer) + 1 as text) where name = :name")
VALUES = Statement("select value from setting order by name")
KILL = "select pg_terminate_backend({})"


@pytest.fixture
def database(postgresql_url: str) -> Iterator[PostgresqlDatabase]:
    opened = open_database(postgresql_url)
    assert isinstance(opened, PostgresqlDatabase)
    yield opened
    opened.close()


def add(name: str) -> Callable[[Transaction], int]:
    return lambda tx: tx.run(ADD, name=name.encode())


def names(database: Database) -> list[str]:
    return [row[0].decode() for row in database.read(lambda tx: tx.all(NAMES))]


def shown(tx: Transaction, *settings: str) -> list[str]:
    return [row[0] for name in settings if (row := tx.one(Statement(f"show {name}")))]


def unavailable(attempt: Callable[[], object]) -> Reason:
    with pytest.raises(UnavailableError) as caught:
        attempt()
    return caught.value.reason


def killed_by(url: str) -> Callable[[Transaction], None]:
    """Work whose connection an administrator ends after it has written."""

    def work(tx: Transaction) -> None:
        add("lost")(tx)
        [pid] = tx.one(Statement("select pg_backend_pid()")) or (0,)
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(KILL.format(pid).encode())
        add("lost too")(tx)

    return work


def test_a_till_is_not_kept_waiting_and_the_office_may_take_its_time(database: PostgresqlDatabase) -> None:
    settings = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_isolation")
    till = ["3s", "2s", "5s", "read committed"]
    assert database.write(lambda tx: shown(tx, *settings)) == till
    assert database.read(lambda tx: shown(tx, *settings)) == till
    assert database.write(lambda tx: shown(tx, *settings), patient=True) == ["5min", "30s", "2min", "read committed"]
    assert database.read(lambda tx: shown(tx, *settings, "transaction_read_only"), snapshot=True) == [
        *("5min", "30s", "2min", "repeatable read"),
        "on",
    ]
    assert database.write(lambda tx: shown(tx, *settings)) == till


def test_work_that_raises_is_undone(database: PostgresqlDatabase) -> None:
    def refused(tx: Transaction) -> None:
        add("refused")(tx)
        raise RefusalError(Reason.EXPIRED, "told")

    with pytest.raises(RefusalError, match="told"):
        database.write(refused)
    assert names(database) == []


def test_a_snapshot_sees_one_moment(database: PostgresqlDatabase) -> None:
    def twice(tx: Transaction) -> list[int]:
        before = len(tx.all(NAMES))
        database.write(add(f"{len(names(database))}"))
        return [before, len(tx.all(NAMES))]

    assert database.read(twice, snapshot=True) == [0, 0]
    assert database.read(twice) == [1, 2]


def test_two_that_lock_each_other_out_both_succeed(database: PostgresqlDatabase, postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute(f"alter database {admin.info.dbname} set deadlock_timeout = '20ms'".encode())
    database.write(lambda tx: [tx.run(SET, name=name) for name in "ab"])
    both, tries = Barrier(2), []

    def change(order: str) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            tries.append(order)
            tx.run(CHANGE, name=order[0])
            if len(tries) <= 2:
                both.wait(10)
            tx.run(CHANGE, name=order[1])

        return work

    database.close()
    opened = open_database(postgresql_url)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(opened.write, (change("ab"), change("ba"))))
    assert len(tries) == 3
    assert opened.read(lambda tx: tx.all(VALUES)) == [("2",), ("2",)]
    opened.close()


def test_a_lock_that_is_kept_is_given_up_in_the_end(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "SETTINGS", postgresql.SETTINGS.replace("lock_timeout = '2s'", "lock_timeout = 20"))
    database, tries = open_database(postgresql_url), []
    database.write(lambda tx: tx.run(SET, name="a"))

    def change(tx: Transaction) -> int:
        tries.append(1)
        return tx.run(CHANGE, name="a")

    with psycopg.connect(postgresql_url) as other:
        other.execute("select * from setting for update")
        assert unavailable(lambda: database.write(change)) is Reason.UNAVAILABLE
    assert len(tries) == 4
    assert database.write(change) == 1
    database.close()


def test_a_lost_race_is_run_again_without_what_it_wrote(database: PostgresqlDatabase) -> None:
    tries = []

    def lost(tx: Transaction) -> int:
        tries.append(add(f"try {len(tries)}")(tx))
        if len(tries) < 4:
            raise RetryError
        return len(tries)

    assert database.write(lost) == 4
    assert names(database) == ["try 3"]
    tries.clear()
    assert unavailable(lambda: database.write(lambda tx: [add("x")(tx), always_lost()])) is Reason.UNAVAILABLE


def always_lost() -> None:
    raise RetryError


def test_a_key_that_is_there_stays_a_mistake(database: PostgresqlDatabase) -> None:
    database.write(add("a"))
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.write(add("a"))
    with pytest.raises(psycopg.errors.SyntaxError):
        database.write(lambda tx: tx.run(Statement("nonsense")))
    assert names(database) == ["a"]


def test_a_connection_that_is_lost_before_the_commit_has_changed_nothing(
    database: PostgresqlDatabase, postgresql_url: str
) -> None:
    assert unavailable(lambda: database.write(killed_by(postgresql_url))) is Reason.UNAVAILABLE
    database.write(add("next"))
    assert names(database) == ["next"]


def test_a_lost_answer_to_a_commit_leaves_the_outcome_open(database: PostgresqlDatabase, postgresql_url: str) -> None:
    with wired(postgresql_url) as wire:
        through = open_database(wire.url)
        through.write(add("a"))
        wire.cuts.set()
        tries = []

        def work(tx: Transaction) -> None:
            tries.append(add("b")(tx))

        assert unavailable(lambda: through.write(work)) is Reason.OUTCOME_UNKNOWN
        wire.cuts.clear()
        through.write(add("c"))
        through.close()
    assert len(tries) == 1
    wait_until(lambda: names(database) == ["a", "b", "c"])


def test_connections_that_are_all_in_use_are_waited_for_a_while(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"POOL": 1, "OVERFLOW": 0, "POOL_SECONDS": 0.05}.items():
        monkeypatch.setattr(postgresql, name, value)
    database, begun, may_end = open_database(postgresql_url), Event(), Event()

    def hold(_: Transaction) -> None:
        begun.set()
        may_end.wait(20)

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(database.write, hold)
        begun.wait(20)
        assert unavailable(lambda: database.write(add("late"))) is Reason.UNAVAILABLE
        may_end.set()
        holding.result()
    assert names(database) == []
    database.close()


def test_a_restart_of_the_server_costs_no_request(tmp_path: Path) -> None:
    with running(tmp_path / "pg") as server, server.database() as url:
        database = open_database(url)
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(database.write, map(add, "abc")))
        server.stop()
        assert unavailable(lambda: database.write(add("nobody"))) is Reason.UNAVAILABLE
        assert unavailable(lambda: names(database)) is Reason.UNAVAILABLE
        server.start()
        database.write(add("d"))
        server.kill()
        server.start()
        assert names(database) == list("abcd")
        database.close()
        assert unavailable(lambda: names(database)) is Reason.UNAVAILABLE
