"""Asks again where that helps: with exponential backoff and jitter, and as late as the system wishes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.systems import Retry

logger = logging.getLogger(__name__)
LONGEST_WISH = 300.0
"""A system that asks for more seconds of patience than these is asked again after them."""

Answer = TypeVar("Answer")


class TransientError(Exception):
    """A failure that may be gone when the system is asked again; `after` is how many seconds it wants until then."""

    def __init__(self, cause: str, after: float | None = None) -> None:
        super().__init__(cause)
        self.after = after


def retried(retry: Retry, ask: Callable[[], Answer]) -> Answer:
    """The answer of `ask`; raises SourceError with the last cause once all attempts have failed."""
    grows = tenacity.wait_exponential(multiplier=retry.first_seconds, max=retry.most_seconds)
    backoff = grows + tenacity.wait_random(0, retry.first_seconds)

    def wait(state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        wish = failure.after if isinstance(failure, TransientError) else None
        return max(backoff(state), min(wish or 0.0, LONGEST_WISH))

    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retry.attempts),
        wait=wait,
        retry=tenacity.retry_if_exception_type(TransientError),
        before_sleep=_told,
        reraise=True,
    )
    try:
        return attempts(ask)
    except TransientError as error:
        tried = "once" if retry.attempts == 1 else f"{retry.attempts} times"
        raise SourceError(f"{error} (tried {tried})") from error


def _told(state: tenacity.RetryCallState) -> None:
    """Say that a wait is no hang, from the second one on: one failure now and then is nothing to read about."""
    if state.attempt_number > 1 and state.outcome is not None:
        logger.warning("%s; asked again after attempt %d", state.outcome.exception(), state.attempt_number)


def seconds_of(retry_after: str | None) -> float | None:
    """The wait that a Retry-After header asks for, in seconds or until a date; None where it says neither."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
