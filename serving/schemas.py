"""The bodies of the service: strict requests, and answers as its documents describe them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_OFFERS = 10
MAX_PAIRS = 10_000

Id = Annotated[
    str, Field(pattern=r"^[ -~]{1,64}$", description="The grocer's own id: 1 to 64 printable ASCII characters.")
]


class Strict(BaseModel):
    """A body that must be of exactly the shape that is described, and that no message quotes."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class BasketLine(Strict):
    """One product of the open basket."""

    product_id: Id
    quantity: int = Field(ge=1, le=10_000)


class RecommendRequest(Strict):
    """Who asks for offers. `store_id` and `basket` are checked, but do not change the offers."""

    household_id: Id
    store_id: Id | None = None
    basket: list[BasketLine] | None = Field(default=None, max_length=100)
    limit: int = Field(default=MAX_OFFERS, ge=1, le=MAX_OFFERS)


class Pair(Strict):
    """A household and a coupon."""

    household_id: Id
    coupon_id: Id


class ScoreRequest(Strict):
    """Pairs to score, answered in the same order."""

    pairs: list[Pair] = Field(min_length=1, max_length=MAX_PAIRS)


Reason = Literal["household_habits", "coupon_itself", "fit_of_household_and_coupon"]


class Offer(BaseModel):
    """A coupon worth its cost."""

    decision_id: str | None = Field(description="Identity of the decision; null for an unknown household.")
    coupon_id: str
    name: str
    score: float | None = Field(description="What offers are ranked by: value less the price of their expected cost.")
    value_cents: float | None = Field(description="Expected money value; null under the objective `redemptions`.")
    face_value_cents: int | None = Field(description="Null where the source does not tell.")
    valid_to: str = Field(description="Last store-local day, ISO.")
    reasons: list[Reason] = Field(
        description="Groups of features that raise the redemption probability, strongest first: the model is asked "
        "again with typical values for the group (an ablation, not a Shapley value)."
    )


class RecommendAnswer(BaseModel):
    """Offers, best first."""

    request_id: str
    offers: list[Offer]
    degraded: bool = Field(description="True: the household is unknown and gets the popular coupons.")
    reason: Literal["no_marketing_consent"] | None = Field(default=None, description="Why a household gets no offers.")
    model_version: str
    bundle_version: str


class ScoreAnswer(BaseModel):
    """Redemption probabilities in the order of the pairs; null where the bundle holds no such pair."""

    scores: list[float | None]
    model_version: str
    bundle_version: str
