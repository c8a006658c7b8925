"""Finds the quarantined rows that wait: those whose key has not become clean since."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from coupon_pipeline.contracts.compiling.builtin_rules import HARMLESS
from coupon_pipeline.contracts.contract import KNOWN_AT, Contract
from coupon_pipeline.contracts.judging.casting import FROM_TEXT
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK
from coupon_pipeline.contracts.mending.replays import WEEK
from coupon_pipeline.tables import Store

MARKS: Final = {
    "_rule": "VARCHAR",
    "_source_file": "VARCHAR",
    "_source_row": "BIGINT",
    "_row": "BIGINT",
}
"""What is read of a quarantined row beside its cells; a file that lacks one of them has nulls."""
NO_KEY = "_no_key"
"""Column of waiting rows: whether the key is null or cannot be read."""
AT: Final = "_at"
"""The instant that a row is told to have become known, for the query alone."""


def waiting(store: Store, contract: Contract, week: str | None = None, rule: str | None = None) -> pa.Table:
    """The waiting rows of a table, of all weeks or of one, by all rules or by one.

    One row each, by week and place: the contract's columns as text, `_week`, `_no_key` and MARKS. A row that is in
    clean all the same, as a copy or since a week before, never waits. A row without a key that can be read always does.
    """
    weeks = store.calendar.weeks if week is None else (store.calendar.check(week),)
    files = [str(path) for each in weeks if (path := store.path("quarantine", contract.name, each)).exists()]
    with _engine(store) as engine:
        if not files:
            return _empty(contract)
        _hold(engine, store, contract, files, rule)
        _meet(engine, store, contract)
        return engine.sql(_left(contract)).to_arrow_table().combine_chunks()


@contextmanager
def _engine(store: Store) -> Generator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": store.threads, "memory_limit": store.memory_limit}) as engine:
        engine.execute("set enable_progress_bar = false")
        yield engine


def _hold(
    engine: duckdb.DuckDBPyConnection, store: Store, contract: Contract, files: Sequence[str], rule: str | None
) -> None:
    """The table `held`: what is set aside and not clean all the same, with keys `k0`, `k1`, ... in their types."""
    found = "read_parquet($files, union_by_name = true, filename = '_file', hive_partitioning = false)"
    here = {name for name, *_ in engine.execute(f"describe from {found}", {"files": list(files)}).fetchall()}
    cells = [_or_null(column.name, "VARCHAR", here) for column in contract.columns]
    marks = [_or_null(name, physical_type, here) for name, physical_type in MARKS.items()]
    keys = [f"{_typed(contract, name)} as k{number}" for number, name in enumerate(contract.key)]
    absent = " or ".join(f"k{number} is null" for number in range(len(keys)))
    engine.execute("create table closing (week varchar, last timestamp)")
    closing = [[week, store.calendar.decision_time(week) - timedelta(microseconds=1)] for week in store.calendar.weeks]
    engine.executemany("insert into closing values (?, ?)", closing)
    engine.execute(
        f"""create table held as
        with cells as (
            select {", ".join([*cells, *marks])}, regexp_extract(_file, '.*/week=([0-9-]+)/', 1) as {WEEK} from {found}
        ),
        typed as (select *, {_typed(contract, KNOWN_AT)} as known, {", ".join(keys)} from cells)
        -- A row cannot have been known after it came, whatever it says itself.
        select typed.* exclude (known), least(known, last) as {AT}, {absent} as {NO_KEY}
        from typed join closing on week = {WEEK}
        where not list_has_all($harmless, string_split(coalesce(_rule, ''), ','))
        and ($rule is null or list_contains(string_split(_rule, ','), $rule))""",
        {"files": list(files), "harmless": sorted(HARMLESS), "rule": rule},
    )


def _meet(engine: duckdb.DuckDBPyConnection, store: Store, contract: Contract) -> None:
    """The table `met`: of each key that is held and clean, the last week and instant in which it is."""
    keys = ", ".join(f"k{number}" for number in range(len(contract.key)))
    clean = [str(path) for week in _weeks(engine, store, contract) if (path := _clean(store, contract, week)).exists()]
    if not clean:
        engine.execute(f"create table met as select {keys}, {WEEK}, {AT} from held limit 0")
        return
    named = ", ".join(f'"{name}" as k{number}' for number, name in enumerate(contract.key))
    engine.execute(
        f"""create table met as
        with clean as (
            select {named}, "{KNOWN_AT}" as {AT}, regexp_extract(_file, '.*/week=([0-9-]+)/', 1) as {WEEK}
            from read_parquet($files, filename = '_file', hive_partitioning = false)
        )
        select {keys}, max({WEEK}) as {WEEK}, max({AT}) as {AT}
        from clean semi join held using ({keys}) group by all""",
        {"files": clean},
    )


def _left(contract: Contract) -> str:
    """The rows of `held` that nothing in `met` makes up for."""
    keys = ", ".join(f"k{number}" for number in range(len(contract.key)))
    if contract.kind == "fact":
        is_clean = f"cast(met.{WEEK} as date) >= cast(held.{WEEK} as date) - {7 * WEEKS_BACK}"
    else:
        is_clean = f"case when held.{AT} is null then met.{WEEK} > held.{WEEK} else met.{AT} >= held.{AT} end"
    columns = ", ".join(f'held."{name}"' for name in _empty(contract).column_names)
    return f"""select {columns} from held left join met using ({keys})
        where {NO_KEY} or not coalesce({is_clean}, false) order by held.{WEEK}, held._row, held._rule"""


def _weeks(engine: duckdb.DuckDBPyConnection, store: Store, contract: Contract) -> list[str]:
    """The weeks in which a clean row can make up for one that is held."""
    if contract.kind == "fact":
        [(first,)] = engine.execute(f"select min({WEEK}) from held where not {NO_KEY}").fetchall()
        if first is None:
            return []
        earliest = (date.fromisoformat(first) - timedelta(weeks=WEEKS_BACK)).isoformat()
        return [week for week in store.calendar.weeks if week >= earliest]
    [(first,)] = engine.execute(
        f"select min(least(coalesce({AT}, last), last)) from held join closing on week = {WEEK} where not {NO_KEY}"
    ).fetchall()
    return [] if first is None else [w for w in store.calendar.weeks if store.calendar.decision_time(w) > first]


def _clean(store: Store, contract: Contract, week: str) -> Path:
    return store.path("clean", contract.name, week)


def _typed(contract: Contract, name: str) -> str:
    """SQL for a column's text in the contract's type; null where it cannot be read."""
    physical_type = contract.column(name).physical_type
    return FROM_TEXT[physical_type].replace("{x}", f'"{name}"') if physical_type in FROM_TEXT else f'"{name}"'


def _or_null(name: str, physical_type: str, here: set[str]) -> str:
    cell = f'"{name}"' if name in here else "null"
    return f'cast({cell} as {physical_type}) as "{name}"'


def _empty(contract: Contract) -> pa.Table:
    """No rows, in the columns of waiting ones."""
    text = [(column.name, pa.string()) for column in contract.columns]
    marks = [(name, pa.int64() if kind == "BIGINT" else pa.string()) for name, kind in MARKS.items()]
    return pa.schema([*text, *marks, (WEEK, pa.string()), (NO_KEY, pa.bool_())]).empty_table()
