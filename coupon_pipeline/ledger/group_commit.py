"""One writer at a time, and one commit for all that wait: many small transactions at the price of one fsync."""

from __future__ import annotations

import sqlite3
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
Work = Callable[[Any], Any]


class _Job:
    """Work, and what became of it once `answered` is free."""

    __slots__ = ("answered", "error", "result", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
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
        """`connection` begins no transactions by itself; `transaction` runs statements on it."""
        self._connection, self._transaction = connection, transaction
        self._cursor = connection.cursor()
        self._writing = Lock()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._starting = Lock()
        self._thread: Thread | None = None
        self._is_closed = False

    def run(self, work: Work, patient: bool = False) -> Any:
        """Do work and return what it returns, durable by then; `patient` waits longer than 5 s for its turn.

        Raises what `work` raises, and UnavailableError.
        """
        job = _Job(work)
        if self._queue.empty() and self._writing.acquire(blocking=False):
            try:
                self._together([job])
            finally:
                self._writing.release()
            return job.outcome()
        if self._queue.qsize() >= MOST_WAITING:
            raise unavailable(Reason.OVERLOADED)
        self._queue.put(job)
        if self._thread is None:
            self._start()
        if not job.answered.acquire(timeout=PATIENT_SECONDS if patient else SECONDS):
            raise unavailable(Reason.OUTCOME_UNKNOWN)
        return job.outcome()

    def close(self) -> None:
        """Finish what is queued, refuse what comes later."""
        with self._starting:
            self._is_closed = True
            if self._thread is not None:
                self._queue.put(None)
                self._thread.join()
        with self._writing:
            self._connection.close()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._is_closed:
                self._thread = Thread(target=self._serve, name="ledger-writer", daemon=True)
                self._thread.start()

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
                is_open = None not in jobs
                batch = [job for job in jobs if job is not None]
                self._together(batch)
            for job in batch:
                job.answered.release()

    def _together(self, jobs: list[_Job]) -> None:
        """Do jobs in one transaction; if that fails none is done, and all are told why."""
        run, committing = self._cursor.execute, False
        try:
            run("begin immediate")
            for job in jobs:
                self._one(job)
            committing = True
            run("commit")
        except sqlite3.Error as error:
            for job in jobs:
                job.error = named(error, committing)
        finally:
            if self._connection.in_transaction:
                run("rollback")

    def _one(self, job: _Job) -> None:
        """Do one job, again if it lost a race; what it wrote is undone if it raises."""
        run = self._cursor.execute
        for _ in range(TRIES):
            run("savepoint work")
            try:
                job.result, job.error = job.work(self._transaction), None
            except Exception as error:
                if isinstance(error, sqlite3.Error) and reason_of(error):
                    raise
                run("rollback to work")
                job.error = error
            run("release work")
            if job.error is None or not is_race(job.error):
                return
        if isinstance(job.error, RetryError):
            job.error = unavailable(Reason.UNAVAILABLE)
