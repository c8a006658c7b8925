"""The rate limit lets a burst through and says how long to wait; what goes wrong is the same in every run."""

from __future__ import annotations

import pytest

from coupon_pipeline.simulation.systems.answers import RefusedError
from coupon_pipeline.simulation.systems.traffic import Gate, Habits

CALM = Habits(unavailable_share=0, slow_share=0)


def fates(habits: Habits, count: int) -> list[object]:
    gate = Gate(habits, clock=lambda: 0.0)
    found: list[object] = []
    for _ in range(count):
        try:
            found.append(gate.enter())
        except RefusedError as error:
            found.append(error.status)
    return found


def test_limits_the_rate_and_says_when_to_come_back() -> None:
    now = [0.0]
    gate = Gate(Habits(per_second=0.4, burst=2, unavailable_share=0, slow_share=0), clock=lambda: now[0])
    gate.enter()
    gate.enter()
    with pytest.raises(RefusedError) as refusal:
        gate.enter()
    assert (refusal.value.status, refusal.value.headers) == (429, {"retry-after": "3"})
    now[0] = 3.0
    assert gate.enter() == 0.0


def test_is_now_and_then_unavailable_or_slow() -> None:
    habits = Habits(burst=100_000)
    first = fates(habits, 20_000)
    assert first == fates(habits, 20_000)
    assert 150 < first.count(503) < 250
    assert 60 < first.count(0.3) < 140
    assert fates(CALM, 200) == [0.0] * 200
