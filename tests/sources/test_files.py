"""Files that were dropped into a folder: whole weeks by the day in their path, and every broken file by its name."""

from __future__ import annotations

import gzip
import os
from datetime import datetime
from pathlib import Path

import pytest

from tests.sources.grocer import STORES, WEEK, WEEKS, opened, write_csv

from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import SourceError

HEADER = ("no", "area", "kind", "floor")
BY_DAY = {"path": r"(?P<day>\d{4}-\d\d-\d\d)/stores[^/]*"}


def shop(folder: Path, **table: object) -> Connected:
    system = {"kind": "files", "root": str(folder / "drop")}
    stores = {"system": "tills", "known_at": BY_DAY, "columns": STORES, **table}
    return opened(folder, {"tills": system}, {"stores": stores})


def drop(folder: Path, day: str, *rows: tuple[str, ...], name: str = "stores.csv") -> Path:
    return write_csv(folder / "drop" / day / name, [HEADER, *rows])


def test_a_week_holds_the_files_of_its_days_by_path_and_line(tmp_path: Path) -> None:
    drop(tmp_path, "2025-03-16", ("3", "south", "small", "1"))
    drop(tmp_path, "2025-03-10", ("2", "north", "", "1"), ("1", "west", "big", "1"))
    drop(tmp_path, "2025-03-17", ("9", "later", "small", "1"))
    drop(tmp_path, "2025-03-09", ("8", "earlier", "small", "1"))
    rows = shop(tmp_path).read("stores", WEEK)
    assert rows["store_id"].to_pylist() == ["2", "1", "3"]
    assert rows["format"].to_pylist() == [None, "big", "small"]
    # The day ends in Berlin, an hour before it ends in UTC.
    assert rows["known_at"].to_pylist()[1:] == [
        datetime(2025, 3, 10, 22, 59, 59, 999999),
        datetime(2025, 3, 16, 22, 59, 59, 999999),
    ]


def test_a_late_file_lands_in_the_week_of_its_folder_whatever_its_time_stamp_says(tmp_path: Path) -> None:
    late = drop(tmp_path, "2025-03-18", ("4", "east", "big", "1"), name="stores.late-2025-03-12.csv")
    os.utime(late, (0, 0))
    assert shop(tmp_path).read("stores", WEEK).num_rows == 0
    assert shop(tmp_path).read("stores", WEEKS[2])["store_id"].to_pylist() == ["4"]


def test_gzip_other_encodings_delimiters_and_quoted_line_breaks_are_read(tmp_path: Path) -> None:
    text = 'no;area;kind\n1;"Köln\nSüd";"a;b"\n'
    path = write_csv(tmp_path / "drop/2025-03-10/stores.csv.gz", [])
    path.write_bytes(gzip.compress(text.encode("cp1252")))
    rows = shop(tmp_path, delimiter=";", encoding="cp1252").read("stores", WEEK)
    assert rows.select(["region", "format"]).to_pylist() == [{"region": "Köln\nSüd", "format": "a;b"}]


def test_json_lines_keep_every_digit(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "drop/2025-03-10/stores.jsonl", [])
    path.write_text('{"no": 12345678901234567890, "area": 1.10, "kind": true}\n\n{"no": null, "area": "x"}\n')
    rows = shop(tmp_path, format="jsonl").read("stores", WEEK)
    assert rows["store_id"].to_pylist() == ["12345678901234567890", None]
    assert rows["region"].to_pylist() == ["1.10", "x"]
    assert rows["format"].to_pylist() == ["true", None]


def test_a_header_without_rows_is_a_delivery(tmp_path: Path) -> None:
    drop(tmp_path, "2025-03-10")
    assert shop(tmp_path).read("stores", WEEK).num_rows == 0


def test_hidden_and_other_files_are_not_read(tmp_path: Path) -> None:
    drop(tmp_path, "2025-03-10", ("1", "n", "k", "1"), name=".stores.csv.1.tmp")
    drop(tmp_path, "2025-03-10", ("1", "n", "k", "1"), name="readme.csv")
    (tmp_path / "drop/2025-03-10/stores.d").mkdir()
    assert shop(tmp_path).read("stores", WEEK).num_rows == 0


WHOLE = b"no,area,kind\n1,n,k\n"
BROKEN = {
    "empty": (b"", "empty"),
    "cut gzip": (gzip.compress(WHOLE * 50)[:-12], "damaged or cut short"),
    "half a line": (WHOLE + b"2,n", "cut short"),
    "half a line that ends": (WHOLE + b"2,n\n", "3 columns"),
    "wrong encoding": ("no,area,kind\n1,Köln,k\n".encode("latin-1"), "not utf-8"),
    "changed column": (b"no,district,kind\n1,n,k\n", "the column area is missing: found no, district, kind"),
    "a column twice": (b"no,area,kind,kind\n1,n,k,k\n", "the column kind is given twice"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_stops_its_week_with_one_line_until_it_is_sent_again(tmp_path: Path, fault: str) -> None:
    content, cause = BROKEN[fault]
    drop(tmp_path, "2025-03-10", ("1", "n", "k", "1"))
    path = drop(tmp_path, "2025-03-11", name="stores-2.csv")
    path.write_bytes(content)
    source = shop(tmp_path)
    with pytest.raises(SourceError) as refused:
        source.read("stores", WEEK)
    line = str(refused.value)
    assert line.startswith(f"tills: stores of week {WEEK}: 2025-03-11/stores-2.csv: ")
    assert cause in line
    assert "\n" not in line
    path.write_bytes(WHOLE)
    assert source.read("stores", WEEK).num_rows == 2


@pytest.mark.parametrize("text", ['{"no": 1, "ar', "[1]", '{"no": 1}{"no": 2}'])
def test_a_broken_json_line_is_named(tmp_path: Path, text: str) -> None:
    path = write_csv(tmp_path / "drop/2025-03-10/stores.jsonl", [])
    path.write_text('{"no": 1, "area": "n", "kind": "k"}\n' + text + "\n")
    with pytest.raises(SourceError, match="line 2 is not"):
        shop(tmp_path, format="jsonl").read("stores", WEEK)


def test_a_day_without_a_file_is_named_where_each_day_must_have_one(tmp_path: Path) -> None:
    for day in (10, 11, 12, 14, 15, 16):
        drop(tmp_path, f"2025-03-{day}")
    with pytest.raises(SourceError, match=r"^tills: stores of week 2025-03-10: no file of 2025-03-13"):
        shop(tmp_path, required_days=True).read("stores", WEEK)
    assert shop(tmp_path).read("stores", WEEK).num_rows == 0
    drop(tmp_path, "2025-03-13")
    assert shop(tmp_path, required_days=True).read("stores", WEEK).num_rows == 0


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^tills: stores of week 2025-03-10: the folder .*/drop is missing"):
        shop(tmp_path).read("stores", WEEK)


def test_a_day_that_is_none_is_named(tmp_path: Path) -> None:
    drop(tmp_path, "2025-02-30")
    with pytest.raises(SourceError, match="'2025-02-30' is no day"):
        shop(tmp_path).read("stores", WEEK)


def test_a_column_may_say_when_its_row_was_known_in_local_time(tmp_path: Path) -> None:
    rows = [
        ("no", "area", "kind", "seen"),
        ("1", "n", "k", "2025-03-10 00:00:00"),
        ("2", "n", "k", "2025-03-09 23:59:59"),
    ]
    write_csv(tmp_path / "drop/all.csv", [*rows, ("3", "n", "k", "soon")])
    source = shop(tmp_path, known_at={"column": "seen", "time": "local"}, files=r".*\.csv")
    found = source.read("stores", WEEK)
    assert found["store_id"].to_pylist() == ["1", "3"]
    assert found["known_at"].to_pylist() == ["2025-03-09 23:00:00", "soon"]


def test_the_fingerprint_follows_the_weeks_files_alone(tmp_path: Path) -> None:
    source = shop(tmp_path)
    nothing = {week: source.fingerprint("stores", week) for week in WEEKS}
    path = drop(tmp_path, "2025-03-10", ("1", "n", "k", "1"))
    one = source.fingerprint("stores", WEEK)
    os.utime(path, (0, 0))
    assert source.fingerprint("stores", WEEK) == one
    path.write_bytes(path.read_bytes().replace(b"n", b"m"))
    assert len({nothing[WEEK], one, source.fingerprint("stores", WEEK)}) == 3
    assert [source.fingerprint("stores", week) for week in (WEEKS[0], WEEKS[2])] == [
        nothing[WEEKS[0]],
        nothing[WEEKS[2]],
    ]
