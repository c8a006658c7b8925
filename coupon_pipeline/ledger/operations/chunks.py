"""What a chunk of a bulk issue is judged by: read at once, behind locks, and counted on as its rows are admitted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from coupon_pipeline.ledger.operations import admission
from coupon_pipeline.ledger.operations.admission import Offer
from coupon_pipeline.ledger.operations.context import fits
from coupon_pipeline.ledger.operations.escrow import (
    CAPS,
    ORDER,
    REASONS,
    SHARDS,
)
from coupon_pipeline.ledger.operations.issuing import Place
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Assignment
from coupon_pipeline.ledger.statement import Row, Statement, Transaction


@dataclass(frozen=True, slots=True)
class Each:
    """A query for many values of one parameter: PostgreSQL takes them together, SQLite one by one as fast."""

    text: str
    """With `{match}` in the place of `= :value`."""
    lock: str = ""

    def rows(self, tx: Transaction, values: Iterable[Any], **others: Any) -> list[Row]:
        """The rows of all values."""
        if tx.dialect == "postgresql":
            return tx.all(_statement(self.text, "= any(:value)", self.lock), value=list(values), **others)
        one = _statement(self.text, "= :value", "")
        return [row for value in values for row in tx.all(one, value=value, **others)]


_STATEMENTS: dict[tuple[str, str], Statement] = {}


def _statement(text: str, match: str, lock: str) -> Statement:
    if (text, match) not in _STATEMENTS:
        _STATEMENTS[text, match] = Statement(text.replace("{match}", match), lock)
    return _STATEMENTS[text, match]


KNOWN: Final = Each("select idem, issue_id, fingerprint from issue where client = :client and idem {match}")
OWNERS: Final = Each(
    "select p.household_hmac, p.pid, c.marketing from pseudonym p join consent c on c.pid = p.pid "
    "where p.household_hmac {match} order by p.pid {lock}",
    "for no key update of c",
)
SLOTS: Final = Each(
    "select pid, campaign_id, slot from issue where pid {match} and campaign_id between :first and :last"
)
CATEGORIES: Final = Each(
    "select pid, category from issue where pid {match} and state = 'issued' and category is not null"
)
DAYS: Final = Each("select pid, day_slot from issue where pid {match} and day = :day")
SHARE_CAPS: Final = Statement("select pg_advisory_xact_lock_shared(:caps)")


@dataclass
class Chunk:
    """What has been read for a chunk, and what is taken as its rows are admitted."""

    now: int
    day: int
    per_day: int | None
    offers: dict[int, Offer | None]
    owners: dict[bytes, tuple[bytes, int]]
    known: dict[bytes, tuple[int, bytes]]
    free: dict[tuple[str, int], int]
    """(scope, id) -> what may still be reserved."""
    limits: dict[int, list[tuple[str, int, int, int]]]
    """Coupon -> what one issue of it reserves."""
    slots: dict[tuple[int, bytes], set[int]] = field(default_factory=lambda: defaultdict(set))
    days: dict[bytes, set[int]] = field(default_factory=lambda: defaultdict(set))
    issued_today: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    categories: set[tuple[bytes, str]] = field(default_factory=set)
    reserved: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def place(self, coupon_id: int, household: bytes) -> Reason | Place:
        """Where an issue fits; else why it is refused, in the order in which a single issue is judged."""
        offer = self.offers[coupon_id]
        if offer is None:
            return Reason.UNKNOWN_COUPON
        pid, marketing = self.owners.get(household, (b"", 0))
        if not marketing:
            return Reason.NO_CONSENT
        reason = offer.refusal(self.now)
        if reason is not None:
            return reason
        if offer.category is not None and (pid, offer.category) in self.categories:
            return Reason.CATEGORY_TAKEN
        slot = admission.free_slot(self.slots[offer.campaign_id, pid])
        if slot >= offer.per_household:
            return Reason.HOUSEHOLD_CAP
        if self.per_day is not None and self.issued_today[pid] >= self.per_day:
            return Reason.DAY_CAP
        day_slot = None if self.per_day is None else admission.free_slot(self.days[pid])
        limits = self.limits[coupon_id]
        for scope, scope_id, amount, _ in limits:
            if self.free[scope, scope_id] < amount:
                return REASONS[scope]
        self._take(offer, pid, slot, day_slot, limits)
        return Place(slot, self.day, day_slot)

    def _take(
        self, offer: Offer, pid: bytes, slot: int, day_slot: int | None, limits: list[tuple[str, int, int, int]]
    ) -> None:
        for scope, scope_id, amount, _ in limits:
            self.free[scope, scope_id] -= amount
            self.reserved[scope, scope_id] += amount
        self.slots[offer.campaign_id, pid].add(slot)
        if day_slot is not None:
            self.days[pid].add(day_slot)
        self.issued_today[pid] += 1
        if offer.category is not None:
            self.categories.add((pid, offer.category))


class Asked(NamedTuple):
    """An assignment with its digests."""

    assignment: Assignment
    idem: bytes
    fingerprint: bytes
    household: bytes


def read(tx: Transaction, client: str, asked: Sequence[Asked], now: int) -> Chunk:
    """All that a chunk is judged by, behind the locks that keep it so until the transaction ends."""
    if tx.dialect == "postgresql":
        tx.one(SHARE_CAPS, caps=CAPS)
    settings = admission.settings(tx)
    per_day = settings.get(admission.PER_DAY)
    day = admission.local_day(now, settings.get(admission.TIMEZONE, "UTC"))
    coupons = sorted({one.assignment.coupon_id for one in asked})
    offers = {coupon_id: admission.offer(tx, coupon_id) if fits(coupon_id) else None for coupon_id in coupons}
    limits = {coupon: offer.limits(coupon) for coupon, offer in offers.items() if offer is not None}
    households = sorted({one.household for one in asked})
    owners = {bytes(name): (bytes(pid), may) for name, pid, may in OWNERS.rows(tx, households)}
    free = _locked(tx, limits)
    # Only behind the locks: what another process has issued for the same cycle is seen as that, not as places taken.
    known = {
        bytes(idem): (issue_id, bytes(fingerprint))
        for idem, issue_id, fingerprint in KNOWN.rows(tx, [one.idem for one in asked], client=client)
    }
    most = None if per_day is None else int(per_day)
    chunk = Chunk(now, day, most, offers, owners, known, free, limits)
    _taken(tx, chunk)
    return chunk


def _locked(tx: Transaction, limits: dict[int, list[tuple[str, int, int, int]]]) -> dict[tuple[str, int], int]:
    """Lock every limit that is touched, in the common order; returns what is free of each."""
    touched = {(scope, scope_id) for found in limits.values() for scope, scope_id, *_ in found}
    free = {}
    for scope, scope_id in sorted(touched, key=lambda one: (ORDER[one[0]], one[1])):
        rows = tx.all(SHARDS, scope=scope, scope_id=scope_id)
        free[scope, scope_id] = sum(granted - reserved for _, granted, reserved in rows)
    return free


def _taken(tx: Transaction, chunk: Chunk) -> None:
    """Fill in the places that are taken before the chunk."""
    campaigns = [offer.campaign_id for offer in chunk.offers.values() if offer is not None]
    if not campaigns:
        return
    pids = sorted(pid for pid, _ in chunk.owners.values())
    for pid, campaign_id, slot in SLOTS.rows(tx, pids, first=min(campaigns), last=max(campaigns)):
        chunk.slots[campaign_id, bytes(pid)].add(slot)
    chunk.categories.update((bytes(pid), category) for pid, category in CATEGORIES.rows(tx, pids))
    if chunk.per_day is not None:
        for pid, day_slot in DAYS.rows(tx, pids, day=chunk.day):
            chunk.issued_today[bytes(pid)] += 1
            if day_slot is not None:
                chunk.days[bytes(pid)].add(day_slot)
