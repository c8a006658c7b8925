"""A version number is a promise: within a major version nothing breaks, and a number never means two contents."""

from __future__ import annotations

from typing import Any

from coupon_pipeline.contracts.versions.history import Committed, refused


def contract(version: str, *columns: str, status: str = "active", purpose: str = "Sales.") -> dict[str, Any]:
    properties = [{"name": name, "physicalType": "BIGINT"} for name in columns]
    schema = [{"name": "lines", "properties": properties}]
    return {
        "id": "lines",
        "version": version,
        "status": status,
        "description": {"purpose": purpose},
        "schema": schema,
    }


def committed(*documents: dict[str, Any]) -> list[Committed]:
    """Newest first."""
    return [Committed(f"{number:040x}", document) for number, document in enumerate(documents, 1)]


def test_a_break_needs_a_higher_major_version() -> None:
    before = committed(contract("1.4.0", "a", "b"))
    [line] = refused("lines", contract("1.5.0", "a"), before)
    assert line.startswith("lines: column.removed b, physicalType: BIGINT -> -, since 1.4.0 of commit 000000000:")
    assert line.endswith("raise version to 2.0.0")
    assert refused("lines", contract("2.0.0", "a"), before) == []


def test_it_is_held_against_every_version_of_the_same_major_version() -> None:
    """A column that came in 1.1.0 and went again breaks who began with 1.1.0, whatever 1.0.0 had."""
    before = committed(contract("1.0.1", "a"), contract("1.1.0", "a", "b"), contract("1.0.0", "a"))[1:]
    assert "since 1.1.0" in refused("lines", contract("1.2.0", "a"), before)[0]
    assert len(refused("lines", contract("1.2.0", "a"), before * 2)) == 1


def test_every_change_needs_a_higher_version() -> None:
    before = committed(contract("1.4.2", "a"))
    [line] = refused("lines", contract("1.4.2", "a", purpose="Sold."), before)
    assert line.endswith("raise version to 1.5.0")
    assert refused("lines", contract("1.4.3", "a", purpose="Sold."), before) == []
    assert refused("lines", contract("1.4.2", "a"), before) == []


def test_a_version_only_rises() -> None:
    before = committed(contract("2.0.0", "a"), contract("1.0.0", "a", "b"))
    [line] = refused("lines", contract("1.0.0", "a", "b"), before)
    assert "version 1.0.0 comes after 2.0.0" in line
    assert refused("lines", contract("one", "a"), before) == [
        "lines: version is 'one': give three numbers, such as 1.2.0"
    ]


def test_a_contract_goes_once_its_end_was_announced() -> None:
    active, ended = contract("1.0.0", "a"), contract("1.0.1", "a", status="deprecated")
    assert "contract.removed" in refused("lines", None, committed(active))[0]
    assert refused("lines", None, committed(ended, active)) == []


def test_a_contract_without_committed_versions_may_be_anything() -> None:
    assert refused("lines", contract("1.0.0", "a"), []) == []
    assert refused("lines", None, []) == []
