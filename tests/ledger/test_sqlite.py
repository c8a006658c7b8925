"""SQLite commits for all that wait at once, and whatever fails, everybody hears the truth about the own work."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.ledger.processes import finish, start, wait_until

from coupon_pipeline.ledger import group_commit
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError
from coupon_pipeline.ledger.sqlite import SqliteDatabase
from coupon_pipeline.ledger.statement import RetryError, Statement, Transaction

ADD = Statement("insert into suppression (household_hmac, at) values (:name, 1)")
NAMES = Statement("select household_hmac from suppression order by household_hmac")
COUNT = Statement("select count(*) from suppression")
NOBODY = 65534
"""A user without any right; not root anyway, if the tests are not."""
WRITE = """
import os, sys
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.reasons import UnavailableError
from coupon_pipeline.ledger.statement import Statement
ADD = Statement("insert into suppression (household_hmac, at) values (randomblob(100000), 1)")
done = 0
if sys.argv[2:] and os.geteuid() == 0:
    os.setuid(int(sys.argv[2]))
try:
    database = open_database(sys.argv[1])
    while done < 1000:
        database.write(lambda tx: tx.run(ADD))
        done += 1
except UnavailableError as error:
    print(done, error.reason.value)
"""


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def database(sqlite_url: str) -> Iterator[SqliteDatabase]:
    opened = open_database(sqlite_url)
    assert isinstance(opened, SqliteDatabase)
    yield opened
    opened.close()


def add(name: str) -> Callable[[Transaction], int]:
    return lambda tx: tx.run(ADD, name=name.encode())


def names(database: SqliteDatabase) -> list[str]:
    return [row[0].decode() for row in database.read(lambda tx: tx.all(NAMES))]


@contextmanager
def gathered(database: SqliteDatabase, *works: Callable[[Transaction], Any]) -> Generator[list[Future[Any]]]:
    """Works that wait together behind one that is being done; they are done when the block ends."""
    begun, may_end = Event(), Event()

    def first(tx: Transaction) -> None:
        begun.set()
        may_end.wait(20)

    with ThreadPoolExecutor(len(works) + 1) as threads:
        blocking = threads.submit(database.write, first)
        begun.wait(20)
        waiting = []
        for number, work in enumerate(works, start=1):
            waiting.append(threads.submit(database.write, work))
            wait_until(lambda number=number: database.waiting == number or waiting[-1].done())
        try:
            yield waiting
        finally:
            may_end.set()
        blocking.result()


def reason(caught: pytest.ExceptionInfo[UnavailableError]) -> Reason:
    return caught.value.reason


def told(answer: Future[Any]) -> Reason | None:
    error = answer.exception(10)
    return error.reason if isinstance(error, UnavailableError) else None


def test_durability_and_rules_are_switched_on(database: SqliteDatabase) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    for name, value in pragmas.items():
        statement = Statement(f"pragma {name}")
        assert database.write(lambda tx, statement=statement: tx.one(statement)) == (value,)
        assert database.read(lambda tx, statement=statement: tx.one(statement)) == (value,)


def test_what_waits_becomes_visible_together(database: SqliteDatabase, path: Path) -> None:
    seen = []

    def look(_: Transaction) -> None:
        with closing(sqlite3.connect(path)) as other:
            seen.append(other.execute(COUNT.text).fetchone()[0])

    with gathered(database, add("a"), look, add("b"), look):
        pass
    assert seen == [0, 0]
    assert names(database) == ["a", "b"]


def test_work_that_raises_among_others_is_undone_alone(database: SqliteDatabase) -> None:
    def refused(tx: Transaction) -> None:
        add("refused")(tx)
        raise RefusalError(Reason.EXPIRED, "told")

    with gathered(database, add("a"), refused, add("b")) as (first, second, third):
        pass
    assert (first.result(), third.result()) == (1, 1)
    with pytest.raises(RefusalError, match="told"):
        second.result()
    assert names(database) == ["a", "b"]


def test_work_that_raises_alone_is_undone(database: SqliteDatabase) -> None:
    def wrong(tx: Transaction) -> None:
        add("wrong")(tx)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.write(wrong)
    database.write(add("a"))
    assert names(database) == ["a"]


def test_a_mistake_in_a_statement_stays_what_it_is(database: SqliteDatabase) -> None:
    with gathered(database, add("a"), add("a"), lambda tx: tx.run(Statement("nonsense"))) as (_, twice, nonsense):
        pass
    assert isinstance(twice.exception(), sqlite3.IntegrityError)
    assert isinstance(nonsense.exception(), sqlite3.OperationalError)
    assert names(database) == ["a"]


def test_a_lost_race_is_run_again_without_what_it_wrote(database: SqliteDatabase) -> None:
    tries = []

    def lost(tx: Transaction) -> int:
        tries.append(add(f"try {len(tries)}")(tx))
        if len(tries) < 4:
            raise RetryError
        return len(tries)

    assert database.write(lost) == 4
    assert names(database) == ["try 3"]


def test_a_race_that_is_always_lost_is_given_up(database: SqliteDatabase) -> None:
    tries = []

    def lost(_: Transaction) -> None:
        tries.append(1)
        raise RetryError

    with pytest.raises(UnavailableError) as caught:
        database.write(lost)
    assert (reason(caught), len(tries)) == (Reason.UNAVAILABLE, 4)


def test_a_full_queue_refuses_at_once(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 2)
    with gathered(database, add("a"), add("b"), add("c")) as (first, second, third):
        assert told(third) is Reason.OVERLOADED
    assert (first.result(), second.result()) == (1, 1)
    assert names(database) == ["a", "b"]


def test_who_waits_too_long_is_told_so_and_the_work_is_done_later(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "SECONDS", 0.05)
    with gathered(database, add("a")) as (late,):
        assert told(late) is Reason.OUTCOME_UNKNOWN
        assert names(database) == []
    wait_until(lambda: names(database) == ["a"])


def test_another_process_that_writes_is_waited_for(
    database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(database.write, add("a"))
            other.execute("commit")
            assert waiting.result(10) == 1
        monkeypatch.setattr(group_commit, "SECONDS", 0.05)
        other.execute("begin immediate")
        with pytest.raises(UnavailableError) as caught:
            database.write(add("b"))
        assert reason(caught) is Reason.UNAVAILABLE
    assert names(database) == ["a"]


def test_reading_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(UnavailableError) as caught:
        database.read(add("a"))
    assert reason(caught) is Reason.READ_ONLY


def test_a_snapshot_sees_one_moment(database: SqliteDatabase) -> None:
    def twice(tx: Transaction) -> list[int]:
        first = tx.one(COUNT)
        database.write(add(f"{len(names(database))}"))
        return [row[0] for row in (first, tx.one(COUNT)) if row]

    assert database.read(twice, snapshot=True) == [0, 0]
    assert database.read(twice) == [1, 2]


def test_closing_does_what_is_queued_and_refuses_the_rest(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    assert isinstance(database, SqliteDatabase)
    with ThreadPoolExecutor(1) as thread, gathered(database, add("a")) as (queued,):
        closed = thread.submit(database.close)
    closed.result()
    assert queued.result() == 1
    for attempt in (lambda: database.write(add("b")), lambda: database.read(lambda tx: tx.all(NAMES))):
        with pytest.raises(UnavailableError) as caught:
            attempt()
        assert reason(caught) is Reason.UNAVAILABLE


def test_a_full_disk_is_named_and_keeps_what_was_acknowledged(database: SqliteDatabase, sqlite_url: str) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, 2**21))

    done, named = finish(start(WRITE, sqlite_url, prepare=limited)).split()
    assert named == Reason.STORAGE_FULL
    assert 0 < int(done) == len(database.read(lambda tx: tx.all(NAMES)))
    database.write(add("room again"))


def test_after_a_failed_commit_the_writer_lives_on(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = Statement("insert into suppression (household_hmac, at) values (zeroblob(3000000), 1)")
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, limit[1]))
    try:
        with gathered(database, add("a"), lambda tx: tx.run(big), add("b")) as waiting:
            pass
        reasons = {told(each) for each in waiting}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert reasons == {Reason.STORAGE_FULL}
    assert names(database) == []
    database.write(add("c"))
    assert names(database) == ["c"]


@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_file_that_may_not_be_written_is_named(path: Path, folder_mode: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(path, folder)
        (folder / "ledger.db").chmod(0o444)
        folder.chmod(folder_mode)
        assert finish(start(WRITE, f"sqlite:///{folder / 'ledger.db'}", str(NOBODY))) == "0 read_only"
        folder.chmod(0o700)
