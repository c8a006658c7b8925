"""Every file lets go of an erased household, also where the work was killed in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.erasures import rewriting
from coupon_pipeline.erasures.households import Erasures, add, last_instant, listed
from coupon_pipeline.tables import Store, read_digest, read_parquet, write_parquet
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 10), "Europe/Berlin")
OLD, NEW = CALENDAR.weeks
KNOWN = datetime(2025, 3, 4, 10)


def typed(table: str, *rows: dict[str, Any]) -> pa.Table:
    schema = arrow.schema(reader.load(table))
    filled = {"marketing_consent": True} if table == "customers" else {}
    full = [{name: row.get(name, filled.get(name)) for name in schema.names} for row in rows]
    nullable = pa.schema([field.with_nullable(True) for field in schema], schema.metadata)
    return pa.Table.from_pylist(full, nullable).cast(nullable)


def text(table: str, households: str) -> pa.Table:
    """One landed row per letter, all cells text."""
    names = [column.name for column in reader.load(table).columns]
    cells = {"household_id": list(households)}
    rows = pa.table({name: pa.array(cells.get(name, [None] * len(households)), pa.string()) for name in names})
    return Lineage((("a file", 1, rows.num_rows),)).attached(rows)


def quarantined(table: str, raw: pa.Table, *positions: int) -> pa.Table:
    rows = raw.take(list(positions)).replace_schema_metadata()
    values = [f"household_id={household}" for household in rows["household_id"].to_pylist()]
    files, places = Lineage.of(raw).locate(pa.array(positions).to_numpy())
    told = {"_value": pa.array(values), "_source_file": files, "_source_row": places, "_row": pa.array(positions)}
    for name, cells in told.items():
        rows = rows.append_column(name, cells)
    return rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of(tmp_path)


def store_of(root: Path) -> Store:
    """Households 7 and 8 in every layer of two weeks; 7 is erased."""
    made = Store(root, CALENDAR)
    for week in CALENDAR.weeks:
        for table in ("customers", "campaign_targets", "pos_transactions"):
            raw = text(table, "787998")
            made.write("raw", table, week, raw, f"raw {table}")
            made.write("quarantine", table, week, quarantined(table, raw, 1, 2, 5), f"clean {table}")
            found = [{"household_id": household, "known_at": KNOWN} for household in (7, 9, 9)]
            made.write("clean", table, week, typed(table, *found), f"clean {table}")
        made.write("coupons", "candidates", week, pa.table({"household_id": [7, 8], "coupon_id": [1, 1]}), "made")
        made.write("features", "coupon", week, pa.table({"coupon_id": [7]}), "made")
    write_parquet(root / "training" / "campaign=7" / "rows.parquet", pa.table({"household_id": [7, 7, 8]}), "rows")
    add(made, NEW, {7: last_instant(made, NEW)})
    return made


def content(store: Store) -> dict[str, str]:
    files = sorted(path for path in store.root.rglob("*.parquet"))
    return {str(path.relative_to(store.root)): sha256(path.read_bytes()).hexdigest() for path in files}


def households(store: Store, layer: str, table: str, week: str) -> list[Any]:
    return store.read(layer, table, week)["household_id"].to_pylist()


def rewritten(store: Store) -> int:
    return rewriting.rewrite(store, Erasures.of(store))


def test_every_layer_lets_go_by_its_rule_and_keeps_what_it_was_made_from(store: Store) -> None:
    files = [path for path in store.root.rglob("*.parquet") if "erasures" not in path.parts]
    digests = {path: read_digest(path) for path in files}
    rewritten(store)
    for week in CALENDAR.weeks:
        kept = [7] if week == NEW else []
        assert households(store, "raw", "customers", week) == ["8", "9", "9", "8", *map(str, kept)]
        assert households(store, "clean", "customers", week) == [9, 9, *kept]
        assert households(store, "raw", "campaign_targets", week) == ["8", "9", "9", "8"]
        assert households(store, "raw", "pos_transactions", week) == [None, "8", None, "9", "9", "8"]
        assert households(store, "clean", "pos_transactions", week) == [None, 9, 9]
        assert households(store, "coupons", "candidates", week) == [8]
        assert store.row_count("features", "coupon", week) == 1
    assert read_parquet(store.root / "training" / "campaign=7" / "rows.parquet")["household_id"].to_pylist() == [8]
    assert {path: read_digest(path) for path in files} == digests


def test_quarantined_rows_still_point_at_the_rows_that_they_were(store: Store) -> None:
    rewritten(store)
    for table in ("customers", "campaign_targets"):
        found = store.read("quarantine", table, OLD)
        assert found["_row"].to_pylist() == [0, 3]
        landed = store.read("raw", table, OLD)
        assert landed["household_id"].take(found["_row"].combine_chunks()).to_pylist() == ["8", "8"]
        files, places = Lineage.of(landed).locate(found["_row"].to_numpy())
        assert (places.to_pylist(), files.to_pylist()) == (found["_source_row"].to_pylist(), ["a file"] * 2)
    sales = store.read("quarantine", "pos_transactions", OLD)
    assert sales["_row"].to_pylist() == [1, 2, 5]
    assert sales["_value"].to_pylist() == ["household_id=8", "household_id=***", "household_id=8"]


def test_once_it_is_done_there_is_nothing_to_do(store: Store) -> None:
    assert rewritten(store) > 0
    before = content(store)
    assert rewritten(store) == 0
    assert content(store) == before


def test_nothing_changes_where_nobody_is_erased(store: Store) -> None:
    store.path("erasures", "households", NEW).unlink()
    before = content(store)
    assert rewritten(store) == 0
    assert content(store) == before


@pytest.mark.parametrize("files", [1, 2, 3, 5, 8, 13])
def test_work_that_was_killed_is_finished_by_the_next_run(
    store: Store, files: int, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = store_of(tmp_path_factory.mktemp("undisturbed"))
    rewritten(undisturbed)
    write: Callable[..., None] = rewriting.write_parquet
    written = []

    def dying(path: Path, *rest: Any) -> None:
        if len(written) == files:
            raise KeyboardInterrupt
        written.append(path)
        write(path, *rest)

    monkeypatch.setattr(rewriting, "write_parquet", dying)
    with pytest.raises(KeyboardInterrupt):
        rewritten(store)
    monkeypatch.setattr(rewriting, "write_parquet", write)
    rewritten(store)
    assert content(store) == content(undisturbed)


def test_a_household_is_listed_once_in_the_week_in_which_that_became_known(tmp_path: Path) -> None:
    made = Store(tmp_path, CALENDAR)
    assert add(made, OLD, {}) == 0
    assert add(made, OLD, {8: KNOWN}) == 1
    before = content(made)
    assert add(made, NEW, {8: datetime(2025, 3, 12), 7: datetime(2025, 3, 13)}) == 1
    assert add(made, OLD, {8: datetime(2025, 3, 12)}) == 1
    assert listed(made, OLD) == {8: KNOWN}
    assert listed(made, NEW) == {7: datetime(2025, 3, 13)}
    assert Erasures.of(made).households.tolist() == made.erased().tolist() == [7, 8]
    assert before.items() <= content(made).items()
