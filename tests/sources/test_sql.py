"""SQLite files: by the instant of a change, in one order, or with one line that says why not."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.sources.grocer import HASTY, STORES, WEEK, WEEKS, opened

from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import SourceError

ROWS = [
    (3, "south", None, "2025-03-16 22:59:59.999999"),
    (2, "north", "big", "2025-03-12 10:00:00.000000"),
    (1, "west", "big", "2025-03-12 10:00:00.000000"),
    (7, "east", "big", "2025-03-09 23:00:00.000000"),
    (8, "early", "big", "2025-03-09 22:59:59.999999"),
    (9, "late", "big", "2025-03-16 23:00:00.000000"),
]
"""The week begins and ends at 23:00 UTC, which is midnight in Berlin."""


def shop(folder: Path, url: str | None = None, system: dict | None = None, **table: object) -> Connected:
    url = url or f"sqlite:///{folder / 'erp.db'}"
    erp = {"kind": "sql", "url": url, "retry": HASTY, "timeout_seconds": 1, **(system or {})}
    stores = {"system": "erp", "known_at": {"column": "changed"}, "columns": STORES, **table}
    stores = stores if "query" in stores else {"table": "store", **stores}
    return opened(folder, {"erp": erp}, {"stores": stores})


def write(
    folder: Path, rows: list[tuple] = ROWS, columns: str = "no integer, area text, kind text, changed text"
) -> Path:
    path = folder / "erp.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"create table store ({columns})")
        database.executemany("insert into store values (?, ?, ?, ?)", rows)
    return path


@pytest.mark.parametrize(
    "write_instant",
    [str, lambda text: text.replace(" ", "T") + "Z", lambda text: text + "+00:00"],
    ids=["plain", "with T and Z", "with an offset"],
)
def test_a_week_holds_what_changed_in_it_by_instant_then_key(tmp_path: Path, write_instant) -> None:  # noqa: ANN001
    write(tmp_path, [(*row[:3], write_instant(row[3])) for row in ROWS])
    rows = shop(tmp_path).read("stores", WEEK)
    assert rows["store_id"].to_pylist() == [7, 1, 2, 3]
    assert rows["format"].to_pylist() == ["big", "big", "big", None]
    assert rows["known_at"].to_pylist()[0] == write_instant("2025-03-09 23:00:00.000000")


def test_local_instants_are_brought_to_utc(tmp_path: Path) -> None:
    write(tmp_path, [(1, "n", "k", "2025-03-10"), (2, "n", "k", "2025-03-16 23:30:00"), (3, "n", "k", "2025-03-17")])
    rows = shop(tmp_path, known_at={"column": "changed", "time": "local"}).read("stores", WEEK)
    assert rows["known_at"].to_pylist() == ["2025-03-09 23:00:00", "2025-03-16 22:30:00"]


def test_order_by_says_which_of_two_changes_came_later(tmp_path: Path) -> None:
    at = "2025-03-12 10:00:00"
    write(tmp_path, [(1, "new", "2", at), (1, "old", "1", at)])
    assert shop(tmp_path).read("stores", WEEK)["region"].to_pylist() == ["new", "old"]
    assert shop(tmp_path, order_by=["kind"]).read("stores", WEEK)["region"].to_pylist() == ["old", "new"]


def test_a_query_may_stand_for_a_table(tmp_path: Path) -> None:
    write(tmp_path)
    query = "select no, upper(area) as area, kind, changed from store where no < 3;"
    assert shop(tmp_path, query=query).read("stores", WEEK)["region"].to_pylist() == ["WEST", "NORTH"]


def test_a_column_of_several_types_is_text(tmp_path: Path) -> None:
    at = "2025-03-12 10:00:00"
    write(tmp_path, [(1, "n", 1.5, at), (2, "n", "x", at), (3, "n", None, at)], "no, area, kind, changed")
    assert shop(tmp_path).read("stores", WEEK)["format"].to_pylist() == ["1.5", "x", None]


def test_many_rows_come_in_chunks_and_none_is_lost(tmp_path: Path) -> None:
    at = "2025-03-12 10:00:00"
    write(tmp_path, [(number, None if number < 2500 else "n", "k", at) for number in range(5001)])
    rows = shop(tmp_path).read("stores", WEEK)
    assert rows["store_id"].to_pylist() == list(range(5001))
    assert rows["region"].null_count == 2500


def test_a_table_without_rows_is_a_delivery(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert shop(tmp_path).read("stores", WEEK).num_rows == 0


def test_a_missing_database_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^erp: stores of week 2025-03-10: the database .*erp\.db is missing"):
        shop(tmp_path).read("stores", WEEK)
    assert not (tmp_path / "erp.db").exists()


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ("no, district, kind, changed", "store lacks the column area: found no, district, kind, changed"),
        ("no, area, kind, changed_at", "store lacks the column changed: found no, area, kind, changed_at"),
    ],
)
def test_a_changed_column_is_named(tmp_path: Path, columns: str, cause: str) -> None:
    write(tmp_path, columns=columns)
    with pytest.raises(SourceError, match=f"^erp: stores of week {WEEK}: {cause}$"):
        shop(tmp_path).read("stores", WEEK)


def test_a_missing_table_and_a_file_that_is_no_database_are_named_without_a_retry(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(SourceError, match=r"no such table: shop$"):
        shop(tmp_path, table="shop").read("stores", WEEK)
    (tmp_path / "erp.db").write_bytes(b"no,area,kind\n" * 100)
    with pytest.raises(SourceError, match=r"file is not a database$"):
        shop(tmp_path).read("stores", WEEK)


@pytest.mark.parametrize("value", [1741773600, "12.03.2025"])
def test_an_instant_that_cannot_be_compared_is_refused(tmp_path: Path, value: object) -> None:
    write(tmp_path, [(1, "n", "k", value)], "no, area, kind, changed")
    with pytest.raises(SourceError, match="the column changed holds"):
        shop(tmp_path).read("stores", WEEK)


def test_a_locked_database_is_waited_for_then_named_and_read_next_time(tmp_path: Path) -> None:
    path = write(tmp_path)
    source = shop(tmp_path, system={"timeout_seconds": 0.05})
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("begin exclusive")
        with pytest.raises(SourceError, match=r"^erp: stores of week .*: database is locked \(tried 3 times\)$"):
            source.read("stores", WEEK)
        patient = shop(tmp_path, system={"timeout_seconds": 0.05, "retry": {**HASTY, "attempts": 100}})
        release = threading.Timer(0.2, writer.execute, ["commit"])
        release.start()
        assert patient.read("stores", WEEK).num_rows == 4
        release.join()


def test_a_database_that_another_program_writes_is_read_as_it_was_committed(tmp_path: Path) -> None:
    path = write(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("begin immediate")
        writer.execute("insert into store values (5, 'new', 'big', '2025-03-12 10:00:00')")
        assert shop(tmp_path).read("stores", WEEK).num_rows == 4
        writer.execute("commit")
        assert shop(tmp_path).read("stores", WEEK).num_rows == 5
    assert shop(tmp_path).read("stores", WEEK).num_rows == 5


def test_a_missing_database_is_made_by_its_command(tmp_path: Path) -> None:
    script = f"""
import sqlite3, pathlib
with sqlite3.connect({str(tmp_path / "erp.db")!r}) as database:
    database.execute("create table store as select 1 as no, 'n' as area, 'k' as kind, '2025-03-12' as changed")
pathlib.Path({str(tmp_path / "ready")!r}).touch()
"""
    system = {"start": ["python", "-W", "ignore", "-c", script], "ready": str(tmp_path / "ready")}
    assert shop(tmp_path, system=system).read("stores", WEEK).num_rows == 1
    (tmp_path / "erp.db").unlink()
    assert shop(tmp_path, system=system).read("stores", WEEK).num_rows == 1


def test_a_database_that_does_not_answer_is_tried_again_and_no_password_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://ann:" + "secret@127.0.0.1:1/erp")
    source = shop(tmp_path, system={"url_env": "SHOP_URL"})
    with pytest.raises(SourceError, match=r"refused.* \(tried 3 times\)$") as refused:
        source.read("stores", WEEK)
    assert "secret" not in str(refused.value)
    assert len({source.fingerprint("stores", week) for week in WEEKS}) == 4
