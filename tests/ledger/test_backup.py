"""A backup is whole and of one moment; what was issued after it is unknown for ever once it is restored."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.filled import content
from tests.ledger.worlds import KEYS, PLAIN, SettableClock, World, basket, fresh_key, refused

from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.backup import backup, restore
from coupon_pipeline.ledger.counters import AFTER_A_RESTORE, counters, skip_ahead
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.locations import OpeningError
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.statement import Database


@pytest.fixture
def world(sqlite_url: str) -> World:
    return World(open_database(sqlite_url))


def restored(file: Path, folder: Path) -> str:
    """URL of a ledger made from a backup."""
    url = f"sqlite:///{folder / 'restored' / 'ledger.db'}"
    restore(file, url)
    return url


def test_a_copy_of_a_ledger_in_use_holds_what_was_acknowledged(world: World, sqlite_url: str, tmp_path: Path) -> None:
    issued = world.issue()
    file = tmp_path / "copies" / "ledger.copy"
    assert backup(sqlite_url, file) == file.stat().st_size
    assert [each.name for each in file.parent.iterdir()] == ["ledger.copy"]
    assert file.stat().st_mode & 0o777 == 0o600
    world.redeem(issued)
    before = content(world.database)
    url = restored(file, tmp_path)
    with closing(open_database(url, migrate=False)) as database:
        after = content(database)
        assert after["issue"] != before["issue"]
        assert after["pseudonym"] == before["pseudonym"]
        assert all(check.passed for check in audit(database))
    place = tmp_path / "restored"
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / "ledger.db").stat().st_mode & 0o777 == 0o600


def test_coupons_issued_after_the_backup_are_unknown_and_stay_so(world: World, sqlite_url: str, tmp_path: Path) -> None:
    before = world.issue(PLAIN, 1)
    backup(sqlite_url, tmp_path / "copy")
    lost = world.issue(PLAIN, 2)
    with Ledger(open_database(restored(tmp_path / "copy", tmp_path)), KEYS, SettableClock()) as ledger:
        for number in range(3):
            assert ledger.issue("app", fresh_key(), 3, PLAIN.coupon_id, "app").issue_id > AFTER_A_RESTORE + number
        with refused(Reason.UNKNOWN_CODE):
            ledger.redeem("store-7", fresh_key(), lost.code, basket(), 50)
        assert ledger.redeem("store-7", fresh_key(), before.code, basket(), 50).redemption_id > AFTER_A_RESTORE


def test_numbers_are_left_out_after_a_restore_on_both(database: Database) -> None:
    World(database).issue()
    before = database.read(counters)
    database.write(skip_ahead)
    assert database.read(counters) == {name: last + AFTER_A_RESTORE for name, last in before.items()}
    assert World(database).issue().issue_id == AFTER_A_RESTORE + 2


def test_a_ledger_is_never_overwritten(world: World, sqlite_url: str, tmp_path: Path) -> None:
    world.issue()
    backup(sqlite_url, tmp_path / "copy")
    with pytest.raises(OpeningError, match="is there: nothing is overwritten; move the old ledger away, all its files"):
        restore(tmp_path / "copy", sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    beside = tmp_path / "beside" / "ledger.db"
    beside.parent.mkdir()
    shutil.copy(path.with_name("ledger.db-wal"), beside.with_name("ledger.db-wal"))
    with pytest.raises(OpeningError, match=r"ledger.db-wal is there"):
        restore(tmp_path / "copy", f"sqlite:///{beside}")


def test_what_is_no_whole_ledger_is_not_restored(world: World, sqlite_url: str, tmp_path: Path) -> None:
    good = tmp_path / "copy"
    backup(sqlite_url, good)
    text, cut, foreign = (tmp_path / name for name in ("text", "cut", "foreign"))
    text.write_text("no database\n" * 100)
    cut.write_bytes(good.read_bytes()[: 40 * 4096])
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values ('9999')")
        connection.commit()
    url = f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    for file, why in ((text, "is no ledger"), (cut, "is"), (foreign, "does not know"), (tmp_path / "none", "no such")):
        with pytest.raises(OpeningError, match=why):
            restore(file, url)
    assert not list(tmp_path.glob("new/*"))


def test_a_ledger_that_is_not_there_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(OpeningError, match="there is no ledger to back up"):
        backup(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_postgresql_is_copied_by_its_own_tools(tmp_path: Path) -> None:
    url = "postgresql://coupons:" + "secret@db.example/coupons"
    with pytest.raises(OpeningError, match=r"pg_dump --format=custom .*coupons:\*\*\*@db.example"):
        backup(url, tmp_path / "copy")
    with pytest.raises(OpeningError, match=r"pg_restore .* then `ledger skip-ahead`"):
        restore(tmp_path / "copy", url)
