"""Plays the machine of ledger and model on a database, from a fixed seed, and counts what it has reached."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import psycopg
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test
from psycopg import sql

from tests.ledger.machine import LedgerMachine
from tests.ledger.servers import Server

from coupon_pipeline.ledger import sqlite
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.schema import METADATA
from coupon_pipeline.ledger.statement import Database

SEED = 7
Opened = tuple[Database, Callable[[], None]]
"""An empty database, and what closes and removes it."""


@contextmanager
def undurable() -> Generator[None]:
    """SQLite that does not wait for the disk: nobody cuts the power of what is opened within."""
    quick = tuple(setting.replace("synchronous = full", "synchronous = off") for setting in sqlite.SETTINGS)
    with patch.object(sqlite, "SETTINGS", quick):
        yield


@contextmanager
def on_sqlite(folder: Path) -> Generator[Callable[[], Opened]]:
    """Makes empty SQLite databases, one after the other."""
    numbers = count(1)
    with undurable():
        open_database(f"sqlite:///{folder / 'empty.db'}").close()

        def fresh() -> Opened:
            place = folder / str(next(numbers))
            place.mkdir()
            shutil.copy(folder / "empty.db", place / "ledger.db")
            database = open_database(f"sqlite:///{place / 'ledger.db'}")

            def remove() -> None:
                database.close()
                shutil.rmtree(place)

            return database, remove

        yield fresh


@contextmanager
def on_postgresql(server: Server) -> Generator[Callable[[], Opened]]:
    """Empties one database of a server again and again: half a second faster than making it."""
    with server.database() as url, closing(open_database(url)) as database:

        def fresh() -> Opened:
            empty(url)
            return database, lambda: None

        yield fresh


def empty(url: str) -> None:
    """Delete all rows from a database on PostgreSQL, which its triggers forbid to everybody else."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for table in METADATA.tables:
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))


def play(
    fresh: Callable[[], Opened], examples: int, *, steps: int = 40, explain: bool = True, start: int = SEED
) -> Counter[str]:
    """Play, and return how often each operation was answered in each way; raises where the answers or books differ.

    `explain` looks for the shortest way to a difference.
    """

    class Played(LedgerMachine):
        reached: ClassVar[Counter[str]] = Counter()

    Played.fresh = staticmethod(fresh)
    phases = [Phase.generate, Phase.shrink] if explain else [Phase.generate]
    fixed = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    # It likes to draw numbers that stand in whatever modules are imported: no seed would fix what it draws.
    with patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None):
        run_state_machine_as_test(seed(start)(Played), settings=fixed)
    return Played.reached
