"""A coupon ledger of toy size: right as it stands, made to be broken in one place at a time.

An operation is a generator: at each `yield` others may come between, or the process may die.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from tests.proofs.ledger.toys.tables import RefusedError, Request, Tables

Work = Generator[None, None, dict[str, Any]]


class Toy(Tables):
    """The operations."""

    def run(self, client: str, operation: str, key: str | None, request: Request) -> Work:
        """One request, with its ways there and back."""
        yield
        answer = yield from getattr(self, operation)(client, key, request)
        yield
        return answer

    def issue(self, client: str, key: str, request: Request) -> Work:
        """Issue a coupon to a household."""
        yield from ()
        known = self.known(client, "issue", key, request)
        if known is not None:
            return known
        reason = self.refusal(self.coupons[request["coupon_id"]], request["household_id"])
        if reason is not None:
            raise RefusedError(reason)
        return self.give(client, key, request)

    def validate(self, client: str, key: str | None, request: Request) -> Work:
        """Look at a coupon."""
        yield from ()
        return {"issue_id": self.judged(client, request).issue_id}

    def hold(self, client: str, key: str, request: Request) -> Work:
        """Hold a coupon."""
        yield from ()
        known = self.known(client, "hold", key, request)
        if known is not None:
            return known
        issue = self.judged(client, request)
        issue.held_by = client
        issue.held_until = min(self.now + int(1_000 * request["seconds"]), issue.terms.expires_at)
        return self.keep(client, "hold", key, request, issue_id=issue.issue_id, held_until=issue.held_until)

    def redeem(self, client: str, key: str, request: Request) -> Work:
        """Use a coupon."""
        yield from ()
        use = self.use_of(client, key)
        if use is not None:
            return self.replayed(use, request)
        return self.spend(client, key, request, self.judged(client, request))

    def reverse(self, client: str, key: str, request: Request) -> Work:
        """Undo a redemption."""
        yield from ()
        known = self.known(client, "reverse", key, request)
        if known is not None:
            return known
        use = self.use_of(client, request["redeem_key"])
        if use is None:
            use = self.added(client, request["redeem_key"], {}, None)
            use.reversed_at = self.now
        elif use.reversed_at is None:
            use.reversed_at = self.now
            self.emit("reversed", use.issue_id or 0, use)
            self.give_back(self.issues[use.issue_id or 0])
        state = None if use.issue_id is None else self.issues[use.issue_id].state
        told = {"issue_id": use.issue_id, "state": state, "reversed_at": use.reversed_at}
        return self.keep(client, "reverse", key, request, **told)

    def void(self, client: str, key: str, request: Request) -> Work:
        """Cancel an issue."""
        yield from ()
        known = self.known(client, "void", key, request)
        if known is not None:
            return known
        issue = self.issues.get(int(request["code"][5:]))
        if issue is None:
            raise RefusedError("unknown_code")
        if issue.state in {"redeemed", "expired"}:
            raise RefusedError("already_redeemed" if issue.state == "redeemed" else "expired")
        if issue.state == "issued":
            self.end(issue, "void")
        return self.keep(client, "void", key, request, issue_id=issue.issue_id)

    def withdraw(self, client: str, key: str | None, request: Request) -> Work:
        """Note that a household does not want coupons any more."""
        yield from ()
        self.consents[request["household_id"]] = False
        for issue in self.issues.values():
            if issue.household == request["household_id"] and issue.state == "issued":
                self.end(issue, "void")
        return {}

    def expire(self, client: str, key: str | None, request: Request) -> Work:
        """End what is over."""
        yield from ()
        for issue in self.issues.values():
            if issue.state == "issued" and self.is_over(issue.terms):
                self.end(issue, "expired")
        return {}

    def die(self) -> None:
        """The process is killed: what was not done at once is lost."""
