"""The toy with one classical defect each: a checker that misses any of them is not to be believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from tests.proofs.ledger.toy import RefusedError, Request, Toy, ToyIssue, ToyUse, Work

from coupon_pipeline.ledger.records import CouponTerms, Definitions


class CheckThenAct(Toy):
    """Looks whether a coupon is free, then takes it, in two transactions."""

    def redeem(self, client: str, key: str, request: Request) -> Work:
        use = self.use_of(client, key)
        if use is not None:
            return self.replayed(use, request)
        issue = self.judged(client, request)
        yield
        return self.spend(client, key, request, issue)


class KeyReadFirst(Toy):
    """Reads the key before the coupon, so that a retry sees its own first try as somebody else's."""

    def redeem(self, client: str, key: str, request: Request) -> Work:
        use = self.use_of(client, key)
        yield
        if use is not None:
            return self.replayed(use, request)
        return self.spend(client, key, request, self.judged(client, request))


class MissingUniqueIndex(Toy):
    """Looks for the key of an issue, but nothing in the table stops a second one."""

    def issue(self, client: str, key: str, request: Request) -> Work:
        known = self.known(client, "issue", key, request)
        yield
        if known is not None:
            return known
        reason = self.refusal(self.coupons[request["coupon_id"]], request["household_id"])
        if reason is not None:
            raise RefusedError(reason)
        return self.give(client, key, request)


class LateInsert(Toy):
    """Decides whether to issue, and issues later; a lock on the key and one rule alone is looked at again."""

    kept_rules: frozenset[str] = frozenset()

    def issue(self, client: str, key: str, request: Request) -> Work:
        terms = self.coupons[request["coupon_id"]]
        known = self.known(client, "issue", key, request)
        if known is not None:
            return known
        reason = self.refusal(terms, request["household_id"])
        yield
        known = self.known(client, "issue", key, request)
        if known is not None:
            return known
        reason = reason or next(iter({self.refusal(terms, request["household_id"]) or ""} & self.kept_rules), None)
        if reason is not None:
            raise RefusedError(reason)
        return self.give(client, key, request)


class UnescrowedBudget(LateInsert):
    """Adds up what is outstanding, then issues."""

    kept_rules = frozenset({"category_taken", "household_cap", "coupon_cap", "no_consent", "expired"})


class CapByCount(LateInsert):
    """Counts the issues of an offer, then issues."""

    kept_rules = frozenset({"category_taken", "household_cap", "liability_exhausted", "no_consent", "expired"})


class HouseholdCapByCount(LateInsert):
    """Counts the issues of a household, then issues."""

    kept_rules = frozenset({"category_taken", "coupon_cap", "liability_exhausted", "no_consent", "expired"})


class CategoryNotUnique(LateInsert):
    """Looks for a live coupon of the category, then issues."""

    kept_rules = frozenset({"household_cap", "coupon_cap", "liability_exhausted", "no_consent", "expired"})


class ConsentReadBefore(LateInsert):
    """Reads consent in a transaction of its own."""

    kept_rules = frozenset({"household_cap", "coupon_cap", "liability_exhausted", "category_taken", "expired"})


class NonAtomicOutbox(Toy):
    """Tells of a redemption in a second transaction."""

    def redeem(self, client: str, key: str, request: Request) -> Work:
        use = self.use_of(client, key)
        if use is not None:
            return self.replayed(use, request)
        issue = self.judged(client, request)
        issue.state = "redeemed"
        use = self.added(client, key, request, issue.issue_id)
        yield
        self.emit("redeemed", issue.issue_id, use)
        return self.redeemed(use, replay=False)


class HalfRedemption(Toy):
    """Marks the coupon as used in one transaction and writes the redemption in another."""

    def redeem(self, client: str, key: str, request: Request) -> Work:
        use = self.use_of(client, key)
        if use is not None:
            return self.replayed(use, request)
        issue = self.judged(client, request)
        issue.state = "redeemed"
        yield
        return self.spend(client, key, request, issue)


class AnswerBeforeCommit(Toy):
    """Answers, and commits every now and then: a death takes back what was acknowledged."""

    def __init__(self, definitions: Definitions) -> None:
        super().__init__(definitions)
        self.committed: dict[str, Any] = {}
        self.served = 0

    def redeem(self, client: str, key: str, request: Request) -> Work:
        answer = yield from super().redeem(client, key, request)
        self.served += 1
        if self.served % 4 == 0:
            self.commit()
        return answer

    def commit(self) -> None:
        """Make it last."""
        self.committed = deepcopy({"issues": self.issues, "uses": self.uses, "events": self.events, "kept": self.kept})

    def die(self) -> None:
        for name, table in deepcopy(self.committed).items():
            setattr(self, name, table)


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


PLANTED: Final[Mapping[type[Toy], frozenset[str]]] = {
    CheckThenAct: frozenset({"double", "unexplained"}),
    KeyReadFirst: frozenset({"unexplained"}),
    MissingUniqueIndex: frozenset({"answer"}),
    UnescrowedBudget: frozenset({"limit"}),
    CapByCount: frozenset({"cap"}),
    HouseholdCapByCount: frozenset({"cap"}),
    CategoryNotUnique: frozenset({"cap"}),
    ConsentReadBefore: frozenset({"unexplained"}),
    NonAtomicOutbox: frozenset({"difference"}),
    HalfRedemption: frozenset({"difference", "unexplained"}),
    AnswerBeforeCommit: frozenset({"lost"}),
    ReverseKeepsSpent: frozenset({"unexplained", "difference"}),
    GivesBackTwice: frozenset({"double", "unexplained"}),
    NoTombstone: frozenset({"unexplained"}),
    RevivesUnwanted: frozenset({"unexplained"}),
    AnswersAnew: frozenset({"answer"}),
    IgnoresParameters: frozenset({"unexplained"}),
    EdgeOfExpiry: frozenset({"unexplained"}),
    HoldIgnored: frozenset({"unexplained"}),
    VoidsWhatIsSpent: frozenset({"unexplained", "difference"}),
    RefusesAfterWriting: frozenset({"difference", "unexplained"}),
    StaleRead: frozenset({"unexplained"}),
    ReleasesTwice: frozenset({"limit"}),
    ToldTwice: frozenset({"difference"}),
}
"""Defect -> as what it shows."""
