"""The ledger as the service uses it: asked in threads, opened again when it failed, never asked by who guesses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from coupon_pipeline.ledger.guesses import Guesses
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError

THREADS: Final = 32
"""Calls of the ledger at once: as many as its pool of PostgreSQL connections, and SQLite commits them together."""
MOST_WAITING: Final = 512
TOO_OFTEN: Final = 3
"""Failures in a row after which the service is not ready."""
REST_SECONDS: Final = 5.0
"""After so long without a failure it is ready again: the next request tells."""
REOPEN_SECONDS: Final = 1.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Desk:
    """One ledger of one process. `begin` is told of the ledger's latest fact, in epoch milliseconds."""

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        begin: Callable[[int], bool] = lambda fact: True,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_ledger` raises UnavailableError where that may pass; `begin` says whether business time is known."""
        self._open, self._begin, self._seconds = open_ledger, begin, seconds
        self._guesses, self._lock = Guesses(), threading.Lock()
        self._threads = anyio.CapacityLimiter(THREADS)
        self._under_way = 0
        self._ledger: Ledger | None = None
        self._has_consents = self._has_time = False
        self._tried, self._failed, self._failures = -REOPEN_SECONDS, 0.0, 0

    def start(self) -> None:
        """Open the ledger; a database that does not answer is asked again when it is needed."""
        try:
            self.ledger()
        except UnavailableError as error:
            logger.warning("the ledger cannot be opened yet: %s", error.detail)

    def stop(self) -> None:
        """Finish what is under way and close the ledger."""
        if self._ledger is not None:
            self._ledger.close()

    @property
    def is_failing(self) -> bool:
        """Whether the database has failed several times in a row, a moment ago; asks nobody."""
        return self._failures >= TOO_OFTEN and self._seconds() - self._failed < REST_SECONDS

    def ledger(self) -> Ledger:
        """The open ledger; raises UnavailableError."""
        with self._lock:
            if self._ledger is None:
                if self._seconds() - self._tried < REOPEN_SECONDS:
                    raise UnavailableError(Reason.UNAVAILABLE, "the database does not answer: try again in a moment")
                self._tried = self._seconds()
                self._ledger = self._open()
            if not self._has_time:
                self._has_time = self._begin(self._ledger.latest_fact() or 0)
            return self._ledger

    async def ask(self, client: str, work: Callable[[Ledger], T], names_code: bool = False) -> T:
        """What `work` returns, in a thread of its own; raises RefusalError and UnavailableError.

        With `names_code` an unknown code uses up a guess of the client, which waits once it has none left.
        """
        if names_code:
            self._guesses.check(client)
        if self._under_way >= THREADS + MOST_WAITING:
            raise UnavailableError(Reason.OVERLOADED, "too many requests wait for the ledger: try again in a moment")
        self._under_way += 1
        try:
            return await anyio.to_thread.run_sync(self._judged, work, limiter=self._threads)
        except RefusalError as error:
            if names_code and error.reason is Reason.UNKNOWN_CODE:
                self._guesses.count(client)
            raise
        finally:
            self._under_way -= 1

    def may_be_sent(self, household_id: int) -> bool:
        """Whether a household consents by the ledger; one that knows no consent at all says nothing against it.

        Raises UnavailableError.
        """
        return self._judged(lambda ledger: not self._knows_consents(ledger) or ledger.may_be_sent(household_id))

    def _judged(self, work: Callable[[Ledger], T]) -> T:
        try:
            ledger = self.ledger()
            if not self._has_time:
                detail = "business time is not known yet: publish a bundle with `make run`"
                raise UnavailableError(Reason.UNAVAILABLE, detail)
            done = work(ledger)
        except UnavailableError as error:
            if error.reason is not Reason.OVERLOADED:
                self._failures, self._failed = self._failures + 1, self._seconds()
            raise
        except RefusalError:
            self._failures = 0
            raise
        self._failures = 0
        return done

    def _knows_consents(self, ledger: Ledger) -> bool:
        if not self._has_consents:
            self._has_consents = ledger.knows_consents()
        return self._has_consents
