"""What is measured within a process of its own: `python -m benchmarks.tasks <name> <options as JSON>` prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

BURN_IN_WEEKS = 4
"""Of the chains whose growth is measured: a week costs the same after four weeks as after the usual 26."""
LAST_WEEKS = 8
"""Weeks that landing is measured on: the last ones, in which coupons are issued."""


def growth(households: int, weeks: int, **sizes: Any) -> dict[str, float]:
    """CPU seconds of the weeks after the first one, in which everything is compiled and counted, and their rows."""
    from coupon_pipeline.simulation.chain import Chain
    from coupon_pipeline.simulation.spec import ChainSpec

    spec = ChainSpec(households=households, warmup_weeks=weeks, issue_weeks=weeks, burn_in_weeks=BURN_IN_WEEKS, **sizes)
    with TemporaryDirectory() as folder:
        chain = Chain(spec, Path(folder))
        after = [time.process_time() for _ in chain.lived(weeks)]
        rows = rows_of(chain.systems.feeds, skip=1)
    return {"cpu": after[-1] - after[0], "weeks": weeks - 1, "rows": sum(rows.values())}


def truth(replicates: int, **sizes: Any) -> dict[str, float]:
    """CPU seconds of the closed form of a whole wave, and of a pair of twin worlds."""
    import numpy as np

    from coupon_pipeline.simulation.chain import burnt_in
    from coupon_pipeline.simulation.living import World
    from coupon_pipeline.simulation.spec import ChainSpec
    from coupon_pipeline.simulation.truth.effects import effects
    from coupon_pipeline.simulation.truth.twins import twins

    world = World(ChainSpec(**sizes))
    state = world.grown(burnt_in(world))
    wave = world.wave(state.week)
    began = time.process_time()
    found = effects(world, state, wave)
    closed = time.process_time() - began
    households = np.arange(len(found.margin))
    began = time.process_time()
    twins(world, state, households, found.margin.argmax(axis=1), range(1, replicates + 1))
    each = (time.process_time() - began) / replicates
    return {"closed_form": closed, "pairs": found.margin.size, "twins": each}


def landing(data: str) -> dict[str, float]:
    """Rows per CPU second of landing, by kind of system; the systems' own processes are not counted."""
    from tests.simulation.crm import serving
    from tests.simulation.landing import source_of

    from coupon_pipeline.tables import Store

    source = source_of(Path(data))
    tables = {table: spec.system for table, spec in source.config.tables.items()}
    weeks = source.calendar.weeks[-LAST_WEEKS:]
    rows, seconds = defaultdict[str, int](int), defaultdict[str, float](float)
    with TemporaryDirectory() as folder, serving(Path(data) / "chain" / "feeds") as crm:
        os.environ["COUPON_CRM_URL"] = f"http://127.0.0.1:{crm.port}"
        store = Store(Path(folder), source.calendar, 1, "1GB", source.tables())
        for table, system in tables.items():
            kind = source.config.systems[system].kind
            for week in weeks:
                began = time.process_time()
                found = source.read(table, week)
                store.write("raw", table, week, found, "")
                seconds[kind] += time.process_time() - began
                rows[kind] += found.num_rows
    return {kind: rows[kind] / seconds[kind] for kind in sorted(rows)}


def rows_of(feeds: Path, skip: int = 0) -> Counter[str]:
    """Rows per table that the systems were given in all weeks that are complete, but for the first ones."""
    rows = Counter[str]()
    for path in sorted((feeds / "closed").glob("*.json"))[skip:]:
        rows.update(json.loads(path.read_text(encoding="utf-8"))["rows"])
    return rows


def contracts(name: str, **options: Any) -> dict[str, Any]:
    """A function of `benchmarks.contracts`; whoever only counts rows does not load what it needs."""
    from benchmarks import contracts as found

    return getattr(found, name)(**options)


def ledger(name: str, **options: Any) -> dict[str, Any]:
    """A function of `benchmarks.ledger`."""
    from benchmarks import ledger as found

    return getattr(found, name)(**options)


TASKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "growth": growth,
    "truth": truth,
    "landing": landing,
    **{name: partial(contracts, name) for name in ("against_sql", "written", "memory", "one_week", "jobs")},
    **{name: partial(ledger, name) for name in ("redeeming", "validating", "bulk", "growing")},
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](**json.loads(sys.argv[2]))))
