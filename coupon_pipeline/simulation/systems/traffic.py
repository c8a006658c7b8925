"""What an HTTP system does to its callers: it limits their rate, now and then it is unavailable, or slow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from coupon_pipeline.simulation.systems.answers import RefusedError


@dataclass(frozen=True)
class Habits:
    """How a system behaves; shares are those of its requests."""

    per_second: float = 200.0
    burst: int = 200
    unavailable_share: float = 0.01
    slow_share: float = 0.005
    slow_seconds: float = 0.3

    def befalls(self, number: int, what: str, share: float) -> bool:
        """Whether something happens to request `number`: the same in every run."""
        digest = blake2b(f"{what}/{number}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < share * 2**64


class Gate:
    """Lets requests through, at most `burst` at once and `per_second` in the long run."""

    def __init__(self, habits: Habits, clock: Callable[[], float] = time.monotonic) -> None:
        self._habits, self._clock = habits, clock
        self._tokens, self._filled_at = float(habits.burst), clock()
        self._number = 0

    def enter(self) -> float:
        """Count a request; returns for how many seconds its answer must wait, raises RefusedError if it gets none."""
        now = self._clock()
        self._tokens = min(self._habits.burst, self._tokens + (now - self._filled_at) * self._habits.per_second)
        self._filled_at = now
        if self._tokens < 1:
            wait = math.ceil((1 - self._tokens) / self._habits.per_second)
            raise RefusedError(429, "too_many_requests", f"wait {wait} s", {"retry-after": str(wait)})
        self._tokens -= 1
        self._number += 1
        if self._habits.befalls(self._number, "unavailable", self._habits.unavailable_share):
            raise RefusedError(503, "unavailable", "the CRM is busy: try again")
        slow = self._habits.befalls(self._number, "slow", self._habits.slow_share)
        return self._habits.slow_seconds if slow else 0.0
