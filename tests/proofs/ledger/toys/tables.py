"""The tables of a coupon ledger of toy size, in memory, and what is done to them in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.proofs.ledger.judging.books import Books, EventRow, IssueRow, RedemptionRow
from tests.proofs.ledger.judging.told import first_failure

from coupon_pipeline.ledger.records import CampaignTerms, CouponTerms, Definitions

Request = Mapping[str, Any]


class RefusedError(Exception):
    """The name of a refusal."""


@dataclass
class ToyIssue:
    """A row."""

    issue_id: int
    terms: CouponTerms
    household: int
    issued_at: int
    state: str = "issued"
    held_by: str | None = None
    held_until: int = 0


@dataclass
class ToyUse:
    """A redemption; a tombstone without an issue."""

    redemption_id: int
    issue_id: int | None
    client: str
    key: str
    text: str
    basket_id: str
    discount: int
    at: int
    reversed_at: int | None = None


class Tables:
    """All of them; `now` is set by whoever runs it. Nothing comes between the statements of one step."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions, self.now = definitions, 0
        self.coupons = {terms.coupon_id: terms for terms in definitions.coupons}
        self.consents = dict(definitions.consents)
        self.issues: dict[int, ToyIssue] = {}
        self.uses: list[ToyUse] = []
        self.events: list[EventRow] = []
        self.kept: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}

    @property
    def campaign(self) -> CampaignTerms:
        """The only one."""
        return self.definitions.campaigns[0]

    def emit(self, topic: str, issue_id: int, use: ToyUse | None = None) -> None:
        """Tell of a change."""
        told = (None, 0) if use is None else (use.redemption_id, use.discount)
        self.events.append(EventRow(len(self.events) + 1, topic, issue_id, *told))

    def known(self, client: str, operation: str, key: str, request: Request) -> dict[str, Any] | None:
        """What a key was answered before."""
        found = self.kept.get((operation, client, key))
        if found is None:
            return None
        if found[0] != text_of(request):
            raise RefusedError("key_reused")
        return {**found[1], "replay": True}

    def keep(self, client: str, operation: str, key: str, request: Request, **answer: Any) -> dict[str, Any]:
        """Answer, and keep the answer."""
        self.kept[operation, client, key] = (text_of(request), answer)
        return {**answer, "replay": False}

    def use_of(self, client: str, key: str) -> ToyUse | None:
        """The redemption with a key."""
        return next((use for use in self.uses if (use.client, use.key) == (client, key)), None)

    def judged(self, client: str, request: Request) -> ToyIssue:
        """The issue of a code, if it can be used."""
        issue = self.issues.get(int(request["code"][5:]))
        if issue is None:
            raise RefusedError("unknown_code")
        if issue.state != "issued":
            raise RefusedError("already_redeemed" if issue.state == "redeemed" else issue.state)
        if self.is_over(issue.terms):
            raise RefusedError("expired")
        if self.now < issue.terms.valid_from:
            raise RefusedError("not_yet_valid")
        if self.is_held(issue, client):
            raise RefusedError("held")
        failure = first_failure(request, issue.terms, issue.household)
        if failure is not None:
            raise RefusedError(failure)
        return issue

    def is_over(self, terms: CouponTerms) -> bool:
        """Whether a coupon has expired."""
        return self.now >= terms.expires_at

    def is_held(self, issue: ToyIssue, client: str) -> bool:
        """Whether somebody else holds it."""
        return issue.held_by not in {None, client} and issue.held_until > self.now

    def replayed(self, use: ToyUse, request: Request) -> dict[str, Any]:
        """The answer that a redemption has had."""
        if use.issue_id is None or (use.reversed_at is not None and use.text == text_of(request)):
            raise RefusedError("reversed")
        if use.text != text_of(request):
            raise RefusedError("key_reused")
        return self.redeemed(use, replay=True)

    def redeemed(self, use: ToyUse, replay: bool) -> dict[str, Any]:
        """The answer of a redemption."""
        told = {"redemption_id": use.redemption_id, "issue_id": use.issue_id}
        return {**told, "discount_cents": use.discount, "redeemed_at": use.at, "replay": replay}

    def spend(self, client: str, key: str, request: Request, issue: ToyIssue) -> dict[str, Any]:
        """Redeem an issue that was judged."""
        issue.state = "redeemed"
        use = self.added(client, key, request, issue.issue_id)
        self.emit("redeemed", issue.issue_id, use)
        return self.redeemed(use, replay=False)

    def added(self, client: str, key: str, request: Request, issue_id: int | None) -> ToyUse:
        """A row for a redemption."""
        basket, discount = request.get("basket_id", ""), request.get("discount_cents", 0)
        use = ToyUse(len(self.uses) + 1, issue_id, client, key, text_of(request), basket, discount, self.now)
        self.uses.append(use)
        return use

    def refusal(self, terms: CouponTerms, household: int) -> str | None:
        """Why a coupon cannot be issued."""
        if not self.consents.get(household):
            return "no_consent"
        mine = [issue for issue in self.issues.values() if issue.household == household]
        if self.is_over(terms):
            return "expired"
        if terms.category and any(one.terms.category == terms.category and one.state == "issued" for one in mine):
            return "category_taken"
        if len(mine) >= self.campaign.per_household:
            return "household_cap"
        if terms.max_issues is not None and self.count(terms) >= terms.max_issues:
            return "coupon_cap"
        if self.campaign.liability_cents is not None and self.reserved() + terms.value_cents > (
            self.campaign.liability_cents
        ):
            return "liability_exhausted"
        return None

    def count(self, terms: CouponTerms) -> int:
        """How many of an offer are issued."""
        return sum(issue.terms is terms for issue in self.issues.values())

    def reserved(self) -> int:
        """Face value outstanding or redeemed."""
        return sum(one.terms.value_cents for one in self.issues.values() if one.state in {"issued", "redeemed"})

    def give(self, client: str, key: str, request: Request) -> dict[str, Any]:
        """Issue a coupon."""
        number = len(self.issues) + 1
        terms = self.coupons[request["coupon_id"]]
        self.issues[number] = ToyIssue(number, terms, request["household_id"], self.now)
        self.emit("issued", number)
        return self.keep(client, "issue", key, request, issue_id=number, code=f"code-{number}")

    def end(self, issue: ToyIssue, state: str) -> None:
        """End an issue that is not used."""
        issue.state = state
        self.emit(state, issue.issue_id)

    def give_back(self, issue: ToyIssue) -> None:
        """Make the issue of a reversed redemption usable, or end it."""
        state = "issued"
        mates = (one for one in self.issues.values() if one.household == issue.household and one is not issue)
        if self.is_over(issue.terms):
            state = "expired"
        elif not self.consents.get(issue.household) or (
            issue.terms.category
            and any(one.terms.category == issue.terms.category and one.state == "issued" for one in mates)
        ):
            state = "void"
        issue.state = state
        if state != "issued":
            self.emit(state, issue.issue_id)

    def books(self) -> Books:
        """All rows."""
        return Books(
            [
                IssueRow(
                    one.issue_id,
                    one.terms.coupon_id,
                    str(one.household),
                    one.terms.value_cents,
                    one.state,
                    one.issued_at,
                )
                for one in self.issues.values()
            ],
            [
                RedemptionRow(
                    use.redemption_id, use.issue_id, use.client, use.basket_id, use.discount, use.at, use.reversed_at
                )
                for use in self.uses
                if use.issue_id is not None
            ],
            self.events,
        )


def text_of(request: Request) -> str:
    """A request's parameters, to be compared."""
    return json.dumps(request, sort_keys=True)
