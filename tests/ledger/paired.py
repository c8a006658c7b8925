"""A ledger and its model, asked the same: their answers and their books must be the same."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.ledger.books import Event, RefusedError
from tests.ledger.model import Model
from tests.ledger.seen import facts, seen
from tests.ledger.worlds import DEFINITIONS, KEYS, NOW, SettableClock

from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import RefusalError
from coupon_pipeline.ledger.statement import Database

UNKNOWN_CODE, UNKNOWN_ID = "0000-0000-0000-00000", 10**9
STEP = "books: compared"
NAMED = ("issue_id", "redemption_id", "code")
"""Fields whose values the ledger chooses: the model's must stand for the same things."""


@dataclass(frozen=True)
class Code:
    """A code: the model knows it by its issue's number, the ledger by its text."""

    number: int


@dataclass(frozen=True)
class Id:
    """An issue's id, as the model numbers it."""

    number: int


class Paired(RuleBasedStateMachine):
    """Subclasses say where a ledger's empty database comes from."""

    fresh: ClassVar[Callable[[], tuple[Database, Callable[[], None]]]]
    reached: ClassVar[Counter[str]]
    """How often each operation was answered in each way."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SettableClock()
        self.database, self.remove = type(self).fresh()
        self.ledger = Ledger(self.database, KEYS, self.clock)
        self.model = Model(NOW)
        self.told = DEFINITIONS
        self.named: dict[tuple[str, Any], Any] = {}
        self.real: dict[tuple[str, Any], Any] = {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.keys = 0
        self.trimmed = 0
        self.facts: dict[tuple[str, int], tuple[Any, ...]] = {}

    def teardown(self) -> None:
        """The books close in the end, as the ledger's own audit sees it."""
        try:
            wrong = [check.name for check in audit(self.database) if not check.passed]
        finally:
            self.remove()
        # What has failed before says more.
        assert sys.exc_info()[0] or not wrong, wrong

    @invariant()
    def the_books_are_those_of_the_model(self) -> None:
        real = seen(self.database)
        assert {self.named["issue_id", number]: state for number, state in real.states} == {
            one.number: one.state for one in self.model.entries
        }
        reserved = self.model.reserved()
        for scope, scope_id, granted, used in real.limits:
            assert used == reserved[scope, scope_id], (scope, scope_id)
            limit = self.model.granted[scope, scope_id]
            assert used <= granted
            assert limit is None or granted == limit, (scope, scope_id)
        events = [(topic, self.named["issue_id", issue_id]) for topic, issue_id in real.events]
        gone = sum(len(batch) for _, batch in self.model.batches[: self.trimmed])
        assert sorted(events) == sorted((event.topic, event.entry.number) for event in self.model.events[gone:])
        live = [sale.entry.number for sale in self.model.sales.values() if sale.entry and sale.reversed_at is None]
        assert sorted(self.named["issue_id", issue_id] for issue_id in real.redeemed) == sorted(live)
        assert len(live) == len(set(live))
        assert dict(real.paid) == {campaign: self.model.paid[campaign] for campaign in self.model.campaigns}

    @invariant()
    def facts_stay(self) -> None:
        found = facts(self.database)
        assert {key: found.get(key) for key in self.facts} == self.facts
        self.facts = found
        self.reached[STEP] += 1

    def set_clock(self, now: int) -> None:
        self.clock.now = now
        self.model.now = max(self.model.now, now)
        assert self.ledger.now() == self.model.now

    def ask(self, operation: str, *args: Any, keep: bool = True) -> None:
        """Ask both; their answers must be the same."""
        expected, real = self._of_model(operation, args), self._of_ledger(operation, args)
        is_refused = isinstance(expected, str) or isinstance(real, str)
        assert (real if is_refused else self._named(real, expected)) == expected, (operation, args)
        how = expected if isinstance(expected, str) else "replay" if getattr(expected, "replay", False) else "done"
        self.reached[f"{operation}: {how}"] += 1
        for outcome in expected if isinstance(expected, list) else ():
            self.reached[f"{operation}: {outcome.reason or ('replay' if outcome.replay else 'row')}"] += 1
        if keep:
            self.asked.append((operation, args))

    def _of_model(self, operation: str, args: tuple[Any, ...]) -> Any:
        plain = [arg.number if isinstance(arg, Code | Id) else arg for arg in args]
        try:
            return getattr(self.model, operation)(*plain)
        except RefusedError as refusal:
            return refusal.reason.value

    def _of_ledger(self, operation: str, args: tuple[Any, ...]) -> Any:
        real = [self._real(arg) for arg in args]
        try:
            if operation == "void":
                return self.ledger.void(real[0], real[1], code=real[2], issue_id=real[3])
            if operation == "issue":
                return self.ledger.issue(*real, channel="app")
            return getattr(self.ledger, operation)(*real)
        except RefusalError as refusal:
            return refusal.reason.value

    def _real(self, arg: Any) -> Any:
        if isinstance(arg, Code):
            return self.real.get(("code", str(arg.number)), UNKNOWN_CODE)
        return self.real.get(("issue_id", arg.number), UNKNOWN_ID) if isinstance(arg, Id) else arg

    def _named(self, real: Any, expected: Any) -> Any:
        """The ledger's answer with its own names of things exchanged for the model's, one for one."""
        if isinstance(real, list):
            return [self._named(one, other) for one, other in zip(real, expected, strict=True)]
        if not is_dataclass(real):
            return real
        names = [name for name in NAMED if getattr(real, name, None) is not None]
        return replace(real, **{name: self._name(name, getattr(real, name), getattr(expected, name)) for name in names})

    def _name(self, kind: str, real: Any, wanted: Any) -> Any:
        assert self.real.setdefault((kind, wanted), real) == real, kind
        if kind == "issue_id" and ("code", str(wanted)) not in self.real:
            self.real["code", str(wanted)] = self.ledger.codes([real])[0]
        return self.named.setdefault((kind, real), wanted)


def exported_by_model(batches: list[tuple[int, list[Event]]]) -> tuple[list[Any], list[Any]]:
    """The rows of batches, as `seen.exported` gives them."""
    issues, redemptions = [], []
    for known_at, events in batches:
        for event in events:
            entry, sale = event.entry, event.sale
            if event.topic == "issued":
                issues.append((entry.number, entry.coupon.coupon_id, entry.household, entry.at, known_at))
            if sale is None or sum(other.sale is sale for other in events) == 2:
                continue
            row = entry.number, entry.household, sale.discount, sale.at, event.topic == "reversed", known_at
            redemptions.append(row)
    return sorted(issues), sorted(redemptions, key=str)
