"""The tills of the chain at the coupon ledger: a week's calls one after the other, each answered once and for all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.files import write_text
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.simulation.records import WeekRecords
from coupon_pipeline.simulation.systems.visits import Call, calls_of, in_order
from coupon_pipeline.weeks import WEEK

ANSWERS, COMING_BACK = "answers", "coming_back"
REDEEMED, REPLAYED, UNDONE = "redeemed", "replayed", "reversed"


class WorldClock:
    """Business time as the world has it: set before each call."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        """The instant, in epoch milliseconds."""
        return self.now


class Tills:
    """All tills of the chain, which keep what they were told in a folder of their own."""

    def __init__(self, opened: Callable[[WorldClock], Ledger], folder: Path, seed: int) -> None:
        """`opened` gives the ledger by a clock."""
        self.opened, self.folder, self.seed = opened, folder, seed

    def bring(self, records: WeekRecords, ended: pa.Table) -> None:
        """Bring a week to the ledger, end what is over and publish its events; a week that was brought is left alone.

        `ended` are the issues (coupon_issues) that were over before the week. Raises UnavailableError. Killed at any
        moment it goes on where it was: what was answered is on record, and a call without an answer is made again under
        the same key.
        """
        if self.told(records.week) is not None:
            return
        calls = in_order([*calls_of(records, ended, self.seed), *self._coming_back(records)])
        clock = WorldClock()
        with self.opened(clock) as ledger:
            answers = self._answers(ledger, clock, calls, self.folder / f"{records.week}.journal")
            clock.now = to_epoch(records.closes_at) - 1
            ledger.expire()
            ledger.claim()
        self._keep(records.week, calls, answers)

    def told(self, week: str) -> dict[str, int] | None:
        """How many calls of a week got which answer; None where it was not brought yet."""
        kept = self._kept(week)
        return None if kept is None else kept[ANSWERS]

    def _answers(self, ledger: Ledger, clock: WorldClock, calls: Sequence[Call], journal: Path) -> list[str]:
        journal.parent.mkdir(parents=True, exist_ok=True)
        whole = journal.read_bytes() if journal.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        answers = whole.decode().split()
        journal.write_bytes(whole)
        with journal.open("ab", buffering=0) as lines:
            for call in calls[len(answers) :]:
                clock.now = call.at
                answers.append(answer(ledger, call))
                lines.write(f"{answers[-1]}\n".encode())
        return answers

    def _coming_back(self, records: WeekRecords) -> list[Call]:
        """What customers of the week before bring back."""
        kept = self._kept((date.fromisoformat(records.week) - WEEK).isoformat())
        return [] if kept is None else [Call(**each) for each in kept[COMING_BACK]]

    def _keep(self, week: str, calls: Sequence[Call], answers: Sequence[str]) -> None:
        back = [
            {"at": call.taken_back_at, "client": call.client, "key": f"{call.key}-back", "undoes": call.key}
            for call, told in zip(calls, answers, strict=True)
            if call.taken_back_at is not None and told == REDEEMED
        ]
        kept = {ANSWERS: dict(sorted(Counter(answers).items())), COMING_BACK: back}
        write_text(self.folder / f"{week}.json", json.dumps(kept, indent=1) + "\n")
        (self.folder / f"{week}.journal").unlink(missing_ok=True)

    def _kept(self, week: str) -> dict | None:
        path = self.folder / f"{week}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def answer(ledger: Ledger, call: Call) -> str:
    """What a till is told, in one word: the same word when it has to ask again because it was cut off."""
    try:
        if call.use is None:
            ledger.reverse(call.client, call.key, call.undoes or "")
            return UNDONE
        [code] = ledger.codes([call.use.issue_id])
        ledger.redeem(call.client, call.key, code, call.use.basket, call.use.discount_cents)
    except RefusalError as error:
        # A till reads a code: what it cannot find is a code to it, and no issue.
        return Reason.UNKNOWN_CODE.value if error.reason is Reason.UNKNOWN_ISSUE else error.reason.value
    return REPLAYED if call.is_retry else REDEEMED
