"""Cuts a history into parts that have no coupon and no key in common, and says all that is known of each attempt."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.proofs.ledger.judging.books import Books, RedemptionRow
from tests.proofs.ledger.judging.history import Attempt, Key
from tests.proofs.ledger.judging.model import UNKNOWN_UNTIL, Step, World
from tests.proofs.ledger.judging.told import Told, first_failure

Node = int | Key


@dataclass(frozen=True)
class Part:
    """Attempts that touch each other, and what is left of them in the books."""

    issues: Sequence[int]
    steps: Sequence[Step]
    states: dict[int, str]
    uses: dict[Key, str | None]
    """Key of a redemption -> `live` or `reversed`; None where the books have none."""

    def accepts(self, world: World) -> bool:
        """Whether a world is what the books say."""
        if any(world.life(number).state != state for number, state in self.states.items()):
            return False
        for key, state in self.uses.items():
            use = world.use(key)
            if (None if use is None or use.state == "tombstone" else use.state) != state:
                return False
        return True


class Groups:
    """Nodes that are connected, however indirectly."""

    def __init__(self) -> None:
        self._above: dict[Node, Node] = {}

    def root(self, node: Node) -> Node:
        """The node that stands for all that are connected with this one."""
        self._above.setdefault(node, node)
        while self._above[node] != node:
            self._above[node] = node = self._above[self._above[node]]
        return node

    def join(self, nodes: Sequence[Node]) -> None:
        """Connect them all."""
        for node in nodes[1:]:
            self._above[self.root(node)] = self.root(nodes[0])


class Steps:
    """Makes the steps of a history."""

    def __init__(self, history: Sequence[Attempt], told: Told, books: Books) -> None:
        self.history, self.told, self.books = history, told, books
        issues = [one for one in history if one.operation == "issue" and one.answer is not None]
        self.codes = {one.answer["code"]: one.answer["issue_id"] for one in issues if one.answer}
        self.by_key = {one.own_key: one.answer["issue_id"] for one in issues if one.answer}
        self.requests = {one.answer["issue_id"]: one.request for one in issues if one.answer}
        # What was answered comes last: a key that was used for two coupons belongs to that one.
        uses = sorted((one for one in history if one.operation == "redeem"), key=lambda one: one.answer is not None)
        self.targets = {one.own_key: self._by_code(one) for one in uses}
        self.rows = {(row.client, row.basket_id): row for row in books.redemptions}
        self.held = {
            one.own_key: one.answer["held_until"]
            for one in history
            if one.operation == "hold" and one.answer is not None
        }
        self.households: dict[int, list[int]] = defaultdict(list)
        for number, request in self.requests.items():
            self.households[request["household_id"]].append(number)

    def _by_code(self, attempt: Attempt) -> int | None:
        code = attempt.request.get("code")
        return attempt.request.get("issue_id") if code is None else self.codes.get(code)

    def issue_of(self, attempt: Attempt) -> int | None:
        """Which issue an attempt is about."""
        if attempt.operation == "issue":
            return attempt.answer["issue_id"] if attempt.answer else self.by_key.get(attempt.own_key)
        if attempt.operation == "reverse":
            return self.targets.get(("redeem", attempt.client, attempt.request["redeem_key"]))
        return self._by_code(attempt)

    def row_of(self, attempt: Attempt) -> RedemptionRow | None:
        """What a redemption has left in the books."""
        row = self.rows.get((attempt.client, attempt.request["basket_id"]))
        return row if row is not None and row.issue_id == self.issue_of(attempt) else None

    def step(self, attempt: Attempt, issue: int | None) -> Step | None:
        """All that is known of an attempt; None for one that can have done nothing."""
        request = self.requests.get(issue or 0)
        terms = None if request is None else self.told.coupons[request["coupon_id"]]
        step = Step(
            attempt,
            json.dumps(attempt.request, sort_keys=True),
            issue,
            terms,
            earliest=self.told.earliest(attempt.called),
            is_optional=attempt.is_unknown,
        )
        if not attempt.is_unknown:
            step = replace(step, returned=attempt.returned, latest=self.told.latest(attempt.returned))
        if attempt.operation in {"redeem", "hold", "validate"} and request is not None and terms is not None:
            step = replace(step, failure=first_failure(attempt.request, terms, request["household_id"]))
        return self._seen(step)

    def _seen(self, step: Step) -> Step | None:
        attempt = step.attempt
        if attempt.operation == "hold":
            return replace(step, until=self.held.get(attempt.own_key, UNKNOWN_UNTIL))
        if attempt.operation == "reverse" and step.terms is not None and step.terms.category is not None:
            return replace(step, may_share=self._shares(step))
        if attempt.operation == "redeem":
            row = self.row_of(attempt)
            return None if attempt.is_unknown and row is None else replace(step, at=row and row.at)
        return None if attempt.is_unknown and attempt.operation == "validate" else step

    def _shares(self, step: Step) -> bool:
        assert step.terms is not None
        request = self.requests[step.issue or 0]
        coupons = (self.requests[number]["coupon_id"] for number in self.households[request["household_id"]])
        return sum(self.told.coupons[coupon].category == step.terms.category for coupon in coupons) > 1


def parts(history: Sequence[Attempt], told: Told, books: Books) -> Iterator[Part]:
    """All parts of a history."""
    steps, groups = Steps(history, told, books), Groups()
    placed: list[tuple[Node, Step]] = []
    for attempt in _merged(history):
        if attempt.operation in {"withdraw", "erase"}:
            for number in steps.households[attempt.request["household_id"]]:
                placed += [(number, step) for step in [steps.step(attempt, number)] if step is not None]
            continue
        issue = steps.issue_of(attempt)
        nodes = [node for node in (issue, attempt.own_key, _target(attempt)) if node is not None]
        step = steps.step(attempt, issue)
        if nodes and step is not None:
            groups.join(nodes)
            placed.append((nodes[0], step))
    placed += [
        (row.issue_id, _expiry(row.issue_id, told, row.coupon_id)) for row in books.issues if row.state == "expired"
    ]
    by_root: dict[Node, list[Step]] = defaultdict(list)
    for node, step in placed:
        by_root[groups.root(node)].append(step)
    states = {row.issue_id: row.state for row in books.issues}
    for group in by_root.values():
        yield _part(group, steps, states)


def _part(group: Sequence[Step], steps: Steps, states: dict[int, str]) -> Part:
    issues = sorted({step.issue for step in group if step.issue is not None})
    uses: dict[Key, str | None] = {}
    for step in group:
        key = step.attempt.own_key
        if step.attempt.operation == "redeem" and key is not None:
            row = steps.row_of(step.attempt)
            state = None if row is None else "live" if row.reversed_at is None else "reversed"
            uses[key] = state or uses.get(key)
    return Part(issues, group, {number: states.get(number, "absent") for number in issues}, uses)


def _target(attempt: Attempt) -> Key | None:
    return ("redeem", attempt.client, attempt.request["redeem_key"]) if attempt.operation == "reverse" else None


def _expiry(issue: int, told: Told, coupon_id: int) -> Step:
    """The end of an issue by time: nobody asks for it."""
    terms = told.coupons[coupon_id]
    attempt = Attempt("clock", "expire", None, {}, told.machine(terms.expires_at))
    return Step(attempt, "", issue, terms, is_optional=True)


def _merged(history: Sequence[Attempt]) -> Iterator[Attempt]:
    """The history with repetitions of an unknown attempt as one: its effect comes once, at any time since the first."""
    silent: dict[tuple[Key, str], Attempt] = {}
    for attempt in history:
        if not attempt.is_unknown or attempt.own_key is None:
            yield attempt
            continue
        name = (attempt.own_key, json.dumps(attempt.request, sort_keys=True))
        if name not in silent or attempt.called < silent[name].called:
            silent[name] = attempt
    yield from silent.values()
