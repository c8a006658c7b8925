"""The ledger behind the service: asked in threads, watched, opened again, closed to who guesses."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving import desk as module
from serving.desk import Desk
from serving.refusals import problem_of
from tests.serving.world import DECIDED, DEFINITIONS, SOURCE, ledger
from tests.watch import Watch

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError
from coupon_pipeline.ledger.records import Definitions
from coupon_pipeline.settings import Settings


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def opener(tmp_path: Path) -> Callable[[], Ledger]:
    settings = Settings(data=tmp_path, source=SOURCE)
    return lambda: open_ledger(settings.ledger, settings.ledger_key_file, "development", lambda: DECIDED)


def asked(desk: Desk, work: Callable[[Ledger], Any], client: str = "store-7", names_code: bool = False) -> Any:
    return asyncio.run(desk.ask(client, work, names_code))


def lost(ledger: Ledger) -> None:
    raise UnavailableError(Reason.OUTCOME_UNKNOWN, "the connection is lost")


def overloaded(ledger: Ledger) -> None:
    raise UnavailableError(Reason.OVERLOADED, "the queue is full")


def refused(ledger: Ledger) -> None:
    raise RefusalError(Reason.UNKNOWN_CODE, "no such coupon", "code")


def test_the_ledger_is_asked_away_from_the_thread_that_answers_requests(opener: Callable[[], Ledger]) -> None:
    desk = Desk(opener)
    assert asked(desk, lambda _: threading.get_ident()) != threading.get_ident()
    assert asked(desk, lambda found: found.now()) == DECIDED
    desk.stop()


def test_it_fails_after_several_failures_in_a_row_and_is_given_another_chance(
    opener: Callable[[], Ledger], watch: Watch
) -> None:
    desk = Desk(opener, seconds=watch)
    for work, failing in ((lost, False), (lost, False), (refused, False), (lost, False), (lost, False), (lost, True)):
        with pytest.raises((UnavailableError, RefusalError)):
            asked(desk, work)
        assert desk.is_failing is failing
    watch.seconds += module.REST_SECONDS
    assert not desk.is_failing
    with pytest.raises(UnavailableError):
        asked(desk, lost)
    assert desk.is_failing
    asked(desk, lambda found: found.now())
    assert not desk.is_failing
    desk.stop()


def test_a_full_queue_is_no_failure_of_the_database(opener: Callable[[], Ledger]) -> None:
    desk = Desk(opener)
    for _ in range(5):
        with pytest.raises(UnavailableError):
            asked(desk, overloaded)
    assert not desk.is_failing
    desk.stop()


def test_a_database_that_does_not_answer_at_the_start_is_tried_again(
    opener: Callable[[], Ledger], watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[float] = []

    def opened() -> Ledger:
        tries.append(watch.seconds)
        if len(tries) < 3:
            raise UnavailableError(Reason.UNAVAILABLE, "the database does not answer")
        return opener()

    desk = Desk(opened, seconds=watch)
    with caplog.at_level(logging.WARNING):
        desk.start()
    assert "the ledger cannot be opened yet" in caplog.text
    for _ in range(5):
        with pytest.raises(UnavailableError):
            asked(desk, lambda found: found.now())
    assert len(tries) == 1
    assert desk.is_failing
    watch.seconds += module.REOPEN_SECONDS
    with pytest.raises(UnavailableError):
        asked(desk, lambda found: found.now())
    watch.seconds += module.REOPEN_SECONDS
    assert asked(desk, lambda found: found.now()) == DECIDED
    assert not desk.is_failing
    desk.stop()


def test_requests_that_would_wait_too_long_are_sent_away(
    opener: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "THREADS", 1)
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    desk, go = Desk(opener), threading.Event()

    async def crowd() -> list[Any]:
        waiting = [asyncio.create_task(desk.ask("store-7", lambda _: go.wait(20))) for _ in range(6)]
        while sum(task.done() for task in waiting) < 3:
            await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    found = asyncio.run(crowd())
    assert [one for one in found if one is True] == [True] * 3
    sent_away = [one for one in found if isinstance(one, UnavailableError)]
    assert [problem_of(one).status for one in sent_away] == [429] * 3
    desk.stop()


def test_unknown_codes_use_up_the_guesses_of_their_client(opener: Callable[[], Ledger]) -> None:
    desk, reasons = Desk(opener), []
    for _ in range(21):
        with pytest.raises(RefusalError) as caught:
            asked(desk, refused, names_code=True)
        reasons.append(caught.value.reason)
    assert reasons == [Reason.UNKNOWN_CODE] * 20 + [Reason.TOO_MANY_GUESSES]
    with pytest.raises(RefusalError, match="no such coupon"):
        asked(desk, refused)
    desk.stop()


def test_a_ledger_that_knows_no_consent_says_nothing_against_anybody(opener: Callable[[], Ledger]) -> None:
    desk = Desk(opener)
    assert desk.may_be_sent(1)
    desk.ledger().sync(Definitions(consents={1: True, 2: False}))
    assert [desk.may_be_sent(household) for household in (1, 2, 3)] == [True, False, False]
    desk.stop()


def test_without_a_business_time_nothing_is_asked(tmp_path: Path) -> None:
    settings, told = Settings(data=tmp_path, source=SOURCE), list[int]()

    def begin(fact: int) -> bool:
        told.append(fact)
        return fact > 0

    desk = Desk(lambda: open_ledger(settings.ledger, settings.ledger_key_file, "development", lambda: 0), begin)
    with pytest.raises(UnavailableError, match="business time is not known yet"):
        asked(desk, lambda found: found.now())
    with ledger(settings) as beside:
        beside.sync(DEFINITIONS)
        beside.issue("office", "first-fact", 1, 10, "app")
    asked(desk, lambda found: found.now())
    asked(desk, lambda found: found.now())
    assert told == [0, DECIDED]
    desk.stop()
