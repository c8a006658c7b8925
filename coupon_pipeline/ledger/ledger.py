"""The ledger: the life of every coupon that was issued, on one database, by one clock."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self

from coupon_pipeline.ledger.codes import code_of
from coupon_pipeline.ledger.keys import Keys
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.operations import (
    bulk,
    ending,
    erasing,
    exporting,
    facts,
    holding,
    importing,
    issuing,
    outbox,
    redeeming,
    reversing,
    syncing,
    voiding,
)
from coupon_pipeline.ledger.operations.context import (
    Context,
    LostError,
    check_client,
    check_text,
)
from coupon_pipeline.ledger.reasons import RefusalError
from coupon_pipeline.ledger.records import (
    Assignment,
    Basket,
    Batch,
    Definitions,
    ExportedIssue,
    ExportedRedemption,
    Held,
    Imported,
    Issued,
    Outcome,
    Redeemed,
    Reversed,
    Synced,
    Valid,
    Voided,
)
from coupon_pipeline.ledger.statement import Database, Transaction

Clock = Callable[[], int]
"""Business time in epoch milliseconds."""
CHUNK: Final = 10_000
"""Assignments that are issued in one transaction."""
HOLD_SECONDS: Final = 300
REHEARSAL: Final = "rehearsal"


class Ledger:
    """Operations that are safe to repeat: the same client, key and parameters have one effect and one answer.

    All raise RefusalError where the request cannot be granted, and UnavailableError where the database fails.
    """

    def __init__(self, database: Database, keys: Keys, clock: Clock, reread: Callable[[], Keys] | None = None) -> None:
        """`reread` gives the keys as they are by now: another process may have added one."""
        self.database, self._clock, self._reread = database, clock, reread
        self._kept = Context(keys)
        self._lock = threading.Lock()
        self._latest = self.latest_fact() or 0

    @classmethod
    def open(cls, url: str, keys: Keys, clock: Clock) -> Self:
        """The ledger at a URL, brought to the schema of this code."""
        return cls(open_database(url), keys, clock)

    @property
    def _context(self) -> Context:
        """The digests by the present keys: a code that was made with an added key must be known at once."""
        if self._reread is not None:
            keys = self._reread()
            if keys is not self._kept.keys:
                self._kept = Context(keys)
        return self._kept

    def close(self) -> None:
        """End the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def now(self) -> int:
        """Business time; it never goes back, not behind what the ledger holds when it is opened either."""
        with self._lock:
            self._latest = max(self._latest, self._clock())
            return self._latest

    def latest_fact(self) -> int | None:
        """The instant of the newest event or batch; None where there is none."""
        return self.database.read(facts.latest)

    def sync(self, definitions: Definitions) -> Synced:
        """Make campaigns, coupons, limits and consent known; a limit never falls below what is reserved."""
        return syncing.sync(self.database, self._context, definitions, self.now())

    def issue(
        self,
        client: str,
        key: str,
        household_id: int,
        coupon_id: int,
        channel: str,
        *,
        decision_id: str | None = None,
        arm: str | None = None,
        policy: str | None = None,
        propensity: float | None = None,
    ) -> Issued:
        """Give a coupon to a household."""
        labels: dict[str, Any] = {
            "channel": channel,
            "decision_id": decision_id,
            "arm": arm,
            "policy": policy,
            "propensity": propensity,
        }
        for name in issuing.TEXTS:
            check_text(name, labels[name])
        request = issuing.IssueRequest(
            check_client(client),
            self._context.idem(key),
            issuing.fingerprint_of(self._context, household_id, coupon_id, [labels[name] for name in issuing.LABELS]),
            self._context.household(household_id),
            coupon_id,
            labels,
        )
        now = self.now()
        return self.database.write(lambda tx: issuing.issue(tx, self._context, request, now))

    def could_issue(self, household_id: int, coupon_id: int) -> bool:
        """Whether a coupon could be given to a household at this moment; rehearsed, so that nothing changes."""
        labels = dict.fromkeys(issuing.LABELS) | {"channel": REHEARSAL}
        household, now = self._context.household(household_id), self.now()
        request = issuing.IssueRequest(REHEARSAL, secrets.token_bytes(16), b"", household, coupon_id, labels)

        def rehearse(tx: Transaction) -> None:
            issuing.issue(tx, self._context, request, now)
            raise LostError

        try:
            self.database.write(rehearse)
        except LostError:
            return True
        except RefusalError:
            pass
        return False

    def issue_all(
        self,
        client: str,
        assignments: Sequence[Assignment],
        progress: Callable[[int], None] | None = None,
        chunk: int = CHUNK,
    ) -> list[Outcome]:
        """Issue many, `chunk` in one transaction; outcomes in the same order, refusals among them.

        `progress` is told how many are through. Killed at any moment and run again, it changes what is missing.
        """
        check_client(client)
        self.expire()
        self.roll_up()
        outcomes: list[Outcome] = []
        now = self.now()
        for at in range(0, len(assignments), chunk):
            part = assignments[at : at + chunk]
            outcomes += self.database.write(
                lambda tx, part=part: bulk.issue_chunk(tx, self._context, client, part, now), patient=True
            )
            if progress is not None:
                progress(len(outcomes))
        return outcomes

    def import_live(self, rows: Sequence[Imported], above: int) -> int:
        """Take over live issues with their ids; returns how many were added. Later ids lie above `above`."""
        now = self.now()
        added = 0
        for at in range(0, max(len(rows), 1), CHUNK):
            part = rows[at : at + CHUNK]
            added += self.database.write(
                lambda tx, part=part: importing.import_live(tx, self._context, part, above, now), patient=True
            )
        return added

    def validate(self, client: str, code: str, basket: Basket) -> Valid:
        """Whether a coupon could be redeemed at this moment; changes nothing and promises nothing."""
        return redeeming.validate(self.database, self._context, check_client(client), code, basket, self.now())

    def hold(self, client: str, key: str, code: str, basket: Basket, seconds: int = HOLD_SECONDS) -> Held:
        """Keep a coupon for an open basket: no other client can redeem it until the hold ends."""
        now = self.now()
        return holding.hold(self.database, self._context, check_client(client), key, code, basket, seconds, now)

    def redeem(self, client: str, key: str, code: str, basket: Basket, discount_cents: int) -> Redeemed:
        """Use a coupon, once."""
        now = self.now()
        client = check_client(client)
        return redeeming.redeem(self.database, self._context, client, key, code, basket, discount_cents, now)

    def reverse(self, client: str, key: str, redeem_key: str) -> Reversed:
        """Undo the redemption that was made with `redeem_key`, or forbid it where it has not arrived."""
        now = self.now()
        return reversing.reverse(self.database, self._context, check_client(client), key, redeem_key, now)

    def void(self, client: str, key: str, *, code: str | None = None, issue_id: int | None = None) -> Voided:
        """Cancel an issue that is not used, by its code or its id."""
        now = self.now()
        return voiding.void(self.database, self._context, check_client(client), key, code, issue_id, now)

    def expire(self) -> int:
        """End all issues whose time is over, so that what they had reserved is free; returns how many."""
        now, ended = self.now(), 0
        while count := self.database.write(lambda tx: ending.expire_some(tx, now), patient=True):
            ended += count
        return ended

    def erase(self, household_id: int) -> int:
        """Forget a household for ever: void its open issues, keep the books; returns how many were voided."""
        now = self.now()
        return self.database.write(lambda tx: erasing.erase(tx, self._context, household_id, now))

    def roll_up(self) -> None:
        """Sum what each campaign has paid out: a budget that is reached closes new issues."""
        paid = self.database.read(facts.paid, snapshot=True)
        self.database.write(lambda tx: facts.roll_up(tx, paid))

    def may_be_sent(self, household_id: int) -> bool:
        """Whether a household consents to coupons, as far as the ledger knows."""
        digest = self._context.household(household_id)
        return self.database.read(lambda tx: facts.consents(tx, digest))

    def knows_consents(self) -> bool:
        """Whether the ledger has been told of any consent at all."""
        return self.database.read(facts.knows_consents)

    def codes(self, issue_ids: Sequence[int]) -> list[str]:
        """The codes of issues, in the same order; raises RefusalError for an id that is none."""
        keys = self.database.read(lambda tx: facts.key_ids(tx, issue_ids))
        return [code_of(self._context.keys.by_id(key), one) for key, one in zip(keys, issue_ids, strict=True)]

    def claim(self) -> Batch | None:
        """Put all events that are in no batch into the next one, known from this moment on; None without events."""
        now = self.now()
        claimed = self.database.write(lambda tx: outbox.claim(tx, now), patient=True)
        self.roll_up()
        return claimed

    def batches(self, opens_at: int, closes_at: int) -> list[Batch]:
        """The batches with opens_at <= known_at < closes_at."""
        return self.database.read(lambda tx: outbox.batches(tx, opens_at, closes_at))

    def exported_issues(self, opens_at: int, closes_at: int, households: Iterable[int]) -> list[ExportedIssue]:
        """Rows for coupon_issues that became known in a span, joined to the households that are known."""
        return self.database.read(
            lambda tx: exporting.exported_issues(tx, self._context, opens_at, closes_at, households), snapshot=True
        )

    def exported_redemptions(
        self, opens_at: int, closes_at: int, households: Iterable[int]
    ) -> list[ExportedRedemption]:
        """Rows for coupon_redemptions that became known in a span, joined to the households that are known."""
        return self.database.read(
            lambda tx: exporting.exported_redemptions(tx, self._context, opens_at, closes_at, households),
            snapshot=True,
        )

    def done(self, numbers: Sequence[int]) -> None:
        """Note that batches have arrived in the pipeline: their events may be trimmed."""
        now = self.now()
        self.database.write(lambda tx: outbox.done(tx, numbers, now))

    def trim(self, before: int) -> int:
        """Drop the events of done batches known before an instant; returns how many."""
        now = self.now()
        return self.database.write(lambda tx: outbox.trim(tx, before, now), patient=True)

    def setting(self, name: str) -> str | None:
        """What is kept under a name for the whole ledger."""
        return self.database.read(lambda tx: facts.setting(tx, name))

    def set_setting(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        self.database.write(lambda tx: tx.run(syncing.SET, name=name, value=value))
