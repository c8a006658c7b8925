"""What the ledger says in the end, as plain rows, and whether its tables say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NEXT: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"issued"}),
    "issued": frozenset({"redeemed", "expired", "void"}),
    "redeemed": frozenset({"reversed"}),
    "reversed": frozenset({"redeemed", "expired", "void"}),
    "expired": frozenset(),
    "void": frozenset(),
}
"""Events that may follow an event of the same issue."""
STATES: Final = {"issued": "issued", "reversed": "issued", "redeemed": "redeemed", "expired": "expired", "void": "void"}


@dataclass(frozen=True, slots=True)
class IssueRow:
    """A coupon given to somebody."""

    issue_id: int
    coupon_id: int
    owner: str
    """Whose it is, under whatever name: equal for equal households."""
    value_cents: int
    state: str
    issued_at: int


@dataclass(frozen=True, slots=True)
class RedemptionRow:
    """A coupon used; each key has a basket of its own."""

    redemption_id: int
    issue_id: int
    client: str
    basket_id: str
    discount_cents: int
    at: int
    reversed_at: int | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """A change of an issue as the outbox tells it."""

    event_id: int
    topic: str
    issue_id: int
    redemption_id: int | None = None
    cents: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """All rows."""

    issues: Sequence[IssueRow]
    redemptions: Sequence[RedemptionRow]
    events: Sequence[EventRow]


def doubles(books: Books) -> Iterator[tuple[int, str]]:
    """Issues whose redemptions overlap: (issue id, what is wrong)."""
    by_issue: dict[int, list[RedemptionRow]] = defaultdict(list)
    for row in books.redemptions:
        by_issue[row.issue_id].append(row)
    for issue_id, rows in by_issue.items():
        live = [row.redemption_id for row in rows if row.reversed_at is None]
        if len(live) > 1:
            yield issue_id, f"redemptions {live} are all live"


def differences(books: Books) -> Iterator[tuple[int, str]]:
    """Issues about which rows and events disagree: (issue id, what is wrong)."""
    events: dict[int, list[EventRow]] = defaultdict(list)
    for event in sorted(books.events, key=lambda event: event.event_id):
        events[event.issue_id].append(event)
    issues = {row.issue_id: row for row in books.issues}
    for issue_id in events.keys() - issues.keys():
        yield issue_id, "events of an issue that does not exist"
    for row in books.issues:
        yield from ((row.issue_id, wrong) for wrong in _path(row, events[row.issue_id]))
    yield from _uses(books, issues)


def _path(row: IssueRow, events: Sequence[EventRow]) -> Iterator[str]:
    last = ""
    for event in events:
        if event.topic not in NEXT[last]:
            yield f"event {event.event_id}: {event.topic} after {last or 'nothing'}"
            return
        last = event.topic
    if STATES.get(last) != row.state:
        yield f"is {row.state}, but its last event is {last or 'missing'}"


def _uses(books: Books, issues: Mapping[int, IssueRow]) -> Iterator[tuple[int, str]]:
    told = {
        topic: {event.redemption_id: event for event in books.events if event.topic == topic}
        for topic in ("redeemed", "reversed")
    }
    rows = {row.redemption_id: row for row in books.redemptions}
    for row in books.redemptions:
        event = told["redeemed"].get(row.redemption_id)
        if event is None or (event.issue_id, event.cents) != (row.issue_id, row.discount_cents):
            yield row.issue_id, f"redemption {row.redemption_id} has no event of its own"
        if (row.reversed_at is not None) != (row.redemption_id in told["reversed"]):
            yield row.issue_id, f"redemption {row.redemption_id}: row and events disagree whether it was reversed"
        if row.reversed_at is None and (row.issue_id not in issues or issues[row.issue_id].state != "redeemed"):
            yield row.issue_id, f"redemption {row.redemption_id} is live, its issue is not redeemed"
    for event in (*told["redeemed"].values(), *told["reversed"].values()):
        if event.redemption_id not in rows:
            yield event.issue_id, f"event {event.event_id}: no such redemption"
    live = {row.issue_id for row in books.redemptions if row.reversed_at is None}
    for issue in issues.values():
        if issue.state == "redeemed" and issue.issue_id not in live:
            yield issue.issue_id, "is redeemed without a live redemption"
