"""Lives of coupons asked of a ledger without HTTP, with a history as the checker reads it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

from tests.proofs.ledger.judging.history import Attempt

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError
from coupon_pipeline.ledger.records import (
    Basket,
    CampaignTerms,
    CouponTerms,
    Definitions,
    Line,
)

NOW: Final = 1_741_608_000_000
HOUR: Final = 3_600_000
LASTING, ENDING, RARE = 1, 2, 3
"""Coupons: good for long; for one more hour; of which few may be issued."""
ENDS_AT: Final = NOW + HOUR
HOUSEHOLDS: Final = 50
DEFINITIONS: Final = Definitions(
    campaigns=(CampaignTerms(1, liability_cents=10_000_000), CampaignTerms(2, max_issues=20)),
    coupons=(
        CouponTerms(LASTING, 1, 100, NOW - HOUR, NOW + 1_000 * HOUR),
        CouponTerms(ENDING, 1, 100, NOW - HOUR, ENDS_AT),
        CouponTerms(RARE, 2, 100, NOW - HOUR, NOW + 1_000 * HOUR, max_issues=12),
    ),
    consents=dict.fromkeys(range(1, HOUSEHOLDS + 1), True),
)
LINES: Final = (Line(1, 1, 500),)
Ask = Callable[..., Attempt]


def asking(ledger: Ledger, path: Path) -> Ask:
    """What asks a ledger, as `ask(client, operation, key, **request)`, and notes what was answered."""

    def ask(client: str, operation: str, key: str, **request: Any) -> Attempt:
        attempt = answered(ledger, Attempt(client, operation, key, request, monotonic_ns()))
        with path.open("a", encoding="utf-8") as file:
            file.write(attempt.line())
        return attempt

    return ask


def answered(ledger: Ledger, attempt: Attempt) -> Attempt:
    """The attempt with what came of it."""
    try:
        answer = asdict(_done(ledger, attempt.client, attempt.key or "", attempt.operation, attempt.request))
    except RefusalError as refusal:
        return replace(attempt, returned=monotonic_ns(), refusal=refusal.reason.value)
    except UnavailableError as error:
        reason = None if error.reason is Reason.OUTCOME_UNKNOWN else error.reason.value
        return replace(attempt, returned=monotonic_ns(), refusal=reason)
    return replace(attempt, returned=monotonic_ns(), answer=answer)


def _done(ledger: Ledger, client: str, key: str, operation: str, request: Any) -> Any:
    match operation:
        case "issue":
            return ledger.issue(client, key, request["household_id"], request["coupon_id"], "mail")
        case "void":
            return ledger.void(client, key, code=request["code"])
        case "reverse":
            return ledger.reverse(client, key, request["redeem_key"])
        case "hold":
            return ledger.hold(client, key, request["code"], Basket("1", request["basket_id"]), request["seconds"])
    basket = Basket("1", request["basket_id"], "1", LINES)
    return ledger.redeem(client, key, request["code"], basket, request["discount_cents"])


def use(ask: Ask, client: str, name: str, code: str) -> Attempt:
    """Redeem a coupon with a basket of its own."""
    lines = [asdict(line) for line in LINES]
    return ask(client, "redeem", f"redeem-{name}", code=code, basket_id=name, discount_cents=50, lines=lines)


def live(ask: Ask, client: str, number: int) -> list[Attempt]:
    """One life: issued, held, used, reversed, used again, or void; ends at the first request that is not granted."""
    name = f"{client}-{number:05}"
    steps: Iterable[Callable[[str], Attempt]] = (
        lambda code: ask(client, "hold", f"hold-{name}", code=code, basket_id=name, seconds=300),
        lambda code: use(ask, client, name, code),
        lambda code: ask(client, "reverse", f"reverse-{name}", redeem_key=f"redeem-{name}"),
        lambda code: (
            ask(client, "void", f"void-{name}", code=code) if number % 3 == 0 else use(ask, client, f"{name}-2", code)
        ),
    )
    household = 1 + number % HOUSEHOLDS
    coupon = RARE if number % 4 == 0 else LASTING
    done = [ask(client, "issue", f"issue-{name}", household_id=household, coupon_id=coupon)]
    for step in steps:
        if done[-1].answer is None:
            return done
        done.append(step((done[0].answer or {})["code"]))
    return done


def again(ledger: Ledger, attempts: Iterable[Attempt]) -> list[Attempt]:
    """The same requests with the same keys."""
    return [
        answered(ledger, replace(one, called=monotonic_ns(), returned=None, answer=None, refusal=None))
        for one in attempts
    ]


def main(url: str, keys: str, history: str, client: str, most: int) -> None:
    """Let coupons live until the database has failed some times, or `most` have lived; prints `begins` before."""
    try:
        ledger = open_ledger(url, Path(keys), "development", lambda: NOW)
        ledger.sync(DEFINITIONS)
    except UnavailableError as error:
        print(f"begins\n{error.reason}", flush=True)
        return
    print("begins", flush=True)
    ask, failures, numbers = asking(ledger, Path(history)), 0, count()

    def run(thread: int) -> None:
        nonlocal failures
        while failures < 8 and (number := next(numbers)) < most:
            last = live(ask, f"{client}-{thread}", number)[-1]
            failures += last.is_unknown or last.refusal in {"storage_full", "read_only", "unavailable", "overloaded"}

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()


if __name__ == "__main__":
    if sys.argv[6:]:
        # Here and not when it begins, as not everybody may run this Python.
        os.setuid(int(sys.argv[6]))
    main(*sys.argv[1:5], most=int(sys.argv[5]))
