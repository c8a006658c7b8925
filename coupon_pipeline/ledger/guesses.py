"""Slows down whoever guesses codes: a client that names too many unknown ones has to wait.

Counted in the memory of one process: N processes let a client guess N times as often.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from coupon_pipeline.ledger.reasons import Reason, RefusalError

BURST: Final = 20.0
"""Guesses that a client has in hand."""
PER_SECOND: Final = 0.1
"""Guesses that come back to it: 8,640 a day."""
MOST_CLIENTS: Final = 10_000


class TooManyGuessesError(RefusalError):
    """A client whose guesses are used up; it may come again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        detail = f"Too many unknown codes came from this client: wait {seconds} seconds."
        super().__init__(Reason.TOO_MANY_GUESSES, detail, "code")
        self.seconds = seconds


class Guesses:
    """One bucket of guesses per client. Malformed codes count like unknown ones, so that neither tells anything."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds that never go back."""
        self._clock = clock
        self._lock = threading.Lock()
        # Client -> guesses left and when that was; a client with all its guesses has no entry.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Raise TooManyGuessesError unless the client has a guess left; a known code uses none up."""
        with self._lock:
            left = self._refilled(client)
        if left < 1:
            raise TooManyGuessesError(math.ceil((1 - left) / PER_SECOND))

    def count(self, client: str) -> None:
        """Take a guess from the client: its code was not known.

        Requests that were under way together may use up more than was left; it then waits for those too.
        """
        with self._lock:
            left = self._refilled(client) - 1
            self._left[client] = max(left, -BURST), self._clock()
            self._left.move_to_end(client)
            if len(self._left) > MOST_CLIENTS:
                self._left.popitem(last=False)

    def _refilled(self, client: str) -> float:
        if client not in self._left:
            return BURST
        left, since = self._left[client]
        refilled = left + (self._clock() - since) * PER_SECOND
        if refilled >= BURST:
            del self._left[client]
            return BURST
        return refilled
