"""Fixtures of the ledger's tests: a fresh database per test, and one PostgreSQL per session."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.playing import Opened, on_postgresql, undurable
from tests.ledger.servers import Server, running
from tests.ledger.worlds import World

from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.statement import Database

BOTH = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One PostgreSQL for the session: no test may stop it."""
    with running(tmp_path_factory.mktemp("pg") / "data") as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: Server) -> Iterator[str]:
    """A database with the tables of the ledger and no row, on a real PostgreSQL."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(_migrated_file: Path, tmp_path: Path) -> str:
    """A SQLite file with the tables of the ledger and no row."""
    path = tmp_path / "ledger" / "ledger.db"
    path.parent.mkdir(mode=0o700)
    shutil.copy(_migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest) -> str:
    """A database with the tables of the ledger and no row, of either kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture(params=BOTH)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
        return
    with request.getfixturevalue("postgresql_server").database(migrated=False) as url:
        yield url


@pytest.fixture(scope="session")
def _emptied(postgresql_server: Server) -> Iterator[Callable[[], Opened]]:
    with on_postgresql(postgresql_server) as fresh:
        yield fresh


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A ledger on either database that knows the definitions of `worlds`; it does not wait for the disk."""
    if request.param == "postgresql":
        yield World(request.getfixturevalue("_emptied")()[0])
        return
    with undurable(), closing(open_database(request.getfixturevalue("sqlite_url"))) as database:
        yield World(database)
