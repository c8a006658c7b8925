"""Issue the assignments of a cycle: chunk by chunk, each one transaction, with the same rules as a single issue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from coupon_pipeline.ledger.keys import CodeKey
from coupon_pipeline.ledger.operations import admission
from coupon_pipeline.ledger.operations.admission import Offer
from coupon_pipeline.ledger.operations.context import Context, check_text, fits
from coupon_pipeline.ledger.operations.escrow import (
    CAPS,
    REASONS,
    SHARDS,
    pooled,
)
from coupon_pipeline.ledger.operations.issuing import (
    COLUMNS,
    Place,
    code_hash,
    fingerprint_of,
    row_of,
)
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import Assignment, Outcome
from coupon_pipeline.ledger.statement import (
    RetryError,
    Row,
    Statement,
    Transaction,
    is_unique_violation,
)

VARYING: Final = (
    "issue_id",
    "code_hash",
    "pid",
    "slot",
    "day_slot",
    "idem",
    "fingerprint",
    "channel",
    "decision_id",
    "arm",
    "policy",
    "propensity",
)
"""Columns that differ from issue to issue of a coupon."""
ALIKE: Final = tuple(name for name in COLUMNS if name not in VARYING)
INSERT: Final = Statement(
    f"insert into issue ({', '.join(VARYING + ALIKE)}) values ({', '.join(f':{name}' for name in VARYING + ALIKE)})"
)
_TELL: Final = (
    "insert into outbox (at, topic, issue_id, redemption_id, cents) "
    "select issued_at, 'issued', issue_id, null, value_cents from issue where issue_id {which} order by issue_id"
)
TELL_MANY: Final = Statement(_TELL.format(which="= any(:ids)"))
TELL_RANGE: Final = Statement(_TELL.format(which="between :first and :last"))
"""SQLite has one writer at a time, so that the ids of a chunk have no gap."""


SHARED_TEXTS: Final = ("channel", "arm", "policy")
"""Texts that few values are of; that of the decision is checked as a key."""


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


def issue_chunk(
    tx: Transaction, context: Context, client: str, assignments: Sequence[Assignment], now: int
) -> list[Outcome]:
    """Issue what may be issued, all or nothing of it; raises RetryError where another writer took a place."""
    asked, outcomes = _asked(context, assignments)
    chunk = _read(tx, client, list(asked.values()), now)
    admitted: dict[bytes, tuple[Asked, Place]] = {}
    waiting: dict[int, bytes] = {}
    for at, one in asked.items():
        decision = one.assignment.decision_id
        fingerprint = admitted[one.idem][0].fingerprint if one.idem in admitted else None
        known = chunk.known.get(one.idem)
        if (known is not None and known[1] != one.fingerprint) or fingerprint not in (None, one.fingerprint):
            outcomes[at] = Outcome(decision, None, Reason.KEY_REUSED.value)
        elif known is not None:
            outcomes[at] = Outcome(decision, known[0], replay=True)
        elif fingerprint is not None:
            waiting[at] = one.idem
        else:
            found = chunk.place(one.assignment.coupon_id, one.household)
            if isinstance(found, Reason):
                outcomes[at] = Outcome(decision, None, found.value)
            else:
                admitted[one.idem] = (one, found)
                waiting[at] = one.idem
    _settle(outcomes, waiting, asked, _written(tx, context, client, chunk, admitted) if admitted else {})
    return [outcomes[at] for at in range(len(assignments))]


def _asked(context: Context, assignments: Sequence[Assignment]) -> tuple[dict[int, Asked], dict[int, Outcome]]:
    """By position: the assignments that can be asked for, and the outcomes of those with texts that cannot be kept."""
    asked, refused = {}, {}
    households = {one.household_id: context.household(one.household_id) for one in assignments}
    fit: set[str | None] = set()
    for at, one in enumerate(assignments):
        try:
            for name in SHARED_TEXTS:
                text = getattr(one, name)
                if text not in fit:
                    check_text(name, text)
                    fit.add(text)
            labels = (one.channel, one.decision_id, one.arm, one.policy, one.propensity)
            fingerprint = fingerprint_of(context, one.household_id, one.coupon_id, labels)
            asked[at] = Asked(one, context.idem(one.decision_id), fingerprint, households[one.household_id])
        except RefusalError as error:
            refused[at] = Outcome(one.decision_id, None, error.reason.value)
    return asked, refused


def _settle(
    outcomes: dict[int, Outcome], waiting: dict[int, bytes], asked: dict[int, Asked], ids: dict[bytes, int]
) -> None:
    """Tell the admitted ones their ids; the same decision again is a replay of the first."""
    told: set[bytes] = set()
    for at, idem in waiting.items():
        outcomes[at] = Outcome(asked[at].assignment.decision_id, ids[idem], replay=idem in told)
        told.add(idem)


def _read(tx: Transaction, client: str, asked: Sequence[Asked], now: int) -> Chunk:
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
    order = {scope: number for number, scope in enumerate(REASONS)}
    free = {}
    for scope, scope_id in sorted(touched, key=lambda one: (order[one[0]], one[1])):
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


def _written(
    tx: Transaction, context: Context, client: str, chunk: Chunk, admitted: dict[bytes, tuple[Asked, Place]]
) -> dict[bytes, int]:
    """Reserve and write what was admitted; returns the ids by key."""
    for scope in REASONS:
        for (of, scope_id), amount in sorted(chunk.reserved.items()):
            if of == scope:
                pooled(tx, scope, scope_id, lambda _, amount=amount: amount)
    ids, key = admission.next_ids(tx, len(admitted)), context.keys.newest
    alike = {
        coupon_id: _alike(offer, key, coupon_id, client, chunk)
        for coupon_id, offer in chunk.offers.items()
        if offer is not None
    }
    rows = []
    for (one, place), issue_id in zip(admitted.values(), ids, strict=True):
        asked, hashed = one.assignment, code_hash(key, issue_id)
        own = (issue_id, hashed, chunk.owners[one.household][0], place.slot, place.day_slot, one.idem, one.fingerprint)
        labels = (asked.channel, asked.decision_id, asked.arm, asked.policy, asked.propensity)
        rows.append(own + labels + alike[asked.coupon_id])
    try:
        tx.fill(INSERT, rows)
    except Exception as error:
        if is_unique_violation(error):
            raise RetryError from error
        raise
    if tx.dialect == "postgresql":
        tx.run(TELL_MANY, ids=ids)
    else:
        tx.run(TELL_RANGE, first=ids[0], last=ids[-1])
    return dict(zip(admitted, ids, strict=True))


def _alike(offer: Offer, key: CodeKey, coupon_id: int, client: str, chunk: Chunk) -> tuple[Any, ...]:
    """The cells of ALIKE for all issues of a coupon in a chunk."""
    row = row_of(offer, key, 0, b"", Place(0, chunk.day, None), {}, chunk.now)
    row |= {"client": client, "coupon_id": coupon_id}
    return tuple(row[name] for name in ALIKE)
