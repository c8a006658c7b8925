"""Toys with a rule that they break, or forget in one place: one each."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from tests.proofs.ledger.toys.tables import RefusedError, Request, ToyIssue, ToyUse
from tests.proofs.ledger.toys.toy import Toy, Work

from coupon_pipeline.ledger.records import CouponTerms, Definitions


class ReverseKeepsSpent(Toy):
    """Notes the reversal and leaves the coupon spent."""

    def give_back(self, issue: ToyIssue) -> None:
        """Forgotten."""


class GivesBackTwice(Toy):
    """A second reversal of the same redemption gives back whoever's coupon it has become."""

    def reverse(self, client: str, key: str, request: Request) -> Work:
        use = self.use_of(client, request["redeem_key"])
        answer = yield from super().reverse(client, key, request)
        if use is not None and use.issue_id is not None and self.issues[use.issue_id].state == "redeemed":
            self.issues[use.issue_id].state = "issued"
        return answer


class NoTombstone(Toy):
    """A reversal that comes before its redemption leaves nothing behind."""

    def added(self, client: str, key: str, request: Request, issue_id: int | None) -> ToyUse:
        use = super().added(client, key, request, issue_id)
        if issue_id is None:
            self.uses[-1] = ToyUse(use.redemption_id, None, "", "", "", "", 0, self.now)
        return use


class RevivesUnwanted(Toy):
    """A reversal gives back a coupon though its household has withdrawn its consent."""

    def give_back(self, issue: ToyIssue) -> None:
        issue.state = "expired" if self.is_over(issue.terms) else "issued"
        if issue.state == "expired":
            self.emit("expired", issue.issue_id)


class AnswersAnew(Toy):
    """A retry is answered by what holds at its time."""

    def replayed(self, use: ToyUse, request: Request) -> dict[str, Any]:
        return {**super().replayed(use, request), "redeemed_at": self.now}


class IgnoresParameters(Toy):
    """A key with other parameters gets the old answer."""

    def replayed(self, use: ToyUse, request: Request) -> dict[str, Any]:
        return super().replayed(use, json.loads(use.text))


class EdgeOfExpiry(Toy):
    """Accepts a coupon at the very millisecond at which it expires."""

    def is_over(self, terms: CouponTerms) -> bool:
        return self.now > terms.expires_at


class HoldIgnored(Toy):
    """Lets anybody redeem what another basket holds."""

    def is_held(self, issue: ToyIssue, client: str) -> bool:
        return False


class VoidsWhatIsSpent(Toy):
    """Looks whether a coupon is free, and voids it later."""

    def void(self, client: str, key: str, request: Request) -> Work:
        issue = self.issues.get(int(request["code"][5:]))
        was_free = issue is not None and issue.state == "issued"
        yield
        if issue is not None and was_free:
            self.end(issue, "void")
            return self.keep(client, "void", key, request, issue_id=issue.issue_id)
        return (yield from super().void(client, key, request))


class RefusesAfterWriting(Toy):
    """Finds out that a basket is too small when the coupon is already spent."""

    def redeem(self, client: str, key: str, request: Request) -> Work:
        try:
            return (yield from super().redeem(client, key, request))
        except RefusedError as refusal:
            if str(refusal) == "over_face_value":
                self.issues[int(request["code"][5:])].state = "redeemed"
            raise


class StaleRead(Toy):
    """Judges by a copy of the coupon that is some requests old."""

    def __init__(self, definitions: Definitions) -> None:
        super().__init__(definitions)
        self.seen: dict[str, ToyIssue] = {}

    def validate(self, client: str, key: str | None, request: Request) -> Work:
        yield from ()
        number = int(request["code"][5:])
        old = self.seen.get(request["code"])
        if number in self.issues:
            self.seen[request["code"]] = deepcopy(self.issues[number])
        if old is None:
            return {"issue_id": self.judged(client, request).issue_id}
        present, self.issues[number] = self.issues[number], old
        try:
            return {"issue_id": self.judged(client, request).issue_id}
        finally:
            self.issues[number] = present


class ReleasesTwice(Toy):
    """What an ended coupon had reserved is given back once per request to end it."""

    def __init__(self, definitions: Definitions) -> None:
        super().__init__(definitions)
        self.given_back = 0

    def void(self, client: str, key: str, request: Request) -> Work:
        answer = yield from super().void(client, key, request)
        if answer["replay"] or self.given_back == 0:
            self.given_back += 100
        return answer

    def reserved(self) -> int:
        return super().reserved() - self.given_back


class ToldTwice(Toy):
    """A replay writes its event once more."""

    def replayed(self, use: ToyUse, request: Request) -> dict[str, Any]:
        answer = super().replayed(use, request)
        self.emit("redeemed", use.issue_id or 0, use)
        return answer
