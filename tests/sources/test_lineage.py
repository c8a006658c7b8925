"""Every row of every kind of source says where it came from, as a person looks for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.sources.grocer import HASTY, STORES, WEEK, WEEKS, Api, opened, serving, write_csv

from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.sources.complete_journey.source import CompleteJourney

BY_DAY = {"path": r"(?P<day>\d{4}-\d\d-\d\d)/stores[^/]*"}
HEADER = ("no", "area", "kind", "changed")


def places(rows: pa.Table) -> list[tuple[str | None, int | None]]:
    files, records = Lineage.of(rows).locate(np.arange(rows.num_rows))
    return list(zip(files.to_pylist(), records.to_pylist(), strict=True))


def of_files(folder: Path, **table: object) -> pa.Table:
    stores = {"system": "tills", "known_at": BY_DAY, "columns": STORES, **table}
    systems = {"tills": {"kind": "files", "root": str(folder / "drop")}}
    return opened(folder, systems, {"stores": stores}).read("stores", WEEK)


def test_rows_of_files_name_the_path_and_the_record(tmp_path: Path) -> None:
    write_csv(tmp_path / "drop/2025-03-11/stores.csv", [HEADER, ("3", "s", "k", "")])
    write_csv(tmp_path / "drop/2025-03-10/stores.csv", [HEADER, ("1", "s", "k", ""), ("2", "s", "k", "")])
    assert places(of_files(tmp_path)) == [
        ("2025-03-10/stores.csv", 1),
        ("2025-03-10/stores.csv", 2),
        ("2025-03-11/stores.csv", 1),
    ]


def test_rows_of_json_lines_name_the_line_whatever_lines_are_blank(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "drop/2025-03-10/stores.jsonl", [])
    path.write_text("".join(f'{{"no": {n}, "area": "s", "kind": "k"}}\n' + "\n" * (n == 2) for n in (1, 2, 3)))
    assert [record for _, record in places(of_files(tmp_path, format="jsonl"))] == [1, 2, 4]


def test_rows_of_a_file_that_holds_many_weeks_keep_their_numbers(tmp_path: Path) -> None:
    days = ("2025-03-10", "2025-03-20", "2025-03-12")
    write_csv(tmp_path / "drop/stores.csv", [HEADER, *((day[-2:], "s", "k", day) for day in days)])
    rows = of_files(tmp_path, files="stores.csv", known_at={"column": "changed"})
    assert rows["store_id"].to_pylist() == ["10", "12"]
    assert places(rows) == [("stores.csv", 1), ("stores.csv", 3)]


def test_a_change_belongs_to_the_newest_dump_and_an_end_to_the_one_before(tmp_path: Path) -> None:
    write_csv(tmp_path / "drop/2025-03-04/stores.csv", [HEADER, *((str(n), "n", "k", "") for n in (1, 2, 3))])
    write_csv(tmp_path / "drop/2025-03-10/stores.csv", [HEADER, *((str(n), "n", "k", "") for n in (4, 3, 1))])
    rows = of_files(tmp_path, delivery="full")
    assert rows["store_id"].to_pylist() == ["4", "2"]
    assert places(rows) == [("2025-03-10/stores.csv", 1), ("2025-03-04/stores.csv", 2)]


def test_rows_of_a_database_name_the_table(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "erp.db")) as database, database:
        database.execute("create table shop (no integer, area text, kind text, changed text)")
        database.execute("insert into shop values (1, 'n', 'k', '2025-03-12 10:00:00')")
    systems = {"erp": {"kind": "sql", "url": f"sqlite:///{tmp_path / 'erp.db'}"}}
    stores = {"system": "erp", "table": "shop", "known_at": {"column": "changed"}, "columns": STORES}
    assert places(opened(tmp_path, systems, {"stores": stores}).read("stores", WEEK)) == [("erp: shop", None)]


def test_rows_that_arrive_without_a_date_name_the_system_and_the_week_in_which_it_was_asked(tmp_path: Path) -> None:
    known_at = {"arrival": True}
    stores = {"system": "crm", "endpoint": "/shops", "known_at": known_at, "delivery": "full", "columns": STORES}
    with serving(Api({"/shops": [{"no": number, "area": "n", "kind": "k"} for number in (1, 2)]})) as api:
        source = opened(tmp_path, {"crm": {"kind": "rest", "url": api.url, "retry": HASTY}}, {"stores": stores})
        assert places(source.read("stores", WEEKS[0])) == [("crm: /shops, as of 2025-03-03", None)] * 2
        api.lists["/shops"] = [{"no": 1, "area": "s", "kind": "k"}]
        assert places(source.read("stores", WEEKS[1])) == [
            ("crm: /shops, as of 2025-03-10", None),
            ("crm: /shops, as of 2025-03-03", None),
        ]


def test_rows_of_complete_journey_name_the_files_of_the_package() -> None:
    rows = CompleteJourney().read("coupon_products", "2017-01-30")
    assert rows.num_rows > 0
    assert set(places(rows)) == {("coupons.parquet, campaign_descriptions.parquet", None)}
