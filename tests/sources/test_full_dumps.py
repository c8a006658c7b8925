"""A system that tells all it has, each time: only what is new, other, or gone is a change."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.sources.grocer import HASTY, STORES, WEEKS, Api, opened, serving, write_csv

from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import SourceError

END = datetime(2025, 3, 16, 22, 59, 59, 999999)


def of_files(folder: Path) -> Connected:
    known_at = {"path": r"stores-(?P<day>\d{4}-\d\d-\d\d)(-[a-z]+)?\.csv"}
    stores = {"system": "erp", "known_at": known_at, "delivery": "full", "columns": STORES}
    return opened(folder, {"erp": {"kind": "files", "root": str(folder / "drop")}}, {"stores": stores})


def dump(folder: Path, day: str, *rows: tuple[str, str, str], part: str = "") -> Path:
    return write_csv(folder / "drop" / f"stores-{day}{part}.csv", [("no", "area", "kind"), *rows])


def test_the_first_dump_is_all_new(tmp_path: Path) -> None:
    dump(tmp_path, "2025-03-04", ("1", "n", "k"))
    dump(tmp_path, "2025-03-05", ("2", "n", "k"), part="-a")
    dump(tmp_path, "2025-03-05", ("3", "n", "k"), part="-b")
    rows = of_files(tmp_path).read("stores", WEEKS[0])
    # The newest dump of the week, in two parts.
    assert rows["store_id"].to_pylist() == ["2", "3"]


def test_new_changed_and_gone_rows_are_changes(tmp_path: Path) -> None:
    dump(tmp_path, "2025-03-04", ("1", "n", "k"), ("2", "n", "k"), ("3", "n", "k"))
    dump(tmp_path, "2025-03-16", ("4", "n", "k"), ("3", "s", "k"), ("1", "n", "k"))
    source = of_files(tmp_path)
    rows = source.read("stores", WEEKS[1])
    assert rows.select(["store_id", "region", "is_deleted"]).to_pylist() == [
        {"store_id": "4", "region": "n", "is_deleted": None},
        {"store_id": "3", "region": "s", "is_deleted": None},
        {"store_id": "2", "region": "n", "is_deleted": "true"},
    ]
    assert rows["known_at"].to_pylist() == [END] * 3
    assert source.read("stores", WEEKS[2]).num_rows == 0


def test_a_key_that_a_dump_has_twice_is_delivered_with_all_its_rows_when_one_changes(tmp_path: Path) -> None:
    dump(tmp_path, "2025-03-04", ("1", "n", "k"), ("2", "n", "k"))
    dump(tmp_path, "2025-03-10", ("1", "n", "k"), ("2", "n", "k"), ("1", "s", "k"))
    rows = of_files(tmp_path).read("stores", WEEKS[1])
    assert rows["region"].to_pylist() == ["n", "s"]


def test_an_empty_dump_does_not_end_every_key(tmp_path: Path) -> None:
    dump(tmp_path, "2025-03-04", ("1", "n", "k"))
    dump(tmp_path, "2025-03-10")
    with pytest.raises(SourceError, match=r"^erp: stores of week 2025-03-10: the dump is empty, .* had 1 rows"):
        of_files(tmp_path).read("stores", WEEKS[1])


def test_the_fingerprint_follows_the_dump_and_the_one_before(tmp_path: Path) -> None:
    before = dump(tmp_path, "2025-03-04", ("1", "n", "k"))
    dump(tmp_path, "2025-03-10", ("1", "n", "k"))
    source = of_files(tmp_path)
    first = source.fingerprint("stores", WEEKS[1])
    before.write_text("no,area,kind\n1,s,k\n")
    assert source.fingerprint("stores", WEEKS[1]) != first


def of_api(folder: Path, api: Api, **columns: str) -> Connected:
    stores = {
        "system": "crm",
        "endpoint": "/stores",
        "known_at": {"arrival": True},
        "delivery": "full",
        "columns": {**STORES, **columns},
    }
    return opened(folder, {"crm": {"kind": "rest", "url": api.url, "retry": HASTY}}, {"stores": stores})


def test_what_arrives_is_kept_so_that_a_week_reads_the_same_for_ever(tmp_path: Path) -> None:
    with serving(Api({"/stores": [{"no": 1, "area": "n", "kind": "k"}, {"no": 2, "area": "n", "kind": "k"}]})) as api:
        source = of_api(tmp_path, api)
        first = source.read("stores", WEEKS[0])
        api.lists["/stores"] = [{"no": 1, "area": "s", "kind": "k"}]
        second = source.read("stores", WEEKS[1])
    # Nothing answers any more, and nothing is asked.
    again = of_api(tmp_path, api)
    assert again.read("stores", WEEKS[0]).equals(first)
    assert again.read("stores", WEEKS[1]).equals(second)
    assert first["store_id"].to_pylist() == ["1", "2"]
    assert second["region"].to_pylist() == ["s", "n"]
    assert second["known_at"].to_pylist()[0] == END
    with pytest.raises(SourceError, match="was kept without the column opened"):
        of_api(tmp_path, api, region="opened").read("stores", WEEKS[0])


def test_a_week_from_before_the_first_arrival_learns_nothing_from_its_future(tmp_path: Path) -> None:
    with serving(Api({"/stores": [{"no": 1, "area": "n", "kind": "k"}]})) as api:
        source = of_api(tmp_path, api)
        assert source.read("stores", WEEKS[1]).num_rows == 1
        assert source.read("stores", WEEKS[0]).num_rows == 0
        assert source.read("stores", WEEKS[1]).num_rows == 1
        assert len(api.asked) == 1


def test_nothing_is_kept_of_a_dump_that_broke_off(tmp_path: Path) -> None:
    with serving(Api({"/stores": [{"no": 1, "area": "n", "kind": "k"}]})) as api:
        source = of_api(tmp_path, api)
        api.faults.append((403, {}, b"{}"))
        with pytest.raises(SourceError, match="403"):
            source.read("stores", WEEKS[0])
        assert not list((tmp_path / "data").rglob("*.parquet"))
        assert source.read("stores", WEEKS[0]).num_rows == 1
