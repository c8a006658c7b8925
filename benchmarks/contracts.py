"""What validating costs: sales against hand-written SQL, and all tables of a chain, with and without Dagster."""

from __future__ import annotations

import gc
import pickle
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.baseline import Baseline, Split
from benchmarks.measure import UNIT
from benchmarks.sales import (
    TABLE,
    CompleteJourney,
    Sales,
    busy_week,
    history,
)

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging import published
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.settings import Settings

ROUNDS = 3


def against_sql(times: int, weeks: int | None) -> dict[str, float]:
    """CPU seconds of validating and of SQL: a busy week, and the first weeks, or all, as one batch."""
    week = _compared(busy_week(times))
    whole = _compared(history(weeks))
    found = {f"week_{name}": value for name, value in week.items()}
    return found | {f"history_{name}": value for name, value in whole.items()}


def _compared(sales: Sales) -> dict[str, float]:
    """Both in turn, the middle of some rounds each, once their answers are known to be equal."""
    baseline = Baseline(sales.contract)

    def sql() -> dict[str, Split]:
        return baseline.split(sales.raw, sales.beside, sales.past)

    agree(sales, sales.check(), sql(), baseline.broken())
    seconds = [(cpu_of(sales.check), cpu_of(sql)) for _ in range(ROUNDS)]
    checked, asked = (statistics.median(each) for each in zip(*seconds, strict=True))
    return {"rows": sales.rows, "check": checked, "sql": asked}


def cpu_of(work: Callable[[], Any]) -> float:
    """CPU seconds of all threads."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def agree(sales: Sales, verdicts: Sequence[Verdict], weeks: Mapping[str, Split], broken: Mapping[Any, int]) -> None:
    """Raises AssertionError unless both split the same rows for the same rules; SQL may keep them in another order."""
    order = [(name, "ascending") for name in sales.contract.key]
    for verdict in verdicts:
        week, found = verdict.week, weeks[verdict.week]
        clean, asked = (rows.sort_by(order).cast(found.clean.schema) for rows in (verdict.clean, found.clean))
        assert clean.equals(asked), f"{week}: {len(clean)} clean rows, {len(asked)} by SQL, or others"
        for name in ("_row", "_rule"):
            ours, theirs = (rows.column(name).to_pylist() for rows in (verdict.quarantined, found.quarantined))
            assert ours == theirs, f"{week}: {len(ours)} quarantined, {len(theirs)} by SQL, or others"
        for one in verdict.outcomes:
            rule = sales.contract.rule(one.rule)
            if rule.scope == "row" and rule.expectation:
                theirs = broken.get((week, rule.id), 0)
                assert one.failed == theirs, f"{week}, {rule.id}: {one.failed} rows, {theirs} by SQL"
    assert any(verdict.quarantined.num_rows for verdict in verdicts), "nothing was split"


def written(folder: str, times: int) -> dict[str, float]:
    """Write the busy week as one file that can be read without anything else; its rows."""
    sales = busy_week(times)
    [(week, rows)] = sales.raw.items()
    with pa.OSFile(str(Path(folder) / "week.arrow"), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    beside = (week, dict(sales.beside.references), list(sales.beside.past))
    (Path(folder) / "beside.pickle").write_bytes(pickle.dumps(beside))
    return {"rows": rows.num_rows}


def memory(folder: str) -> dict[str, float]:
    """By how many bytes the process grows at most while it validates the busy week, and the bytes of that week."""
    calendar = CompleteJourney().calendar
    # Made by `written`, in the run of the benchmark that this process belongs to.
    week, references, past = pickle.loads((Path(folder) / "beside.pickle").read_bytes())
    with pa.OSFile(str(Path(folder) / "week.arrow")) as file:
        rows = pa.ipc.open_file(file).read_all()
    beside = Surroundings(calendar.opens_at, calendar.decision_time, references, past=past)
    contract = reader.load(TABLE)
    Sales(contract, {week: rows.slice(0, 2_000)}, beside, rows.slice(0, 0)).check()
    gc.collect()
    before = _resident()
    verdicts = Sales(contract, {week: rows}, beside, rows.slice(0, 0)).check()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    assert len(verdicts) == 1
    return {"grown": peak - before, "week": rows.nbytes}


def _resident() -> int:
    """Bytes of memory that this process holds; its highest so far where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def one_week() -> dict[str, float]:
    """CPU seconds of validating and splitting the last week of every table, reading included, imports not."""
    import great_expectations  # noqa: F401 - imports are not counted

    from assets.clean import delivered
    from assets.pipeline import Pipeline

    from coupon_pipeline.contracts.judging import expectations  # noqa: F401

    store = Pipeline(Settings()).store
    week = store.calendar.weeks[-1]
    rows, seconds = 0, 0.0
    for table in store.tables:
        contract = reader.load(table)
        began = time.process_time()
        beside = published.surroundings(store, contract, [week])
        [verdict] = check_weeks(contract, [week], lambda name, table=table: delivered(store, table, name), beside)
        seconds += time.process_time() - began
        rows += verdict.rows_in
    return {"tables": len(store.tables), "rows": rows, "cpu": seconds}


def jobs(last_only: bool) -> dict[str, float]:
    """CPU seconds of the job that validates landed weeks, its events included, imports not: all, or the last one."""
    import dagster as dg
    import great_expectations  # noqa: F401 - imports are not counted
    from rich.console import Console

    from assets import storage
    from assets.pipeline import Pipeline

    from coupon_pipeline.commands.run import RANGE_END, RANGE_START, Jobs
    from coupon_pipeline.contracts.judging import expectations  # noqa: F401
    from coupon_pipeline.definitions import build

    pipeline = Pipeline(Settings())
    weeks = pipeline.source.calendar.weeks
    keys = [
        dg.AssetKey([pipeline.source.name, layer, table])
        for table in pipeline.source.tables()
        for layer in ("clean", "quarantine")
    ]
    with storage.instance(Path.cwd()) as instance:
        runner = Jobs(build(pipeline), instance, Console(stderr=True, quiet=True))
        began = time.process_time()
        if last_only:
            runner.execute("backfill", asset_selection=keys, partition_key=weeks[-1])
        else:
            runner.execute("backfill", {RANGE_START: weeks[0], RANGE_END: weeks[-1]}, asset_selection=keys)
        seconds = time.process_time() - began
    rows = sum(
        pipeline.store.row_count("raw", table, week)
        for table in pipeline.source.tables()
        for week in (weeks[-1:] if last_only else weeks)
    )
    return {"rows": rows, "cpu": seconds}
