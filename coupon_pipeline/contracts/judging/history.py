"""What the clean weeks before hold a week to: their keys, their volume and their shape, as weeks are judged in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.delivery import Delivery
from coupon_pipeline.contracts.judging.positions import NO_ROWS
from coupon_pipeline.contracts.judging.seen import NO_KEYS, Window, repeated
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK, Past, Profile
from coupon_pipeline.contracts.judging.verdict import Verdict


class History:
    """The last clean weeks of a table: those before the first that is judged, then those that passed."""

    def __init__(self, contract: Contract, past: Sequence[Past]) -> None:
        self.contract = contract
        self.profiles: deque[Profile] = deque((one.profile for one in past), maxlen=WEEKS_BACK)
        self._past = list(past)[-WEEKS_BACK:]
        self._window = Window((), NO_KEYS)

    def begin(self, batch: Sequence[Delivery]) -> list[np.ndarray]:
        """The keys of each delivery, hashed; of a change log, whose keys may come again, none."""
        if self.contract.kind != "fact":
            return [NO_KEYS] * len(batch)
        keys = [delivery.keys for delivery in batch]
        self._window = Window(self._past, repeated([*(one.keys for one in self._past), *keys]))
        return keys

    def seen(self, week: str, keys: np.ndarray) -> np.ndarray:
        """The rows (sorted int64) of a week whose key was clean in one of the weeks before."""
        return self._window.seen(week, keys) if keys.size else NO_ROWS

    def add(self, verdict: Verdict, keys: np.ndarray) -> None:
        """Take note of a week that passed."""
        clean = keys[verdict.keep] if keys.size else NO_KEYS
        self.profiles.append(verdict.profile)
        self._past = [*self._past, Past(verdict.week, verdict.profile, clean)][-WEEKS_BACK:]
        self._window.add(verdict.week, clean)
