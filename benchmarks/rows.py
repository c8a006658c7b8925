"""The figures of `make bench`, with the bars that the project holds."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.ledger_rows import ledger_rows
from benchmarks.measure import ROOT, Measured, environment, measured, task
from benchmarks.tasks import rows_of

from coupon_pipeline.commands.outcome import Outcome

SMALL: Final[Mapping[str, int]] = {
    "households": 500,
    "stores": 5,
    "products": 4_000,
    "categories": 60,
}
SMALL_WEEKS: Final = {"warmup_weeks": 8, "issue_weeks": 4}
FEW, MANY, WEEKS = 10_000, 40_000, 4
"""Households of the two chains that growth is measured on, and weeks; the first week is not counted."""
BUSY = 10
"""How often a week of sales is repeated, under other baskets."""
LARGE, LARGE_WEEKS, YEAR = 100_000, 4, 52
SIMULATE = ("-m", "coupon_pipeline", "simulate")
RUN = ("-m", "coupon_pipeline", "run")


def rows(short: bool, full: bool = False) -> Iterator[Outcome]:
    """All figures; with `short` those of a small chain, without the bars that only a large one can show.

    With `full` the ledger grows to ten million coupons, not one.
    """
    with TemporaryDirectory(prefix="bench-") as folder:
        yield from simulating(Path(folder), short)
        yield from landing(Path(folder))
    yield from growing(short)
    yield from truth(short)
    yield from validating(short)
    yield from ledger_rows(short, full)
    if not short:
        yield from running()


def simulating(data: Path, short: bool) -> Iterator[Outcome]:
    """The whole history of a chain, from nothing to feeds that are written, start and compilation included."""
    sizes = {**SMALL, **SMALL_WEEKS} if short else {}
    changes = {f"COUPON_CHAIN_{name.upper()}": str(value) for name, value in sizes.items()}
    found = measured(SIMULATE, environment(data, **changes))
    # The promotion plan counts by zone, as the ERP is given it, not by store, as its view shows it.
    written = sum(rows_of(data / "chain" / "feeds").values())
    yield Outcome("simulate: rows written", written, "rows")
    yield Outcome("simulate: CPU", found.cpu_seconds, "s")
    yield _barred("simulate: rows per CPU s", written / found.cpu_seconds, "rows/s", ">=", 200_000, not short)
    yield Outcome("simulate: peak memory", found.peak_gib, "GiB", op="<=", bar=2.0)


def landing(data: Path) -> Iterator[Outcome]:
    """Landing of the last weeks of that chain, by kind of system."""
    for kind, rate in task("landing", environment(data), data=str(data)).answer.items():
        yield Outcome(f"landing from {kind}: rows per CPU s", rate, "rows/s")


def growing(short: bool) -> Iterator[Outcome]:
    """CPU and memory of the weeks of two chains, one with four times as many households."""
    few, many = (FEW // 10, MANY // 10) if short else (FEW, MANY)
    sizes = {name: value for name, value in SMALL.items() if name != "households"} if short else {}
    small, big = (_grown(households, WEEKS, sizes) for households in (few, many))
    cpu = [found.answer["cpu"] / found.answer["weeks"] for found in (small, big)]
    yield Outcome(f"week of {few:,} households: CPU", cpu[0], "s")
    yield Outcome(f"week of {many:,} households: CPU", cpu[1], "s")
    exponent = math.log(cpu[1] / cpu[0]) / math.log(many / few)
    yield Outcome("growth of CPU: exponent", exponent, op="<=", bar=1.05)
    yield Outcome(f"{few:,} households: memory", small.peak_gib, "GiB")
    yield Outcome(f"{many:,} households: memory", big.peak_gib, "GiB")
    yield _barred(
        "growth of memory at four times the households", big.peak_gib / small.peak_gib, "x", "<=", 1.6, not short
    )


def truth(short: bool) -> Iterator[Outcome]:
    """What knowing the truth costs."""
    sizes = dict(SMALL) if short else {}
    with TemporaryDirectory(prefix="bench-") as folder:
        found = task("truth", environment(Path(folder)), replicates=5, **sizes).answer
    yield Outcome(f"closed form of {found['pairs']:,} pairs: CPU", found["closed_form"], "s")
    yield Outcome("twin worlds: CPU of a replicate", found["twins"], "s")


def validating(short: bool) -> Iterator[Outcome]:
    """Sales of Complete Journey under their contract: against SQL that applies the same rules, and in memory."""
    times, weeks = (2, 6) if short else (BUSY, None)
    with TemporaryDirectory(prefix="bench-") as folder:
        settings = environment(Path(folder))
        found = task("against_sql", settings, times=times, weeks=weeks).answer
        task("written", settings, folder=folder, times=times)
        grown = task("memory", settings, folder=folder).answer
    for name, words, bar in (("week", "a busy week", 3.5), ("history", "the whole history", 2.0)):
        checked, sql, rows = (found[f"{name}_{part}"] for part in ("check", "sql", "rows"))
        yield Outcome(f"sales, {words}: rows", rows, "rows")
        yield Outcome(f"sales, {words}: CPU", checked, "s", baseline=sql)
        yield _barred(f"sales, {words}: CPU against SQL", checked / sql, "x", "<=", bar, not short)
    rate = found["history_rows"] / found["history_check"]
    yield _barred("sales, the whole history: rows per CPU s", rate, "rows/s", ">=", 800_000, not short)
    yield _barred("sales, a busy week: growth of memory", grown["grown"] / grown["week"], "x", "<=", 8.0, not short)


def judging(folder: Path, settings: Mapping[str, str]) -> Iterator[Outcome]:
    """All tables of a chain whose history is landed and published, the last week alone and every week again."""
    week = task("one_week", settings).answer
    last = measured(_job(last_only=True), settings, folder).answer
    every = measured(_job(last_only=False), settings, folder).answer
    yield Outcome("validation of a week, all tables: CPU", week["cpu"], "s", op="<=", bar=6.0)
    yield Outcome("validation of a week, with Dagster: CPU", last["cpu"], "s", op="<=", bar=12.0)
    yield Outcome("validation of every week: rows", every["rows"], "rows")
    yield Outcome("validation of every week, with Dagster: CPU", every["cpu"], "s", op="<=", bar=60.0)


def _job(last_only: bool) -> tuple[str, ...]:
    return ("-m", "benchmarks.tasks", "jobs", json.dumps({"last_only": last_only}))


def running() -> Iterator[Outcome]:
    """The whole pipeline from nothing, again with nothing changed, and what of it is validation."""
    with TemporaryDirectory(prefix="bench-") as name:
        # In a folder of its own, so that neither the history of runs nor out/ is that of the user.
        folder = Path(name)
        shutil.copy(ROOT / "dagster.yaml", folder)
        settings = environment(folder / "data", COUPON_SOURCE="simulated")
        first, again = (measured(RUN, settings, folder) for _ in range(2))
        judged = list(judging(folder, settings))
    yield Outcome("run on nothing: CPU", first.cpu_seconds, "s", op="<=", bar=300.0)
    yield Outcome("run on nothing: wall clock", first.wall_seconds, "s")
    yield Outcome("run on nothing: peak memory", first.peak_gib, "GiB")
    yield Outcome("run again, nothing changed: CPU", again.cpu_seconds, "s")
    yield Outcome("run again, nothing changed: wall clock", again.wall_seconds, "s", op="<=", bar=20.0)
    yield from judged


def large() -> Iterator[Outcome]:
    """A few weeks of a large chain, and what a year of them would take if all were like these."""
    found = _grown(LARGE, LARGE_WEEKS, {})
    each = found.answer["cpu"] / found.answer["weeks"]
    yield Outcome("weeks measured, after the first one", found.answer["weeks"], "weeks")
    yield Outcome("rows written in a week", found.answer["rows"] / found.answer["weeks"], "rows")
    yield Outcome("week: CPU", each, "s")
    yield Outcome("whole process: CPU", found.cpu_seconds, "s")
    yield Outcome("peak memory", found.peak_gib, "GiB", op="<=", bar=24.0)
    yield Outcome(f"extrapolated to {YEAR} weeks: CPU", each * YEAR, "s")


def _grown(households: int, weeks: int, sizes: Mapping[str, int]) -> Measured:
    with TemporaryDirectory(prefix="bench-") as folder:
        settings = environment(Path(folder), TMPDIR=folder)
        return task("growth", settings, households=households, weeks=weeks, **sizes)


def _barred(name: str, value: float, unit: str, op: str, bar: float, shown: bool) -> Outcome:
    """A row whose bar only a chain of the usual size can show."""
    if not shown:
        return Outcome(name, value, unit)
    return Outcome(name, value, unit, op=">=" if op == ">=" else "<=", bar=bar)
