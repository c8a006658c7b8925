"""What the coupon routes do: each asks the ledger once and words its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from serving import coupon_schemas as schemas
from serving.api_keys import Role
from serving.ids import number
from serving.route import Admitted, Route

from coupon_pipeline.clock import from_epoch
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Basket, Line

Answer = dict[str, Any]

OF_THE_DATABASE: Final = (
    Reason.OVERLOADED,
    Reason.OUTCOME_UNKNOWN,
    Reason.STORAGE_FULL,
    Reason.READ_ONLY,
    Reason.UNAVAILABLE,
)
OF_A_CODE: Final = (
    Reason.UNKNOWN_CODE,
    Reason.TOO_MANY_GUESSES,
    Reason.ALREADY_REDEEMED,
    Reason.EXPIRED,
    Reason.VOID,
    Reason.NOT_YET_VALID,
    Reason.HELD,
    Reason.WRONG_HOUSEHOLD,
    Reason.HOUSEHOLD_REQUIRED,
    Reason.NOT_STACKABLE,
    Reason.INVALID_AMOUNT,
    Reason.MINIMUM_QUANTITY,
    Reason.MINIMUM_SPEND,
)
OF_AN_ISSUE: Final = (
    Reason.UNKNOWN_COUPON,
    Reason.NO_CONSENT,
    Reason.CAMPAIGN_CLOSED,
    Reason.EXPIRED,
    Reason.BUDGET_EXHAUSTED,
    Reason.LIABILITY_EXHAUSTED,
    Reason.HOUSEHOLD_CAP,
    Reason.DAY_CAP,
    Reason.COUPON_CAP,
    Reason.CAMPAIGN_CAP,
    Reason.CATEGORY_TAKEN,
)
NO_BASKET: Final = "—"
"""Stands for a basket that is not told: no request can name it, ids are ASCII."""
BODY_BYTES: Final = 4 * 1024
BASKET_BYTES: Final = 48 * 1024
"""Room for the longest basket."""


@dataclass(frozen=True)
class Operation:
    """One route below /v1/coupons."""

    name: str
    summary: str
    body: type[BaseModel]
    answer: type[BaseModel]
    roles: tuple[Role, ...]
    reasons: tuple[Reason, ...]
    """Why the ledger may refuse it, beside a database that does not do its work."""
    call: Callable[[Ledger, str, Admitted], Answer]
    """(ledger, client, request) -> answer, as `answer` describes it."""
    changes: bool = True
    max_bytes: int = BODY_BYTES

    @property
    def path(self) -> str:
        """Where it is found."""
        return f"/v1/coupons/{self.name}"

    @property
    def route(self) -> Route:
        """What the guard lets through to it."""
        return Route(("POST",), self.body, self.max_bytes, roles=self.roles, needs_key=self.changes)


def issue(ledger: Ledger, client: str, asked: Admitted) -> Answer:
    """IssueAnswer."""
    body: schemas.IssueRequest = asked.body
    # Before the issue: nothing may fail between its commit and the answer.
    zone = _zone(ledger)
    issued = ledger.issue(
        client,
        asked.key,
        number(body.household_id),
        number(body.coupon_id),
        body.channel,
        decision_id=body.decision_id,
    )
    window = _window(zone, issued.valid_from, issued.expires_at)
    return {"issue_id": str(issued.issue_id), "code": issued.code} | window | {"replay": issued.replay}


def validate(ledger: Ledger, client: str, asked: Admitted) -> Answer:
    """ValidateAnswer."""
    found = ledger.validate(client, asked.body.code, _basket(asked.body))
    return {
        "issue_id": str(found.issue_id),
        "coupon_id": str(found.coupon_id),
        "value_cents": found.value_cents,
        "min_quantity": found.min_quantity,
        "min_spend_cents": found.min_spend_cents,
    } | _window(_zone(ledger), found.valid_from, found.expires_at)


def hold(ledger: Ledger, client: str, asked: Admitted) -> Answer:
    """HoldAnswer."""
    held = ledger.hold(client, asked.key, asked.body.code, _basket(asked.body))
    return {"issue_id": str(held.issue_id), "held_until": instant(held.held_until), "replay": held.replay}


def redeem(ledger: Ledger, client: str, asked: Admitted) -> Answer:
    """RedeemAnswer."""
    done = ledger.redeem(client, asked.key, asked.body.code, _basket(asked.body), asked.body.discount_cents)
    return {
        "redemption_id": str(done.redemption_id),
        "issue_id": str(done.issue_id),
        "discount_cents": done.discount_cents,
        "redeemed_at": instant(done.redeemed_at),
        "replay": done.replay,
    }


def reverse(ledger: Ledger, client: str, asked: Admitted) -> Answer:
    """ReverseAnswer."""
    done = ledger.reverse(client, asked.key, asked.body.redeem_key)
    return {
        "issue_id": None if done.issue_id is None else str(done.issue_id),
        "state": done.state,
        "reversed_at": instant(done.reversed_at),
        "replay": done.replay,
    }


def void(ledger: Ledger, client: str, asked: Admitted) -> Answer:
    """VoidAnswer."""
    body: schemas.VoidRequest = asked.body
    issue_id = None if body.issue_id is None else number(body.issue_id)
    done = ledger.void(client, asked.key, code=body.code, issue_id=issue_id)
    return {"issue_id": str(done.issue_id), "replay": done.replay}


OPERATIONS: Final = (
    Operation(
        "issue",
        "Give a coupon to a household",
        schemas.IssueRequest,
        schemas.IssueAnswer,
        ("app", "batch"),
        (*OF_AN_ISSUE, Reason.KEY_REUSED),
        issue,
    ),
    Operation(
        "validate",
        "Ask whether a coupon could be redeemed",
        schemas.ValidateRequest,
        schemas.ValidateAnswer,
        ("till", "app"),
        OF_A_CODE,
        validate,
        changes=False,
        max_bytes=BASKET_BYTES,
    ),
    Operation(
        "hold",
        "Keep a coupon for an open basket, for five minutes",
        schemas.HoldRequest,
        schemas.HoldAnswer,
        ("till",),
        (*OF_A_CODE, Reason.KEY_REUSED),
        hold,
        max_bytes=BASKET_BYTES,
    ),
    Operation(
        "redeem",
        "Use a coupon, once",
        schemas.RedeemRequest,
        schemas.RedeemAnswer,
        ("till",),
        (*OF_A_CODE, Reason.OVER_FACE_VALUE, Reason.OVER_BASKET_VALUE, Reason.REVERSED, Reason.KEY_REUSED),
        redeem,
        max_bytes=BASKET_BYTES,
    ),
    Operation(
        "reverse",
        "Undo a redemption, also one that has not arrived",
        schemas.ReverseRequest,
        schemas.ReverseAnswer,
        ("till",),
        (Reason.KEY_REUSED,),
        reverse,
    ),
    Operation(
        "void",
        "Cancel an issue that is not used",
        schemas.VoidRequest,
        schemas.VoidAnswer,
        ("batch",),
        (
            Reason.UNKNOWN_CODE,
            Reason.TOO_MANY_GUESSES,
            Reason.UNKNOWN_ISSUE,
            Reason.ALREADY_REDEEMED,
            Reason.EXPIRED,
            Reason.KEY_REUSED,
        ),
        void,
    ),
)


def instant(milliseconds: int) -> str:
    """Epoch milliseconds as ISO 8601, UTC."""
    return from_epoch(milliseconds).isoformat(timespec="milliseconds") + "Z"


def _zone(ledger: Ledger) -> ZoneInfo:
    """The time zone of the stores."""
    return ZoneInfo(ledger.setting("timezone") or "UTC")


def _window(zone: ZoneInfo, valid_from: int, expires_at: int) -> Answer:
    last_day = from_epoch(expires_at - 1).replace(tzinfo=UTC).astimezone(zone).date()
    return {"valid_from": instant(valid_from), "expires_at": instant(expires_at), "valid_to": last_day.isoformat()}


def _basket(body: schemas.ValidateRequest | schemas.HoldRequest | schemas.RedeemRequest) -> Basket:
    lines = body.lines
    if lines is not None:
        lines = tuple(Line(number(line.product_id), line.quantity, line.gross_cents) for line in lines)
    household = None if body.household_id is None else number(body.household_id)
    return Basket(body.store_id, body.basket_id or NO_BASKET, body.till_id, lines, household)
