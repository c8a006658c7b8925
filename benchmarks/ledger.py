"""What the coupon ledger costs beside bare loops over the same database, on the same disk, in turn with them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coupons import (
    LINES,
    Full,
    full,
    postgresql,
    storm,
    timed,
)
from benchmarks.floors import Bare, untaken

from coupon_pipeline.ledger.records import Basket

CLIENTS, ROUNDS = 16, 5
"""Threads that redeem at once, and rounds after one that is not counted."""


def redeeming(folder: str, dialect: str, each: int) -> dict[str, float]:
    """Redemptions per second of 16 clients, of a bare loop and of 16 such loops at once; `each` of all in a round.

    SQLite has one writer at a time, so that several loops are no faster there, and are left out.
    """
    shared = CLIENTS if dialect == "postgresql" else 0
    with ExitStack() as stack:
        coupons = (2 + bool(shared)) * each * (ROUNDS + 1)
        ledger, bare = stack.enter_context(_ledger(Path(folder), dialect, coupons))
        loops = [stack.enter_context(closing(Bare(ledger))) for _ in range(shared)]
        rounds = [_redeemed(ledger, bare, loops, each) for _ in range(ROUNDS + 1)][1:]
    found = {name: statistics.median(one[name] for one in rounds) for name in rounds[0] if name != "latencies"}
    latencies = [seconds for one in rounds for seconds in one["latencies"]]
    return found | {"p99_ms": float(np.percentile(latencies, 99)) * 1000}


def _redeemed(ledger: Full, bare: Bare, loops: Sequence[Bare], each: int) -> dict[str, Any]:
    floor = timed(bare.redeem, untaken(ledger, each))
    found = storm([ledger.redeem] * CLIENTS, ledger.take(each))
    told = {"rate": found.rate, "floor": floor, "ratio": found.rate / floor, "latencies": found.latencies}
    if not loops:
        return told
    shared = storm([loop.redeem for loop in loops], untaken(ledger, each)).rate
    return told | {"shared_floor": shared, "shared_ratio": found.rate / shared}


def validating(folder: str, dialect: str, each: int) -> dict[str, float]:
    """Validations per second of one thread, and of a bare SELECT by key."""
    with _ledger(Path(folder), dialect, each) as (ledger, bare):
        ids = untaken(ledger, each)
        codes = ledger.ledger.codes(ids)
        basket = Basket("7", "1", "1", LINES)

        def validate(code: str) -> None:
            ledger.ledger.validate("store-7", code, basket)

        return _in_turn(lambda: timed(validate, codes), lambda: timed(bare.find, ids))


def bulk(folder: str, dialect: str, coupons: int, single: int) -> dict[str, float]:
    """Coupons per second issued in bulk, and one by one, before and after."""
    with _ledger(Path(folder), dialect, 1_000) as (ledger, bare):
        bare.close()
        households = 1_000_000
        rates = [_issued_singly(ledger, single, households)]
        seconds = ledger.fill(coupons, 2 * households)
        rates.append(_issued_singly(ledger, single, 3 * households))
    singly = statistics.mean(rates)
    return {"rate": coupons / seconds, "floor": singly, "ratio": coupons / seconds / singly}


def growing(folder: str, few: int, many: int, each: int) -> dict[str, float]:
    """CPU seconds of a redemption by one client in two SQLite ledgers, of few and of many coupons, in turn."""
    with ExitStack() as stack:
        small, big = (stack.enter_context(full(f"sqlite:///{folder}/{coupons}.db", coupons)) for coupons in (few, many))
        cpu, wall = list[tuple[float, float]](), list[tuple[float, float]]()
        for number in range(ROUNDS + 1):
            pairs = [_cost(ledger, each) for ledger in (small, big)]
            if number:
                cpu.append((pairs[0][0], pairs[1][0]))
                wall.append((pairs[0][1], pairs[1][1]))
    return {
        "few_ms": statistics.median(one for one, _ in cpu) * 1000,
        "many_ms": statistics.median(one for _, one in cpu) * 1000,
        "growth": statistics.median(many / few for few, many in cpu),
        "wall_growth": statistics.median(many / few for few, many in wall),
    }


def _cost(ledger: Full, each: int) -> tuple[float, float]:
    """CPU and wall seconds of a redemption, this process' threads together."""
    codes = ledger.take(each)
    cpu, wall = time.process_time(), time.perf_counter()
    for number, code in enumerate(codes):
        ledger.redeem(code, ledger.taken + number)
    return (time.process_time() - cpu) / each, (time.perf_counter() - wall) / each


def _issued_singly(ledger: Full, count: int, first_household: int) -> float:
    assignments = ledger.assignments(count, first_household)

    def issue(number: int) -> None:
        one = assignments[number]
        labels = {name: getattr(one, name) for name in ("decision_id", "arm", "policy", "propensity")}
        ledger.ledger.issue("app", one.decision_id, one.household_id, one.coupon_id, one.channel, **labels)

    return timed(issue, range(count))


def _in_turn(candidate: Callable[[], float], floor: Callable[[], float]) -> dict[str, float]:
    """Rates of both, the middle of some rounds, and the middle of the rounds' ratios."""
    pairs = [(floor(), candidate()) for _ in range(ROUNDS + 1)][1:]
    return {
        "rate": statistics.median(rate for _, rate in pairs),
        "floor": statistics.median(floor for floor, _ in pairs),
        "ratio": statistics.median(rate / floor for floor, rate in pairs),
    }


@contextmanager
def _ledger(folder: Path, dialect: str, coupons: int) -> Generator[tuple[Full, Bare]]:
    """A full ledger in SQLite or on a PostgreSQL of its own, and a bare connection to the same database."""
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'ledger.db'}"
        if dialect == "postgresql":
            url = stack.enter_context(postgresql(folder / "pg"))
        ledger = stack.enter_context(full(url, coupons))
        bare = Bare(ledger)
        stack.callback(bare.close)
        yield ledger, bare
