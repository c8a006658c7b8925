"""Why the ledger refuses: a closed list of names that never change, and the errors that carry them."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The name of a refusal; whoever calls decides by it, never by the words beside it."""

    UNKNOWN_CODE = "unknown_code"
    UNKNOWN_COUPON = "unknown_coupon"
    UNKNOWN_ISSUE = "unknown_issue"
    NO_CONSENT = "no_consent"
    CAMPAIGN_CLOSED = "campaign_closed"
    BUDGET_EXHAUSTED = "budget_exhausted"
    """The campaign has paid out its budget: nothing new is issued, what is issued stays good."""
    LIABILITY_EXHAUSTED = "liability_exhausted"
    """The face value outstanding or redeemed has reached a limit: of the campaign, the supplier or all together."""
    HOUSEHOLD_CAP = "household_cap"
    DAY_CAP = "day_cap"
    COUPON_CAP = "coupon_cap"
    CAMPAIGN_CAP = "campaign_cap"
    CATEGORY_TAKEN = "category_taken"
    """The household has a live coupon of the category."""
    ALREADY_REDEEMED = "already_redeemed"
    EXPIRED = "expired"
    VOID = "void"
    NOT_YET_VALID = "not_yet_valid"
    HELD = "held"
    """Another basket holds the coupon; it is free again when the hold ends."""
    REVERSED = "reversed"
    """The redemption with this key was reversed: redeem again under a new key."""
    WRONG_HOUSEHOLD = "wrong_household"
    HOUSEHOLD_REQUIRED = "household_required"
    MINIMUM_QUANTITY = "minimum_quantity"
    MINIMUM_SPEND = "minimum_spend"
    NOT_STACKABLE = "not_stackable"
    """The basket has used a coupon of the same group."""
    OVER_FACE_VALUE = "over_face_value"
    OVER_BASKET_VALUE = "over_basket_value"
    INVALID_AMOUNT = "invalid_amount"
    INVALID_TEXT = "invalid_text"
    KEY_REUSED = "key_reused"
    """The key was used for another request of the same operation."""
    INVALID_KEY = "invalid_key"
    TOO_MANY_GUESSES = "too_many_guesses"
    OVERLOADED = "overloaded"
    OUTCOME_UNKNOWN = "outcome_unknown"
    """The answer of the database was lost: the same request with the same key tells what has happened."""
    STORAGE_FULL = "storage_full"
    READ_ONLY = "read_only"
    UNAVAILABLE = "unavailable"


class RefusalError(Exception):
    """A request that the ledger refuses; nothing has changed."""

    def __init__(self, reason: Reason, detail: str, field: str | None = None) -> None:
        """`detail` says what to do, without any value of the request; `field` names the part of it that is wrong."""
        super().__init__(f"{reason.value}: {detail}")
        self.reason, self.detail, self.field = reason, detail, field


class UnavailableError(Exception):
    """The database did not do its work; with OUTCOME_UNKNOWN it may have: the same key tells."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason, self.detail = reason, detail
