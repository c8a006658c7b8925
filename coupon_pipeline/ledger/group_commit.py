"""One writer at a time, and one commit for all that wait: many small transactions at the price of one fsync."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final

from coupon_pipeline.ledger.failures import unavailable
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.sqlite_failures import is_race, named, reason_of
from coupon_pipeline.ledger.statement import RetryError, Transaction

MOST_WAITING: Final = 1024
MOST_TOGETHER: Final = 256
TRIES: Final = 4
SECONDS: Final = 5.0
PATIENT_SECONDS: Final = 300.0
PAUSES: Final = (0.000_05, 0.001)
"""Shortest and longest pause, in seconds, between two looks whether another process has ended its transaction.

SQLite itself would sleep up to 100 times as long, while the other process goes on and on.
"""
Work = Callable[[Any], Any]


class _Job:
    """Work, and what became of it once `answered` is free."""

    __slots__ = ("answered", "error", "result", "seconds", "work")

    def __init__(self, work: Work, seconds: float) -> None:
        self.work, self.seconds = work, seconds
        self.result: Any = None
        self.error: BaseException | None = None
        self.answered = Lock()
        self.answered.acquire()

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class GroupCommit:
    """Runs work on one connection, from any number of threads.

    Who finds nobody writing writes at once, in the own thread. All others queue for a thread of its own, which does
    what has gathered in one transaction, each work in a savepoint, and answers after the commit.
    """

    def __init__(self, connection: sqlite3.Connection, transaction: Transaction) -> None:
        """`connection` begins no transactions by itself and never waits; `transaction` runs statements on it."""
        self._connection, self._transaction = connection, transaction
        self._cursor = connection.cursor()
        self._writing = Lock()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._queueing = Lock()
        self.waiting = 0
        """How many are queued."""
        self._thread: Thread | None = None
        self._is_closed = False

    def run(self, work: Work, patient: bool = False) -> Any:
        """Do work and return what it returns, durable by then; `patient` waits minutes for its turn, else 5 s.

        Raises what `work` raises, and UnavailableError.
        """
        job = _Job(work, PATIENT_SECONDS if patient else SECONDS)
        if not self.waiting and self._writing.acquire(blocking=False):
            try:
                self._together([job])
            finally:
                self._writing.release()
            return job.outcome()
        self._put(job)
        if not job.answered.acquire(timeout=job.seconds):
            raise unavailable(Reason.OUTCOME_UNKNOWN)
        return job.outcome()

    def close(self) -> None:
        """Finish what is queued, refuse what comes later."""
        with self._queueing:
            self._is_closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        with self._writing:
            self._connection.close()

    def _put(self, job: _Job) -> None:
        with self._queueing:
            if self._is_closed:
                raise unavailable(Reason.UNAVAILABLE)
            if self.waiting >= MOST_WAITING:
                raise unavailable(Reason.OVERLOADED)
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="ledger-writer", daemon=True)
                self._thread.start()
            self.waiting += 1
            self._queue.put(job)

    def _serve(self) -> None:
        is_open = True
        while is_open:
            jobs = [self._queue.get()]
            with self._writing:
                try:
                    while len(jobs) < MOST_TOGETHER:
                        jobs.append(self._queue.get_nowait())
                except Empty:
                    pass
                batch = [job for job in jobs if job is not None]
                with self._queueing:
                    self.waiting -= len(batch)
                is_open = len(batch) == len(jobs)
                if batch:
                    self._together(batch)
            for job in batch:
                job.answered.release()

    def _together(self, jobs: list[_Job]) -> None:
        """Do jobs in one transaction; if that fails none is done, and all are told why."""
        committing = False
        try:
            self._begin(max(job.seconds for job in jobs))
            for job in jobs:
                self._one(job)
            committing = True
            self._cursor.execute("commit")
        except Exception as error:
            for job in jobs:
                job.error = named(error, committing) if isinstance(error, sqlite3.Error) else error
        finally:
            self._undo()

    def _begin(self, seconds: float) -> None:
        """Begin a transaction, as soon as no other process has one."""
        pause, longest = PAUSES
        gives_up = None
        while True:
            try:
                self._cursor.execute("begin immediate")
                return
            except sqlite3.OperationalError as error:
                gives_up = gives_up or time.monotonic() + seconds
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > gives_up:
                    raise
            time.sleep(pause * random.random())
            pause = min(2 * pause, longest)

    def _one(self, job: _Job) -> None:
        """Do one job, again if it lost a race; what it wrote is undone if it raises."""
        run = self._cursor.execute
        for _ in range(TRIES):
            run("savepoint work")
            try:
                job.result, job.error = job.work(self._transaction), None
            except BaseException as error:
                if isinstance(error, sqlite3.Error) and reason_of(error):
                    raise
                run("rollback to work")
                job.error = error
            run("release work")
            if job.error is None or not is_race(job.error):
                return
        if isinstance(job.error, RetryError):
            job.error = unavailable(Reason.UNAVAILABLE)

    def _undo(self) -> None:
        """Leave no transaction behind, whatever has happened."""
        try:
            if self._connection.in_transaction:
                self._cursor.execute("rollback")
        except sqlite3.Error:
            # It is rolled back by then: SQLite does so itself where the disk has failed.
            pass
