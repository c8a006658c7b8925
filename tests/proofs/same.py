"""The same seed gives the same content: in another process, and with one thread or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.chains import SMALL, content, simulated

from coupon_pipeline.commands.outcome import Outcome

DEFAULT: Mapping[str, str] = {
    "HOUSEHOLDS": "2500",
    "STORES": "20",
    "PRODUCTS": "20000",
    "CATEGORIES": "150",
    "WAVE_COUPONS": "100",
    "WARMUP_WEEKS": "6",
    "ISSUE_WEEKS": "4",
}
SHARDS = 3
"""A chain of one shard is lived by one thread, one of several by two."""


def rows(short: bool) -> Iterator[Outcome]:
    """Files and tables that differ."""
    sizes = SMALL if short else DEFAULT
    shard = int(sizes["HOUSEHOLDS"]) // SHARDS
    with TemporaryDirectory(prefix="same-") as name:
        lives = {"once": 0, "again": 0, "threads": shard}
        feeds = [simulated(Path(name, life), size, **sizes) for life, size in lives.items()]
        once, again, threads = map(content, feeds)
    yield Outcome("same seed: files and tables", len(once), op=">=", bar=100)
    yield Outcome("same seed: different when lived again", differing(once, again), op="<=", bar=0)
    yield Outcome("same seed: different with one and two threads", differing(once, threads), op="<=", bar=0)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """Names that are missing in one of the two, or whose digests differ."""
    return len(one.keys() ^ other.keys()) + sum(other.get(name, digest) != digest for name, digest in one.items())
