"""Many requests at one moment, and two that meet at a chosen point."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event
from typing import Any

import pytest

from tests.ledger.worlds import World

from coupon_pipeline.ledger.reasons import RefusalError
from coupon_pipeline.ledger.statement import Statement

TOGETHER = 16
SECONDS = 20
WAITING = Statement(
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)
Ask = Callable[[], Any]


def at_once(*asked: Ask) -> list[Any]:
    """Ask all in the same moment; the answers in the same order, refusals by the name of their reason."""
    barrier = Barrier(len(asked))

    def ask(one: Ask) -> Any:
        barrier.wait(SECONDS)
        return answered(one)

    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(ask, asked))


def answered(ask: Ask) -> Any:
    """The answer, or the name of the reason why there is none."""
    try:
        return ask()
    except RefusalError as refusal:
        return refusal.reason.value


def new_ones(answers: list[Any]) -> int:
    """How many were granted, and not for the second time."""
    return sum(not isinstance(answer, str) and not answer.replay for answer in answers)


@contextmanager
def stopped_in(module: Any, name: str, patch: pytest.MonkeyPatch) -> Generator[tuple[Event, Event]]:
    """Let the first call of a function wait within a transaction: (has come there, may go on)."""
    there, go = Event(), Event()
    original = getattr(module, name)

    def stopping(*args: Any, **named: Any) -> Any:
        if not there.is_set():
            there.set()
            assert go.wait(SECONDS), "nobody let it go on"
        return original(*args, **named)

    with patch.context() as within:
        within.setattr(module, name, stopping)
        try:
            yield there, go
        finally:
            go.set()


def meet(world: World, first: Ask, second: Ask, stop: tuple[Event, Event]) -> tuple[Any, Any]:
    """Let `second` run into the open transaction of `first` and wait for it; then both go on."""
    there, go = stop
    with ThreadPoolExecutor(2) as threads:
        early = threads.submit(answered, first)
        assert there.wait(SECONDS), "the first one did not come to its stop"
        late = threads.submit(answered, second)
        _until_it_waits(world, late)
        go.set()
        return early.result(SECONDS), late.result(SECONDS)


def _until_it_waits(world: World, asked: Future[Any]) -> None:
    """Return once the request waits for a lock of the other transaction, or is through."""
    while not asked.done():
        [waiting] = world.database.read(lambda tx: tx.one(WAITING)) or (0,)
        if waiting:
            return
