"""How the ledger's refusals look over HTTP: one table of statuses, one way to word them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from serving.problem import Problem

from coupon_pipeline.ledger.guesses import TooManyGuessesError
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError

STATUS: Final[Mapping[Reason, int]] = {
    Reason.UNKNOWN_CODE: 404,
    Reason.UNKNOWN_COUPON: 404,
    Reason.UNKNOWN_ISSUE: 404,
    Reason.NO_CONSENT: 403,
    Reason.CAMPAIGN_CLOSED: 409,
    Reason.BUDGET_EXHAUSTED: 409,
    Reason.LIABILITY_EXHAUSTED: 409,
    Reason.HOUSEHOLD_CAP: 409,
    Reason.DAY_CAP: 409,
    Reason.COUPON_CAP: 409,
    Reason.CAMPAIGN_CAP: 409,
    Reason.CATEGORY_TAKEN: 409,
    Reason.ALREADY_REDEEMED: 409,
    Reason.EXPIRED: 409,
    Reason.VOID: 409,
    Reason.NOT_YET_VALID: 409,
    Reason.HELD: 409,
    Reason.REVERSED: 409,
    Reason.WRONG_HOUSEHOLD: 409,
    Reason.NOT_STACKABLE: 409,
    Reason.HOUSEHOLD_REQUIRED: 422,
    Reason.MINIMUM_QUANTITY: 422,
    Reason.MINIMUM_SPEND: 422,
    Reason.OVER_FACE_VALUE: 422,
    Reason.OVER_BASKET_VALUE: 422,
    Reason.INVALID_AMOUNT: 422,
    Reason.KEY_REUSED: 422,
    Reason.INVALID_KEY: 400,
    Reason.INVALID_TEXT: 400,
    Reason.TOO_MANY_GUESSES: 429,
    Reason.OVERLOADED: 429,
    Reason.OUTCOME_UNKNOWN: 503,
    Reason.STORAGE_FULL: 503,
    Reason.READ_ONLY: 503,
    Reason.UNAVAILABLE: 503,
}
RETRY_SECONDS: Final[Mapping[Reason, int]] = {
    Reason.OVERLOADED: 1,
    Reason.OUTCOME_UNKNOWN: 1,
    Reason.UNAVAILABLE: 5,
    Reason.STORAGE_FULL: 60,
    Reason.READ_ONLY: 60,
}
FIELDS: Final = {"key": "Idempotency-Key", "client": "Authorization"}
"""What the ledger calls a part of the request -> where HTTP has it, if that is not a field of the body."""


def problem_of(error: RefusalError | UnavailableError) -> Problem:
    """The problem that tells a client of a refusal, or of a database that does not answer."""
    detail = sentence(error.detail)
    field = error.field if isinstance(error, RefusalError) else None
    errors = ((FIELDS.get(field, field), detail),) if field else ()
    wait = error.seconds if isinstance(error, TooManyGuessesError) else RETRY_SECONDS.get(error.reason)
    headers = {"retry-after": str(wait)} if wait else None
    return Problem(STATUS[error.reason], error.reason.value, detail, errors, headers)


def sentence(text: str) -> str:
    """The text with a capital at its start and a full stop at its end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
