"""A ledger is opened at the revision of the code and with its own keys, or it is said what to do."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.filled import fill
from tests.ledger.processes import finish, start
from tests.ledger.worlds import DEFINITIONS, NOW, PLAIN, basket

from coupon_pipeline.ledger import moves
from coupon_pipeline.ledger.keys import Keys, KeysError, read_keys, write_keys
from coupon_pipeline.ledger.locations import OpeningError, located, shown
from coupon_pipeline.ledger.opening import (
    HEAD,
    REVISIONS,
    move_database,
    open_database,
    open_ledger,
    revision_of,
)
from coupon_pipeline.ledger.reasons import Reason, UnavailableError
from coupon_pipeline.ledger.statement import Statement

OPEN = """
import sys
from coupon_pipeline.ledger.opening import open_database
open_database(sys.argv[1]).close()
"""
LOADED = f"{OPEN}print(*sorted({{'alembic', 'pandas', 'dagster', 'mlflow'}} & set(sys.modules)))"
SET_REVISION = Statement("update alembic_version set version_num = :revision")


def test_a_database_without_tables_gets_them(bare_url: str) -> None:
    with closing(open_database(bare_url)) as database:
        assert revision_of(database) == HEAD


def test_an_older_database_is_moved_forward_if_that_is_allowed(url: str) -> None:
    move_database(url, REVISIONS[0])
    with pytest.raises(OpeningError, match=r"has revision 0001, this code needs 0002: run `.* ledger upgrade`"):
        open_database(url, migrate=False)
    open_database(url).close()
    open_database(url, migrate=False).close()


def test_a_database_of_newer_code_is_left_alone(url: str) -> None:
    with closing(open_database(url)) as database:
        database.write(lambda tx: tx.run(SET_REVISION, revision="9999"))
    for attempt in (lambda: open_database(url), lambda: move_database(url, HEAD)):
        with pytest.raises(OpeningError, match="has revision 9999, this code knows 0002 at most: run the code that"):
            attempt()


def test_a_revision_that_nobody_knows_is_refused(url: str) -> None:
    with pytest.raises(OpeningError, match="revision 'base' is none of the ledger's: give one of 0001, 0002"):
        move_database(url, "base")


def test_processes_that_open_a_bare_database_at_once_all_succeed(bare_url: str) -> None:
    for process in [start(OPEN, bare_url) for _ in range(2)]:
        finish(process)
    with closing(open_database(bare_url, migrate=False)) as database:
        fill(database)


def test_a_database_in_order_is_opened_without_alembic_and_never_with_the_pipeline(sqlite_url: str) -> None:
    assert finish(start(LOADED, sqlite_url)) == ""


def test_the_revisions_named_are_those_of_the_migrations() -> None:
    assert moves.revisions() == REVISIONS


def test_a_file_that_is_not_there_is_made_only_where_tables_may_be(tmp_path: Path) -> None:
    path = tmp_path / "ledger" / "ledger.db"
    with pytest.raises(OpeningError, match=r"there is no ledger: .* ledger upgrade. makes it"):
        open_database(f"sqlite:///{path}", migrate=False)
    assert not path.parent.exists()
    open_database(f"sqlite:///{path}").close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("url", ["", "ledger.db", "mysql://host/ledger", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_anything_else_is_refused(url: str) -> None:
    with pytest.raises(OpeningError, match="give sqlite:///path or postgresql://"):
        open_database(url)


def test_a_password_is_never_shown() -> None:
    assert shown(located("postgresql://ann:" + "secret@db/coupons")) == "postgresql://ann:" + "***@db/coupons"


def test_a_server_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        open_database(f"postgresql://postgres@/ledger?host={tmp_path}")
    assert caught.value.reason is Reason.UNAVAILABLE


def test_development_makes_keys_that_stay(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "keys.json"
    with open_ledger(sqlite_url, path, "development", lambda: NOW) as ledger:
        assert ledger.now() == NOW
    keys = read_keys(path)
    open_ledger(sqlite_url, path, "development", lambda: NOW).close()
    assert read_keys(path) == keys
    assert keys.is_development


def test_keys_that_are_lost_are_not_made_up(sqlite_url: str, tmp_path: Path) -> None:
    with closing(open_database(sqlite_url)) as database:
        fill(database)
    with pytest.raises(KeysError, match="restore the file from its backup"):
        open_ledger(sqlite_url, tmp_path / "keys.json", "development", lambda: NOW)
    assert not (tmp_path / "keys.json").exists()


def test_production_takes_its_own_keys_alone(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(KeysError, match="is missing"):
        open_ledger(sqlite_url, path, "production", lambda: NOW)
    write_keys(path, Keys.random(is_development=True))
    with pytest.raises(OpeningError, match=r"made in development, production takes none .*COUPON_LEDGER_KEYS"):
        open_ledger(sqlite_url, path, "production", lambda: NOW)
    write_keys(path, Keys.random())
    open_ledger(sqlite_url, path, "production", lambda: NOW).close()


def test_the_file_belongs_to_its_owner_alone_while_it_is_used(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.chmod(0o600)
    with closing(open_database(sqlite_url)) as database:
        fill(database)
        assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


def test_a_ledger_whose_file_is_gone_is_not_begun_anew(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    open_ledger(sqlite_url, path, "development", lambda: NOW).close()
    elsewhere = f"sqlite:///{tmp_path / 'typo.db'}"
    with pytest.raises(OpeningError, match=r"typo\.db: the ledger of keys\.json is not there: `ledger restore`"):
        open_ledger(elsewhere, path, "development", lambda: NOW)
    assert not (tmp_path / "typo.db").exists()


def test_a_key_that_is_added_is_known_to_a_ledger_that_is_open(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with (
        open_ledger(sqlite_url, path, "development", lambda: NOW) as old,
        open_ledger(sqlite_url, path, "development", lambda: NOW) as other,
    ):
        old.sync(DEFINITIONS)
        write_keys(path, read_keys(path).rotated())
        issued = other.issue("shop", "issue-rotated", 1, PLAIN.coupon_id, "app")
        assert old.codes([issued.issue_id]) == [issued.code]
        assert old.validate("store", issued.code, basket()).issue_id == issued.issue_id
