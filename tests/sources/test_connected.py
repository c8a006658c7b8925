"""A source made of one YAML file: its weeks, the order of its tables, and what makes a week stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.sources.grocer import STORES, WEEKS, opened, write_csv

from coupon_pipeline.contracts import reader
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.weeks import UnknownWeekError

KNOWN = {"path": r"(?P<day>\d{4}-\d\d-\d\d)\.csv"}
CALENDAR = {"timezone": "Europe/Berlin", "first": WEEKS[0], "last": WEEKS[1], "closed": "{data}/closed/{week}.json"}


def minimal(table: str) -> dict[str, Any]:
    """A table with its required columns alone."""
    required = [column.name for column in reader.load(table).columns if column.required and column.name != "known_at"]
    return {"system": "s", "known_at": KNOWN, "columns": dict.fromkeys(required, "x")}


def shop(
    folder: Path, tables: dict[str, Any] | None = None, system: dict[str, Any] | None = None, **more: Any
) -> Connected:
    drop = {"kind": "files", "root": str(folder / "drop"), **(system or {})}
    stores = {"system": "s", "known_at": KNOWN, "columns": STORES}
    return opened(folder, {"s": drop}, tables or {"stores": stores}, **more)


def close(folder: Path, week: str) -> None:
    path = folder / "data" / "closed" / f"{week}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def test_weeks_that_are_closed_extend_the_calendar_without_a_gap(tmp_path: Path) -> None:
    source = shop(tmp_path, calendar=CALENDAR)
    close(tmp_path, WEEKS[3])
    assert source.calendar.weeks == WEEKS[:2]
    with pytest.raises(UnknownWeekError):
        source.read("stores", WEEKS[2])
    close(tmp_path, WEEKS[2])
    assert source.calendar.weeks == WEEKS


def test_a_week_more_leaves_the_others_fresh(tmp_path: Path) -> None:
    source = shop(tmp_path, calendar=CALENDAR)
    before = source.fingerprint("stores", WEEKS[0])
    close(tmp_path, WEEKS[2])
    assert source.fingerprint("stores", WEEKS[0]) == before


def test_referenced_tables_come_first_whatever_the_files_order(tmp_path: Path) -> None:
    names = sorted(reader.names(), reverse=True)
    tables = shop(tmp_path, {name: minimal(name) for name in names}).tables()
    assert sorted(tables, reverse=True) == names
    for name in tables:
        for target in reader.load(name).references.values():
            assert tables.index(target.split(".")[0]) < tables.index(name)


def test_columns_that_are_not_mapped_are_null(tmp_path: Path) -> None:
    write_csv(tmp_path / "drop" / f"{WEEKS[0]}.csv", [("x",), ("1",), ("2",)])
    rows = shop(tmp_path, {"products": minimal("products")}).read("products", WEEKS[0])
    assert rows.column_names == [column.name for column in reader.load("products").columns]
    assert rows["product_id"].to_pylist() == ["1", "2"]
    assert rows["name"].null_count == 2
    assert pa.types.is_null(rows["name"].type)


def test_what_decides_the_rows_decides_the_fingerprint_and_nothing_else(tmp_path: Path) -> None:
    stores = {"system": "s", "known_at": KNOWN, "columns": STORES}

    def digest(**changes: Any) -> str:
        return shop(tmp_path, **changes).fingerprint("stores", WEEKS[0])

    same = digest()
    assert digest(assumptions={"a": "b"}) == same
    assert digest(system={"retry": {"attempts": 2}, "start": ["python", "-c", "pass"]}) == same
    assert digest(tables={"stores": stores, "products": minimal("products")}) == same
    others = [
        digest(tables={"stores": {**stores, "columns": {**STORES, "region": "x"}}}),
        digest(tables={"stores": {**stores, "delimiter": ";"}}),
        digest(system={"root": str(tmp_path / "elsewhere")}),
        digest(calendar={**CALENDAR, "timezone": "UTC"}),
    ]
    (tmp_path / "data").mkdir(exist_ok=True)
    identity = tmp_path / "data" / "world.json"
    for text in ("1", "2"):
        identity.write_text(text)
        others.append(digest(identity="{data}/world.json"))
    assert len({same, *others}) == 7


def test_the_plan_and_the_assignment_come_from_the_file(tmp_path: Path) -> None:
    source = shop(
        tmp_path,
        evaluation={"latest_campaigns": 3, "locked_from": "2025-03-17", "at_least": {"auc": 0.7}},
        assignment={"salt": "s", "holdout_percent": 10, "every_cycles": 2},
    )
    assert (source.plan.latest_campaigns, str(source.plan.locked_from), source.plan.at_least) == (
        3,
        "2025-03-17",
        {"auc": 0.7},
    )
    assert source.assignment is not None
    assert (source.assignment.salt, source.assignment.holdout_percent, source.assignment.every_cycles) == ("s", 10, 2)
    assert shop(tmp_path).assignment is None
