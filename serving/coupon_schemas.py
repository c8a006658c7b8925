"""The bodies of the coupon routes: strict requests, and answers as the API document describes them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.schemas import Id, Strict

MAX_LINES = 200
MAX_QUANTITY = 10_000
MAX_CENTS = 1_000_000_000

Code = Annotated[
    str,
    Field(
        description="As the customer shows it or the cashier types it. Case, spaces and dashes do not matter.",
        examples=["CNPH-NP4V-2YZD-G2T9M"],
    ),
]
Key = Annotated[
    str, Field(pattern=r"^[ -~]{8,128}$", description="An Idempotency-Key: 8 to 128 printable ASCII characters.")
]
Cents = Annotated[int, Field(ge=0, le=MAX_CENTS, description="Minor units, a whole number.")]
Instant = Annotated[str, Field(description="UTC, ISO 8601 with milliseconds.", examples=["2025-03-10T04:00:00.000Z"])]
Replay = Annotated[bool, Field(description="True: the key was used before, and this is its first answer once more.")]


class IssueRequest(Strict):
    """Give a coupon to a household."""

    household_id: Id
    coupon_id: Id
    decision_id: Id | None = Field(default=None, description="Identity of the decision, as /recommend tells it.")
    channel: Id = Field(examples=["app"], description="By what the coupon goes to the household.")


class Line(Strict):
    """A line of a basket."""

    product_id: Id
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    gross_cents: Cents


class _Presented(Strict):
    code: Code
    household_id: Id | None = None
    store_id: Id
    till_id: Id | None = None
    lines: list[Line] | None = Field(default=None, max_length=MAX_LINES)


class ValidateRequest(_Presented):
    """A coupon in an open basket; what is not told about the basket is not checked."""

    basket_id: Id | None = None


class HoldRequest(_Presented):
    """A coupon to keep for an open basket."""

    basket_id: Id


class RedeemRequest(Strict):
    """A coupon to use with a basket that is paid."""

    code: Code
    household_id: Id | None = None
    store_id: Id
    till_id: Id
    basket_id: Id
    lines: list[Line] = Field(max_length=MAX_LINES)
    discount_cents: Cents


class ReverseRequest(Strict):
    """A redemption to undo."""

    redeem_key: Key = Field(description="The Idempotency-Key of the redemption; it need not have arrived yet.")


class VoidRequest(Strict):
    """An issue to cancel, named by its code or by its id."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["code"]}, {"required": ["issue_id"]}]})

    code: Code | None = None
    issue_id: Id | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.code is None) == (self.issue_id is None):
            raise ValueError("give either code or issue_id")
        return self


class IssueAnswer(BaseModel):
    """The issue and its code. The code is told here alone; asking again with the same key tells it again."""

    issue_id: str
    code: str
    valid_from: Instant
    expires_at: Instant = Field(description="Exclusive: at this instant the coupon has expired.")
    valid_to: str = Field(description="Last store-local day, ISO.")
    replay: Replay


class ValidateAnswer(BaseModel):
    """The coupon could be redeemed at this moment; nothing is promised."""

    issue_id: str
    coupon_id: str
    value_cents: int = Field(description="The most that a redemption takes off.")
    min_quantity: int
    min_spend_cents: int
    valid_from: Instant
    expires_at: Instant
    valid_to: str


class HoldAnswer(BaseModel):
    """Until then no other client can redeem the coupon."""

    issue_id: str
    held_until: Instant
    replay: Replay


class RedeemAnswer(BaseModel):
    """The coupon is used."""

    redemption_id: str
    issue_id: str
    discount_cents: int
    redeemed_at: Instant
    replay: Replay


class ReverseAnswer(BaseModel):
    """The redemption is undone, or can never arrive."""

    issue_id: str | None = Field(description="Null where the redemption had not arrived.")
    state: Literal["issued", "expired", "void", "redeemed"] | None = Field(
        description="State of the issue: `issued` where the coupon can be used again."
    )
    reversed_at: Instant
    replay: Replay


class VoidAnswer(BaseModel):
    """The issue is cancelled."""

    issue_id: str
    replay: Replay


class FieldError(BaseModel):
    """What is wrong with one part of the request."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """Problem details (RFC 9457). Programs decide by `code`, never by the words beside it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError]
