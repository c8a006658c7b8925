"""`python -m tests.proofs.ledger.storming.bulk <folder>`: issues what a storm needs.

Killed and run again it completes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import monotonic_ns
from typing import Final

from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.storming.business import Business
from tests.proofs.ledger.storming.world import assignments

from coupon_pipeline.ledger.records import Assignment, Outcome

CLIENT: Final = "pipeline"
CHUNKS: Final = 20


def run(folder: Path) -> None:
    """Issue all, then write the history of it, and the codes for the clients."""
    business = Business.read(folder)
    wanted = assignments(business.coupons)
    with (folder / "bulk-began").open("a", encoding="utf-8") as file:
        file.write(f"{monotonic_ns()}\n")
    with business.opened() as ledger:
        called = monotonic_ns()
        outcomes = ledger.issue_all(CLIENT, wanted, print_progress, chunk=max(1, business.coupons // CHUNKS))
        returned = monotonic_ns()
        issued = [one.issue_id for one in outcomes if one.issue_id is not None]
        codes = dict(zip(issued, ledger.codes(issued), strict=True))
    lines = [_told(*pair, codes, called, returned) for pair in zip(wanted, outcomes, strict=True)]
    began = [int(line) for line in (folder / "bulk-began").read_text(encoding="utf-8").splitlines()]
    if len(began) > 1:
        # What an earlier run has issued, it was killed before it could say so.
        lines += [Attempt(CLIENT, "issue", one.decision_id, _request(one), began[0]).line() for one in wanted]
    (folder / "history-bulk.jsonl").write_text("".join(lines), encoding="utf-8")
    given = [
        [codes[outcome.issue_id], outcome.issue_id, one.household_id, one.coupon_id]
        for one, outcome in zip(wanted, outcomes, strict=True)
        if outcome.issue_id is not None
    ]
    (folder / "codes.json").write_text(json.dumps(given), encoding="utf-8")


def print_progress(done: int) -> None:
    """Tell whoever is to kill this process how far it is."""
    print(done, flush=True)


def _request(assignment: Assignment) -> dict[str, int]:
    return {"household_id": assignment.household_id, "coupon_id": assignment.coupon_id}


def _told(one: Assignment, outcome: Outcome, codes: dict[int, str], called: int, returned: int) -> str:
    attempt = Attempt(CLIENT, "issue", one.decision_id, _request(one), called, returned, refusal=outcome.reason)
    if outcome.issue_id is None:
        return attempt.line()
    answer = {"issue_id": outcome.issue_id, "code": codes[outcome.issue_id], "replay": outcome.replay}
    return Attempt(CLIENT, "issue", one.decision_id, _request(one), called, returned, answer).line()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
