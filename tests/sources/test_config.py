"""A mistake in a source's YAML file is one line: the file, the key, the value, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sources.grocer import STORES, opened

from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.config import load
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.registry import FOLDER, names, open_source
from coupon_pipeline.sources.source import SourceError

FILES = {"kind": "files", "root": "drop"}
SQL = {"kind": "sql", "url": "sqlite:///erp.db"}
REST = {"kind": "rest", "url": "http://127.0.0.1:1"}
BY_DAY = {"path": r"(?P<day>.{10})\.csv"}
BY_COLUMN = {"column": "changed"}
GOOD = {"system": "s", "known_at": BY_DAY, "columns": STORES}


def refusal(folder: Path, system: dict[str, Any], table: dict[str, Any], name: str = "stores", **more: Any) -> str:
    with pytest.raises(SourceError) as refused:
        opened(folder, {"s": system}, {name: table}, **more)
    line = str(refused.value)
    assert line.startswith(str(folder / "grocer.yaml"))
    assert "\n" not in line
    return line.removeprefix(f"{folder / 'grocer.yaml'}, ")


@pytest.mark.parametrize(
    ("system", "cause"),
    [
        ({**FILES, "rot": "x"}, "systems.s.files.rot: unknown key: correct or remove it"),
        ({"kind": "files"}, "systems.s.files.root: missing: add it"),
        ({"kind": "ftp"}, "systems.s: Input tag 'ftp' found using 'kind' does not match"),
        ({"kind": "sql"}, "systems.s.sql: give a url, or url_env"),
        ({**REST, "token_env": "A", "token_file": "b"}, "systems.s.rest: token_env and token_file are both given"),
        ({**SQL, "url": "postgresql://erp.example.com/x", "start": ["a"]}, "start is for systems on this machine"),
        (
            {**FILES, "retry": {"attempts": 0}},
            "retry.attempts: Input should be greater than 0 (it is 0)",
        ),
    ],
)
def test_a_system_that_does_not_fit_is_refused(tmp_path: Path, system: dict[str, Any], cause: str) -> None:
    assert cause in refusal(tmp_path, system, GOOD)


@pytest.mark.parametrize(
    ("system", "change", "cause"),
    [
        (FILES, {"system": "t"}, "tables.stores.system: no system is called 't': use one of s"),
        (FILES, {"columns": {**STORES, "flor": "x"}}, "columns.flor: the contract has no such column: use"),
        (FILES, {"columns": {"region": "x"}}, "tables.stores.columns.store_id: the contract requires it"),
        (FILES, {"columns": {**STORES, "known_at": "x"}}, "columns.known_at: say where it comes from under known_at"),
        (FILES, {"columns": {**STORES, "region": {"colum": "x"}}}, "columns.region.colum: unknown key"),
        (FILES, {"columns": {**STORES, "region": {"id": "area"}}}, "give one of column and constant"),
        (FILES, {"columns": {**STORES, "region": {"column": "x", "money": "cents"}}}, "money: Input should be 'minor'"),
        (FILES, {"known_at": {}}, "give one of path, column and arrival"),
        (FILES, {"known_at": {"path": "x"}}, "the path needs a group for the day"),
        (FILES, {"known_at": {"path": "("}}, "not a regular expression"),
        (FILES, {"known_at": {"arrival": True}, "files": "x"}, "arrival needs delivery: full"),
        (FILES, {"known_at": BY_COLUMN}, "files: give the expression for the paths"),
        (FILES, {"encoding": "klingon"}, "encoding: no such encoding: try utf-8, cp1252 or latin-1 (it is 'klingon')"),
        (FILES, {"endpoint": "/x"}, "tables.stores.endpoint: tables of a files system have no such key"),
        (SQL, {"known_at": BY_COLUMN}, "give one of table and query"),
        (SQL, {"table": "store"}, "known_at.path: only files have one"),
        (SQL, {"known_at": BY_COLUMN, "table": "store", "delivery": "full"}, "full is for dumps without dates"),
        (REST, {"known_at": BY_COLUMN}, "endpoint: give the path of the list"),
        (SQL, {"known_at": BY_COLUMN, "table": "t", "required_days": True}, "required_days: tables of a sql system"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, system: dict[str, Any], change: dict[str, Any], cause: str
) -> None:
    assert cause in refusal(tmp_path, system, {**GOOD, **change})


def test_a_table_without_a_contract_is_refused(tmp_path: Path) -> None:
    assert "no contract is called shops: use one of" in refusal(tmp_path, FILES, GOOD, "shops")


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("name", "My Shop", "name: String should match"),
        ("currency", "Euro", "currency: String should match"),
        ("clock", "wall", "clock: Input should be 'system' or 'source' (it is 'wall')"),
        ("calender", {}, "calender: unknown key"),
        ("calendar", {"timezone": "Berlin", "first": "2025-03-03", "last": "2025-03-03"}, "no such time zone"),
        (
            "calendar",
            {"timezone": "UTC", "first": "2025-03-04", "last": "2025-03-10"},
            "calendar.first: weeks start",
        ),
        ("calendar", {"timezone": "UTC", "first": "2025-03-10", "last": "2025-03-03"}, "last lies before first"),
        (
            "assignment",
            {"salt": "x", "holdout_percent": 100},
            "holdout_percent: Input should be less than 100",
        ),
    ],
)
def test_a_top_key_that_does_not_fit_is_refused(tmp_path: Path, key: str, value: Any, cause: str) -> None:
    path = tmp_path / "grocer.yaml"
    opened(tmp_path, {"s": FILES}, {"stores": GOOD})
    text = path.read_text()
    kept = [block for block in text.split("\n") if not block.startswith(f"{key}:")]
    if key == "calendar":
        kept = [line for line in kept if not line.startswith(("  timezone", "  first", "  last"))]
    path.write_text("\n".join([f"{key}: {value!r}", *kept]))
    with pytest.raises(SourceError) as refused:
        load(path)
    assert cause in str(refused.value)


@pytest.mark.parametrize(
    ("text", "cause"), [("a: 1\na: 2\n", "a given twice"), ("a: [", "is not YAML"), ("- 1", "dict")]
)
def test_a_file_that_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "grocer.yaml"
    path.write_text(text)
    with pytest.raises(SourceError, match=cause):
        load(path)


def test_an_unknown_source_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"unknown source 'corner': set SOURCE to one of complete-journey, simulated"):
        open_source(Settings(source="corner"))
    for name in ("template", "../sources/simulated"):
        with pytest.raises(SourceError, match="unknown source"):
            open_source(Settings(source=name))
    with pytest.raises(SourceError, match=r"corner\.yaml cannot be read: No such file"):
        open_source(Settings(source="corner", source_config=tmp_path / "corner.yaml"))


def test_the_file_of_a_source_names_it(tmp_path: Path) -> None:
    opened(tmp_path, {"s": FILES}, {"stores": GOOD})
    path = tmp_path / "grocer.yaml"
    assert open_source(Settings(source="grocer", source_config=path)).name == "grocer"
    with pytest.raises(SourceError, match="name: 'grocer' is opened as 'corner': give both one name"):
        open_source(Settings(source="corner", source_config=path))


def test_the_shipped_files_can_be_read() -> None:
    assert names() == ("complete-journey", "simulated")
    assert load(FOLDER / "template.yaml").name == "template"


def test_the_simulated_chain_is_opened_without_starting_it(tmp_path: Path) -> None:
    source = open_source(Settings(source="simulated", data=tmp_path))
    assert isinstance(source, Connected)
    assert (source.currency, source.clock, len(source.calendar.weeks)) == ("USD", "source", 52)
    assert source.assignment is not None
    assert source.plan.test_campaign is None
    week = source.calendar.weeks[0]
    assert len({source.fingerprint(table, week) for table in source.tables()}) == len(source.tables())
    assert not list(tmp_path.iterdir())
