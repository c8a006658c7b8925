"""Whatever breaks around the ledger: what was acknowledged is kept, the rest is refused by name, the books close."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.ledger.servers import Server, running
from tests.proofs.ledger import faults
from tests.proofs.ledger.faults import Place


@pytest.fixture
def place(url: str, tmp_path: Path) -> Place:
    """A ledger on either database."""
    return Place(tmp_path, url)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL that may be killed; not below pytest's folder, which another session closes to its user."""
    with TemporaryDirectory(prefix="faults-") as name, running(Path(name) / "pg") as server:
        yield server


def test_a_full_disk(sqlite_url: str, tmp_path: Path) -> None:
    fault = faults.full_disk(Place(tmp_path, sqlite_url))
    assert fault.wrong == []
    assert fault.named == {"storage_full"}
    assert fault.granted > 0


def test_a_file_that_may_not_be_written(sqlite_url: str, tmp_path: Path) -> None:
    fault = faults.no_right(Place(tmp_path, sqlite_url))
    assert fault.wrong == []
    assert fault.named == {"read_only"}


def test_a_database_that_is_killed_and_restarted(own_server: Server, tmp_path: Path) -> None:
    with own_server.database() as url:
        fault = faults.restart(Place(tmp_path, url), own_server)
    assert fault.wrong == []
    assert fault.named & {"unavailable", "unknown"}
    assert fault.granted > 0


def test_an_answer_to_a_commit_that_is_lost(postgresql_url: str, tmp_path: Path) -> None:
    fault = faults.cut(Place(tmp_path, postgresql_url))
    assert fault.wrong == []
    assert fault.named == {"unknown"}


def test_a_clock_that_steps_back_an_hour(place: Place) -> None:
    assert faults.clock_back(place).wrong == []


def test_processes_that_migrate_at_once(bare_url: str, tmp_path: Path) -> None:
    fault = faults.at_once(Place(tmp_path, bare_url))
    assert fault.wrong == []
    assert fault.named == frozenset()
