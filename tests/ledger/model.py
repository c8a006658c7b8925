"""What the ledger must do, in plain Python: dictionaries and lists, one request at a time, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.ledger.against import against_issue, against_use, refuse_first
from tests.ledger.books import Books, Entry, Event, RefusedError, Sale

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import (
    Assignment,
    Basket,
    CouponTerms,
    Held,
    Issued,
    Outcome,
    Redeemed,
    Reversed,
    Valid,
    Voided,
)

LONGEST_HOLD, SHORTEST_KEY = 3_600, 8


@dataclass
class Model(Books):
    """Operations as `Ledger` has them. A code is the number of its issue, an unknown one 0."""

    answers: dict[tuple[str, str, str], tuple[Any, Any]] = field(default_factory=dict)
    """(operation, client, key) -> what was asked, and what was answered."""

    def issue(self, client: str, key: str, household: int, coupon_id: int, channel: str = "app") -> Issued:
        """One coupon to one household, unless anything speaks against it."""
        known = self._known("issue", client, key, (household, coupon_id, channel))
        if known is not None:
            return replace(known, replay=True)
        coupon = self.coupons.get(coupon_id)
        if coupon is None:
            raise RefusedError(Reason.UNKNOWN_COUPON)
        over = [one for one in self.rivals(household, coupon) if one.coupon.expires_at <= self.now]
        refuse_first(against_issue(self, household, coupon, over))
        self.end(over, "expired")
        entry = Entry(len(self.entries) + 1, coupon, household, self.now, channel)
        self.entries.append(entry)
        self.events.append(Event("issued", entry))
        answer = Issued(entry.number, str(entry.number), coupon.valid_from, coupon.expires_at, replay=False)
        return self._keep("issue", client, key, (household, coupon_id, channel), answer)

    def issue_all(self, client: str, assignments: Sequence[Assignment]) -> list[Outcome]:
        """The same, one after the other, once all that is over has ended and all that is paid is counted."""
        self.expire()
        self.roll_up()
        outcomes = []
        for one in assignments:
            try:
                answer = self.issue(client, one.decision_id, one.household_id, one.coupon_id, one.channel)
                outcomes.append(Outcome(one.decision_id, answer.issue_id, None, answer.replay))
            except RefusedError as refusal:
                outcomes.append(Outcome(one.decision_id, None, refusal.reason.value))
        return outcomes

    def validate(self, client: str, code: int, basket: Basket) -> Valid:
        """Whether it could be redeemed now."""
        _check(basket=basket)
        entry, terms = self._usable(client, code, basket)
        least = terms.min_quantity, terms.min_spend_cents
        times = entry.coupon.valid_from, entry.coupon.expires_at
        return Valid(entry.number, terms.coupon_id, entry.coupon.value_cents, *least, *times)

    def hold(self, client: str, key: str, code: int, basket: Basket, seconds: int) -> Held:
        """Keep it from other clients."""
        if not 1 <= seconds <= LONGEST_HOLD:
            raise RefusedError(Reason.INVALID_AMOUNT)
        _check(key, basket)
        asked = code, basket.store_id, basket.basket_id, basket.household_id, seconds
        known = self._known("hold", client, key, asked)
        if known is not None:
            return replace(known, replay=True)
        entry, _ = self._usable(client, code, basket)
        entry.held_by, entry.held_until = client, min(self.now + seconds * 1_000, entry.coupon.expires_at)
        return self._keep("hold", client, key, asked, Held(entry.number, entry.held_until, replay=False))

    def redeem(self, client: str, key: str, code: int, basket: Basket, discount: int) -> Redeemed:
        """Use it up; a key that is known answers before anything else is judged."""
        _check(key, basket)
        asked = code, basket, discount
        sale = self.sales.get((client, key))
        is_replay = sale is not None
        if sale is None:
            entry, terms = self._usable(client, code, basket, discount)
            sale = Sale(len(self.sales) + 1, entry, asked, basket, discount, self.now, terms.stacking_group)
            self.sales[client, key] = sale
            entry.state = "redeemed"
            self.events.append(Event("redeemed", entry, sale))
        elif sale.entry is None or (sale.reversed_at is not None and sale.asked == asked):
            raise RefusedError(Reason.REVERSED)
        elif sale.asked != asked:
            raise RefusedError(Reason.KEY_REUSED)
        assert sale.entry is not None
        return Redeemed(sale.number, sale.entry.number, sale.discount, sale.at, is_replay)

    def reverse(self, client: str, key: str, redeem_key: str) -> Reversed:
        """Undo a redemption, or see to it that it never happens."""
        known = self._known("reverse", client, key, redeem_key)
        if known is not None:
            return replace(known, replay=True)
        _check(redeem_key)
        sale = self.sales.get((client, redeem_key))
        was_known = sale is not None and sale.reversed_at is not None
        if sale is None:
            sale = Sale(len(self.sales) + 1, None, None, None, 0, self.now, None, self.now)
            self.sales[client, redeem_key] = sale
        elif not was_known:
            self._give_back(sale)
        number, state = (sale.entry.number, sale.entry.state) if sale.entry else (None, None)
        answer = Reversed(number, state, sale.reversed_at or 0, was_known)
        return self._keep("reverse", client, key, redeem_key, answer)

    def void(self, client: str, key: str, code: int | None = None, issue_id: int | None = None) -> Voided:
        """Cancel what is not used; once more is no mistake."""
        known = self._known("void", client, key, (code, issue_id))
        if known is not None:
            return replace(known, replay=True)
        if not (code or issue_id):
            raise RefusedError(Reason.UNKNOWN_ISSUE if code is None else Reason.UNKNOWN_CODE)
        entry = self.entries[(code or issue_id or 0) - 1]
        if entry.state in ("redeemed", "expired"):
            raise RefusedError(Reason.ALREADY_REDEEMED if entry.state == "redeemed" else Reason.EXPIRED)
        answer = Voided(entry.number, entry.state == "void")
        self.end([entry] if entry.state == "issued" else [], "void")
        return self._keep("void", client, key, (code, issue_id), answer)

    def erase(self, household: int) -> int:
        """End what is open, forget whose it was, never issue to it again."""
        self.erased.add(household)
        self.consents.pop(household, None)
        own = [one for one in self.entries if one.household == household]
        numbers = {one.number for one in own}
        gone = [key for key, (_, answer) in self.answers.items() if key[0] == "issue" and answer.issue_id in numbers]
        for key in gone:
            del self.answers[key]
        ended = [one for one in own if one.state == "issued"]
        self.end(ended, "void")
        for one in own:
            one.household = None
        return len(ended)

    def _known(self, operation: str, client: str, key: str, asked: Any) -> Any:
        _check(key)
        before, answer = self.answers.get((operation, client, key), (asked, None))
        if before != asked:
            raise RefusedError(Reason.KEY_REUSED)
        return answer

    def _keep(self, operation: str, client: str, key: str, asked: Any, answer: Any) -> Any:
        self.answers[operation, client, key] = asked, answer
        return answer

    def _usable(self, client: str, code: int, basket: Basket, discount: int | None = None) -> tuple[Entry, CouponTerms]:
        if not code:
            raise RefusedError(Reason.UNKNOWN_CODE)
        entry = self.entries[code - 1]
        terms = self.coupons[entry.coupon.coupon_id]
        refuse_first(against_use(self, entry, terms, client, basket, discount))
        return entry, terms

    def _give_back(self, sale: Sale) -> None:
        entry, sale.reversed_at = sale.entry, self.now
        assert entry is not None
        self.events.append(Event("reversed", entry, sale))
        rivals = self.rivals(entry.household, entry.coupon)
        over = [one for one in rivals if one.coupon.expires_at <= self.now]
        entry.state = "issued"
        if entry.coupon.expires_at <= self.now:
            self.end([entry], "expired")
        elif not self.consents.get(entry.household or 0) or len(rivals) > len(over):
            self.end([entry], "void")
        else:
            self.end(over, "expired")


def _check(key: str = "long enough", basket: Basket | None = None) -> None:
    if len(key) < SHORTEST_KEY:
        raise RefusedError(Reason.INVALID_KEY)
    if basket is not None and basket.till_id == "":
        raise RefusedError(Reason.INVALID_TEXT)
