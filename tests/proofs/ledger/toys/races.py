"""Toys with a defect that shows where requests overlap or a process dies: one each."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.proofs.ledger.toys.toy import RefusedError, Request, Toy, Work

from coupon_pipeline.ledger.records import Definitions


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
