"""`python -m tests.proofs.ledger.storming.office <folder>`: expires, claims, lets households go, until told to stop."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.storming.business import Business, noted
from tests.proofs.ledger.storming.plan import PLAN
from tests.proofs.ledger.storming.world import PULSE_OFFER, PULSES, leaving

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import RefusalError, UnavailableError

ROUNDS: Final = 24
"""Rounds in the time that the storm is expected to take."""
PULSE_SECONDS: Final = 0.25


class Office:
    """One process."""

    def __init__(self, business: Business, ledger: Ledger) -> None:
        self.business, self.ledger = business, ledger
        self.note = noted(Path(business.folder) / "history-office.jsonl")
        self.leaving = leaving(business.coupons)
        self.pulses = self.failures = 0

    def pulse(self) -> None:
        """Issue to the next household; what was not answered is asked again under the same key."""
        household = PULSES[self.pulses]
        request = {"household_id": household, "coupon_id": PULSE_OFFER}
        attempt = Attempt("office", "issue", f"pulse-{household}", request, monotonic_ns())
        try:
            issued = self.ledger.issue("office", f"pulse-{household}", household, PULSE_OFFER, "mail")
        except UnavailableError:
            self.note(attempt)
            return
        except RefusalError as refusal:
            self.note(replace(attempt, returned=monotonic_ns(), refusal=refusal.reason.value))
        else:
            answer = {"issue_id": issued.issue_id, "code": issued.code, "replay": issued.replay}
            self.note(replace(attempt, returned=monotonic_ns(), answer=answer))
        self.pulses += 1

    def round(self) -> None:
        """What is done again and again, whatever of it the database does not do."""
        self._try(self.ledger.expire)
        self._try(self.ledger.claim)
        for _ in range(1 + len(self.leaving) // ROUNDS):
            if self.leaving:
                self._let_go(self.leaving[0])

    def _let_go(self, household: int) -> None:
        """Withdraw the consent of a household, or erase it; what failed is done again in the next round."""
        operation = "withdraw" if household % 2 else "erase"
        attempt = Attempt("office", operation, None, {"household_id": household}, monotonic_ns())
        if operation == "erase":
            done = self._try(lambda: self.ledger.erase(household))
        else:
            gone = replace(self.business.definitions, campaigns=(), coupons=(), consents={household: False})
            done = self._try(lambda: self.ledger.sync(gone))
        if done:
            self.leaving.pop(0)
            attempt = replace(attempt, returned=monotonic_ns(), answer={})
        self.note(attempt)

    def _try(self, work: Callable[[], Any]) -> bool:
        try:
            work()
        except UnavailableError:
            self.failures += 1
            return False
        return True


def main(folder: Path) -> None:
    """Work until SIGTERM, then once more, so that all events are claimed; until clients have a plan, only pulse."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    business = Business.read(folder)
    with business.opened() as ledger:
        office = Office(business, ledger)
        print("begins", flush=True)
        next_round = time.monotonic()
        while not stop.wait(PULSE_SECONDS):
            office.pulse()
            if (folder / PLAN).exists() and time.monotonic() >= next_round:
                office.round()
                next_round += business.seconds / ROUNDS
        office.round()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
