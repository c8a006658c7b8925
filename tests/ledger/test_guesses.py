"""Whoever guesses codes has to wait; whoever knows them never does."""

from __future__ import annotations

import pytest

from tests.watch import Watch

from coupon_pipeline.ledger import guesses
from coupon_pipeline.ledger.guesses import Guesses, TooManyGuessesError
from coupon_pipeline.ledger.reasons import Reason


@pytest.fixture
def watch() -> Watch:
    return Watch()


def tried(counted: Guesses, client: str = "store-1") -> bool:
    try:
        counted.check(client)
    except TooManyGuessesError:
        return False
    counted.count(client)
    return True


def test_twenty_guesses_pass_and_the_next_is_told_how_long_to_wait(watch: Watch) -> None:
    counted = Guesses(watch)
    assert [tried(counted) for _ in range(21)] == [True] * 20 + [False]
    with pytest.raises(TooManyGuessesError, match="wait 10 seconds") as refused:
        counted.check("store-1")
    assert (refused.value.reason, refused.value.seconds) == (Reason.TOO_MANY_GUESSES, 10)


def test_a_guess_comes_back_every_ten_seconds(watch: Watch) -> None:
    counted = Guesses(watch)
    for _ in range(20):
        tried(counted)
    watch.seconds += 9.99
    assert not tried(counted)
    watch.seconds += 0.02
    assert [tried(counted), tried(counted)] == [True, False]
    watch.seconds += 86_400
    assert sum(tried(counted) for _ in range(100)) == 20


def test_a_day_of_guessing_is_bounded(watch: Watch) -> None:
    counted, passed = Guesses(watch), 0
    for _ in range(86_400):
        watch.seconds += 1
        passed += tried(counted)
    assert 8_640 <= passed <= 8_640 + 20


def test_known_codes_use_nothing_up(watch: Watch) -> None:
    counted = Guesses(watch)
    for _ in range(1000):
        counted.check("store-1")


def test_one_client_does_not_slow_another(watch: Watch) -> None:
    counted = Guesses(watch)
    while tried(counted, "store-1"):
        pass
    assert tried(counted, "store-2")


def test_guesses_that_were_under_way_together_are_paid_for_later(watch: Watch) -> None:
    counted = Guesses(watch)
    for _ in range(25):
        counted.count("store-1")
    with pytest.raises(TooManyGuessesError) as refused:
        counted.check("store-1")
    assert refused.value.seconds == 60


def test_memory_is_bounded(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST_CLIENTS", 10)
    counted = Guesses(watch)
    for n in range(100):
        counted.count(f"store-{n}")
    assert len(counted._left) == 10
    watch.seconds += 3600
    for n in range(100):
        counted.check(f"store-{n}")
    assert not counted._left
