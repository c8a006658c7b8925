"""The verbs of the ledger do what they say and end with a line that tells it, or with one that tells what to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.ledger.worlds import BRIEF, DAY, NOW, World

from coupon_pipeline.cli import app
from coupon_pipeline.clock import BusinessClock
from coupon_pipeline.commands import ledger as command
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.keys import Keys, read_keys, write_keys
from coupon_pipeline.ledger.opening import open_database

Verb = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the ledger of settings that a test runs with."""
    monkeypatch.setenv("COUPON_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COUPON_SOURCE", "complete-journey")
    return tmp_path / "data" / "complete-journey" / "ledger"


@pytest.fixture
def verb(folder: Path) -> Verb:
    """Runs a verb; returns its last line, and fails unless it ends as expected."""

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["ledger", *arguments])
        assert result.exit_code == code, result.output
        return (result.stdout if code == 0 else result.stderr).strip().splitlines()[-1]

    return run


@pytest.fixture
def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def test_tables_are_made_and_moved(verb: Verb) -> None:
    assert verb("upgrade") == "the ledger is at revision 0002"
    assert verb("downgrade", "0001") == "the ledger is at revision 0001"
    assert "run `python -m coupon_pipeline ledger upgrade`" in verb("expire", code=2)
    assert verb("upgrade") == "the ledger is at revision 0002"
    assert verb("downgrade", "base", code=2).startswith("revision 'base' is none of the ledger's")


def test_a_ledger_that_is_not_there_is_not_made_by_accident(verb: Verb, folder: Path) -> None:
    for arguments in (("expire",), ("trim",), ("downgrade", "0001"), ("backup", "copy"), ("skip-ahead",)):
        assert "there is no ledger" in verb(*arguments, code=2)
    assert not folder.exists()


def test_a_ledger_is_backed_up_and_put_back(verb: Verb, folder: Path, url: str) -> None:
    with closing(open_database(url)) as database:
        World(database).issue()
    copy = str(folder.parent / "copy")
    assert "holds the ledger (0.2 MiB): keep the file of its keys elsewhere" in verb("backup", copy)
    assert "nothing is overwritten" in verb("restore", copy, code=2)
    folder.rename(folder.with_name("old"))
    assert "issue again what came later" in verb("restore", copy)
    with closing(open_database(url, migrate=False)) as database:
        assert all(check.passed for check in audit(database))


def test_a_ledger_moves_to_an_empty_database(verb: Verb, url: str, tmp_path: Path) -> None:
    with closing(open_database(url)) as database:
        World(database).issue()
    target = f"sqlite:///{tmp_path / 'elsewhere' / 'ledger.db'}"
    assert "rows are in the new ledger and its books close: set COUPON_LEDGER_URL" in verb("migrate", "--to", target)
    assert "the target is not empty" in verb("migrate", "--to", target, code=2)


def test_what_is_over_expires_and_what_has_arrived_is_trimmed(
    verb: Verb, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_database(url)) as database:
        world = World(database)
        world.issue(BRIEF)
        batch = world.ledger.claim()
        assert batch is not None
        world.ledger.done([batch.number])
    clock = BusinessClock(None)
    monkeypatch.setattr(clock, "milliseconds", lambda: NOW + 40 * DAY)
    monkeypatch.setattr(command, "_clock", lambda settings: clock)
    write_keys(Path(url.removeprefix("sqlite:///")).with_name("keys.json"), Keys.random())
    assert verb("expire") == "1 issues have expired"
    assert verb("expire") == "0 issues have expired"
    assert verb("claim") == "1 events are claimed"
    assert verb("claim") == "nothing has happened since the last claim"
    assert verb("trim", "--days", "41") == "0 events were dropped from the outbox"
    assert verb("trim") == "1 events were dropped from the outbox"


def test_keys_are_made_once_and_then_rotated(verb: Verb, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_ENVIRONMENT", "production")
    assert "codes are made with key 1 of" in verb("rotate-keys")
    first = read_keys(folder / "keys.json")
    assert not first.is_development
    assert "codes are made with key 2 of" in verb("rotate-keys")
    assert read_keys(folder / "keys.json").codes[:1] == first.codes


def test_keys_that_are_lost_are_not_replaced(verb: Verb, folder: Path, url: str) -> None:
    with closing(open_database(url)) as database:
        World(database)
    assert "restore the file from its backup" in verb("rotate-keys", code=2)
    assert not (folder / "keys.json").exists()


def test_the_clock_of_a_source_of_its_own_years_starts_at_its_last_decision(folder: Path) -> None:
    assert command._clock(command.Settings()).now() >= datetime(2017, 12, 1)
    assert command._clock(command.Settings()).now() < datetime(2018, 3, 1)
