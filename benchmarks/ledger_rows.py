"""The figures of the coupon ledger, each beside its floor: bare loops over the same database on the same disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, NamedTuple

from benchmarks.ledger import CLIENTS
from benchmarks.measure import environment, task
from benchmarks.slow_disk import slow_disk

from coupon_pipeline.commands.outcome import Outcome

SLOWER_MS: Final = 5
NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Sizes(NamedTuple):
    """How much is measured."""

    redeemed: int
    """Redemptions of a round, by the ledger and by the loop each."""
    slowly: int
    validated: int
    bulk: int
    single: int
    few: int
    many: int
    grown: int


USUAL: Final = Sizes(2_000, 400, 5_000, 100_000, 500, 10_000, 1_000_000, 1_000)
SHORT: Final = Sizes(100, 40, 500, 2_000, 100, 500, 2_000, 50)
FULL: Final = USUAL._replace(many=10_000_000)


def ledger_rows(short: bool, full: bool) -> Iterator[Outcome]:
    """All figures; with `short` small ledgers and only the bars that need no size, with `full` ten million coupons."""
    sizes = SHORT if short else FULL if full else USUAL
    yield from redeeming(sizes, short)
    yield from slowly(sizes, short)
    yield from validating(sizes, short)
    yield from bulk(sizes, short)
    yield from growing(sizes, short)


def redeeming(sizes: Sizes, short: bool) -> Iterator[Outcome]:
    """Durable redemptions, whose floor commits one after the other in one thread."""
    for dialect, bar in (("sqlite", 0.35), ("postgresql", 0.45)):
        found = _task("redeeming", {}, dialect=dialect, each=sizes.redeemed)
        name = f"redeem on {NAMES[dialect]}, {CLIENTS} clients"
        yield Outcome(f"{name}: rate", found["rate"], "per s", baseline=found["floor"])
        yield _barred(f"{name}: against a bare loop", found["ratio"], "x", ">=", bar, not short)
        if "shared_ratio" in found:
            yield _barred(
                f"{name}: against {CLIENTS} bare loops at once", found["shared_ratio"], "x", ">=", bar, not short
            )
        yield _barred(f"{name}: p99", found["p99_ms"], "ms", "<=", 50, not short and dialect == "sqlite")


def slowly(sizes: Sizes, short: bool) -> Iterator[Outcome]:
    """The same on a disk whose every fsync takes longer, where commits that are shared tell."""
    with TemporaryDirectory(prefix="bench-") as folder:
        found = _task("redeeming", slow_disk(Path(folder), SLOWER_MS), dialect="sqlite", each=sizes.slowly)
    name = f"redeem on SQLite, {CLIENTS} clients, fsync {SLOWER_MS} ms longer"
    yield Outcome(f"{name}: rate", found["rate"], "per s", baseline=found["floor"])
    yield _barred(f"{name}: against a commit per request", found["ratio"], "x", ">=", 3, not short)


def validating(sizes: Sizes, short: bool) -> Iterator[Outcome]:
    """Validations by one client, whose floor is a SELECT by key."""
    for dialect, bar in (("sqlite", 0.08), ("postgresql", 0.35)):
        found = _task("validating", {}, dialect=dialect, each=sizes.validated)
        name = f"validate on {NAMES[dialect]}"
        yield Outcome(f"{name}: rate", found["rate"], "per s", baseline=found["floor"])
        yield _barred(f"{name}: against a bare SELECT", found["ratio"], "x", ">=", bar, not short)


def bulk(sizes: Sizes, short: bool) -> Iterator[Outcome]:
    """Issues of a cycle, whose floor is one issue after the other."""
    for dialect in NAMES:
        found = _task("bulk", {}, dialect=dialect, coupons=sizes.bulk, single=sizes.single)
        name = f"issue {sizes.bulk:,} coupons on {NAMES[dialect]}"
        yield Outcome(f"{name}: rate", found["rate"], "per s", baseline=found["floor"])
        is_shown = not short and dialect == "sqlite"
        yield _barred(f"{name}: against single issues", found["ratio"], "x", ">=", 20, is_shown)


def growing(sizes: Sizes, short: bool) -> Iterator[Outcome]:
    """What a redemption costs where many coupons are issued, beside a ledger with few."""
    found = _task("growing", {}, few=sizes.few, many=sizes.many, each=sizes.grown)
    name = f"redeem among {sizes.many:,} coupons"
    yield Outcome(f"{name}: CPU", found["many_ms"], "ms", baseline=found["few_ms"])
    yield _barred(f"{name}: CPU against {sizes.few:,}", found["growth"], "x", "<=", 1.3, not short)
    yield Outcome(f"{name}: wall clock against {sizes.few:,}", found["wall_growth"], "x")


def _task(name: str, changes: Mapping[str, str], **options: Any) -> dict[str, Any]:
    with TemporaryDirectory(prefix="bench-") as folder:
        return task(name, environment(Path(folder), **changes), folder=folder, **options).answer


def _barred(name: str, value: float, unit: str, op: Literal[">=", "<="], bar: float, is_shown: bool) -> Outcome:
    return Outcome(name, value, unit, op=op, bar=bar) if is_shown else Outcome(name, value, unit)
