"""`python -m tests.proofs.ledger.storming.client <folder> <process>`: a till of a storm, which may be killed.

It notes every outcome after the answer. Started again it goes on after the last whole line of its file; what it may
have been doing when it was killed it does again under the same key.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.proofs.ledger.judging.history import Attempt, read
from tests.proofs.ledger.storming.plan import OWN, Asked, Plan, client_name
from tests.proofs.ledger.storming.wire import Till

PASSING: Final = frozenset({"overloaded", "unavailable", "storage_full", "read_only"})
"""Refusals after which the same request is sent again."""
LONGEST_SECONDS: Final = 120
"""So long a request is repeated until it is answered."""
LONGEST_PAUSE: Final = 0.4


class Client:
    """One process; `file` is written a whole line at a time, past any buffer."""

    def __init__(self, plan: Plan, process: int) -> None:
        self.plan, self.process = plan, process
        path = plan.history(process)
        was_there = path.exists()
        before = read([path])
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        done = [attempt for attempt in before if _is_final(attempt) and not attempt.is_twin]
        self.number = len(done)
        self._given: dict[str, list[str]] = {"code": [], "redeem_key": []}
        for attempt in before:
            self._keep(attempt)
        if was_there and self.number < plan.requests:
            self._interrupted(max((attempt.returned or 0 for attempt in done), default=plan.begins))
        self._till, self._twin = (Till(plan.port, client_name(process)) for _ in range(2))

    def run(self) -> None:
        """Send what is left of the plan."""
        while self.number < self.plan.requests:
            self._settle(self._asked())
            self.number += 1

    def _asked(self) -> Asked:
        asked = self.plan.asked(self.process, self.number)
        for name, given in self._given.items():
            if asked.request.get(name) == OWN:
                # Before it was given anything: what does not exist.
                last = given[-1] if given else f"nothing-{self.number:06}"
                return replace(asked, request=asked.request | {name: last})
        return asked

    def _interrupted(self, since: int) -> None:
        """Note what was perhaps sent, at any time since the last answer, when the process was killed."""
        asked = self._asked()
        for one in (asked, self.plan.beside(asked, self.number)):
            if one is not None:
                self._note(Attempt(client_name(self.process), one.operation, one.key, one.request, since))

    def _settle(self, asked: Asked) -> None:
        """Send a request, and what belongs beside it, until both are answered; the line that ends it comes last."""
        beside = self.plan.beside(asked, self.number)
        self._till.send(asked)
        if beside is not None:
            self._twin.send(beside)
        attempt = self._till.receive()
        if beside is not None:
            self._note(replace(self._answered(self._twin, beside, self._twin.receive()), is_twin=True))
        attempt = self._answered(self._till, asked, attempt)
        self._note(attempt)
        self._keep(attempt)

    def _answered(self, till: Till, asked: Asked, attempt: Attempt) -> Attempt:
        """An attempt that was answered: this one, or a repetition under the same key."""
        pause, gives_up = 0.02, time.monotonic() + LONGEST_SECONDS
        while not _is_final(attempt):
            self._note(attempt)
            if time.monotonic() > gives_up:
                raise SystemExit(f"{asked.operation} was not answered: status {attempt.status}, {attempt.refusal}")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            attempt = till.ask(asked)
        return attempt

    def _keep(self, attempt: Attempt) -> None:
        """Remember what later requests are about."""
        if attempt.answer is None or attempt.answer.get("replay"):
            return
        if attempt.operation == "issue":
            self._given["code"].append(attempt.answer["code"])
        if attempt.operation == "redeem" and attempt.key is not None:
            self._given["redeem_key"].append(attempt.key)

    def _note(self, attempt: Attempt) -> None:
        os.write(self._file, attempt.line().encode())


def _is_final(attempt: Attempt) -> bool:
    return attempt.answer is not None or (attempt.refusal is not None and attempt.refusal not in PASSING)


if __name__ == "__main__":
    Client(Plan.read(Path(sys.argv[1])), int(sys.argv[2])).run()
