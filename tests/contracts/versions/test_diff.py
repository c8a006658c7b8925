"""Every difference between two versions of a contract is told, and whether it breaks somebody."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_pipeline.contracts.versions.changes import canonical
from coupon_pipeline.contracts.versions.diff import Difference, differences
from coupon_pipeline.contracts.versions.meanings import MEANINGS
from coupon_pipeline.documents import parse

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: till-lines
name: Till lines
version: 1.0.0
status: active
description: {purpose: "Every line."}
schema:
  - name: lines
    properties:
      - {name: basket_id, logicalType: integer, physicalType: BIGINT, required: true, primaryKey: true,
         primaryKeyPosition: 1, examples: [1, 2]}
      - {name: household_id, logicalType: integer, physicalType: BIGINT, classification: pii-pseudonymous,
         relationships: [{type: foreignKey, to: customers.household_id}]}
      - {name: kind, logicalType: string, physicalType: VARCHAR, required: true, enum: [{value: sale}, {value: void}],
         logicalTypeOptions: {maxLength: 9, pattern: "[a-z]+"}}
      - {name: quantity, logicalType: integer, physicalType: BIGINT, logicalTypeOptions: {minimum: 0, maximum: 99},
         customProperties: [{property: unit, value: units}, {property: warnOnly, value: [range]}]}
      - {name: cents, logicalType: integer, physicalType: BIGINT, logicalTypeOptions: {minimum: 0}}
    quality:
      - {name: volume, type: library, metric: rowCount, mustBeBetween: [10, 1000], dimension: coverage, severity: error}
      - name: near
        type: custom
        engine: great-expectations
        dimension: coverage
        severity: error
        customProperties: [{property: action, value: block}]
        implementation: {type: expect_near, kwargs: {min_ratio: 0.5, max_ratio: 2}}
      - {name: told, type: custom, dimension: consistency, severity: warning, implementation: {kwargs: {min_value: 1}}}
slaProperties:
  - {property: freshness, value: 8, unit: d, element: lines.sold_at}
  - {property: latency, value: 2, unit: d, element: lines.sold_at}
team: {name: tills, members: [{username: a@example.com, role: owner}]}
customProperties:
  - {property: tableKind, value: fact}
  - {property: mandatory, value: false}
  - {property: quarantineMaxPercent, value: 2}
"""

EDITS = [
    ("mandatory, value: false", "mandatory, value: true", "table.mandatory"),
    ("tableKind, value: fact", "tableKind, value: change_log", "table.kind"),
    ("quarantineMaxPercent, value: 2", "quarantineMaxPercent, value: 1", "share.lowered"),
    ("quarantineMaxPercent, value: 2", "quarantineMaxPercent, value: 3", "share.raised"),
    ("value: 8, unit: d", "value: 7, unit: d", "promise.tightened"),
    ("value: 8, unit: d", "value: 9, unit: d", "promise.loosened"),
    ("value: 2, unit: d", "value: 1, unit: d", "promise.described"),
    ("physicalType: VARCHAR", "physicalType: DATE", "column.type"),
    ("logicalType: string", "logicalType: date", "column.type"),
    ("VARCHAR, required: true", "VARCHAR", "column.nullable"),
    ("VARCHAR, required: true", "VARCHAR, required: true, unique: true", "column.unique"),
    ("name: cents,", "name: cents, required: true,", "column.required"),
    ("name: cents,", "name: cents, required: false,", "same"),
    ("name: cents,", "name: cents, description: In cents,", "column.described"),
    ("primaryKeyPosition: 1", "primaryKeyPosition: 2", "column.key"),
    ("examples: [1, 2]", "examples: [1, 3]", "column.described"),
    ("property: unit, value: units", "property: unit, value: pieces", "column.unit"),
    ("classification: pii-pseudonymous,", "", "column.less_personal"),
    ("name: cents,", "name: cents, classification: pii,", "column.classified"),
    ("to: customers.household_id", "to: people.household_id", "column.foreign_key"),
    ("{value: sale}, ", "", "column.value_removed"),
    ("{value: sale}, ", "{value: sale}, {value: return}, ", "column.value_added"),
    ("enum: [{value: sale}, {value: void}],", "", "column.widened"),
    ("maxLength: 9", "maxLength: 8", "column.narrowed"),
    ("maxLength: 9", "maxLength: 10", "column.widened"),
    ('pattern: "[a-z]+"', 'pattern: "[a-y]+"', "column.narrowed"),
    ("minimum: 0}", "minimum: 1}", "column.narrowed"),
    ("minimum: 0}", "minimum: -1}", "column.widened"),
    ("minimum: 0}", "minimum: 0, maximum: 5}", "column.narrowed"),
    ("minimum: 0, maximum: 99", "minimum: 5, maximum: 99", "column.warned"),
    ("warnOnly, value: [range]", "warnOnly, value: []", "column.enforced"),
    ("mustBeBetween: [10, 1000]", "mustBeBetween: [9, 1000]", "rule.loosened"),
    ("mustBeBetween: [10, 1000]", "mustBeBetween: [9, 999]", "rule.tightened"),
    ("min_ratio: 0.5", "min_ratio: 0.6", "rule.tightened"),
    ("max_ratio: 2", "max_ratio: 3", "rule.loosened"),
    ("type: expect_near", "type: expect_far", "rule.changed"),
    ("min_value: 1", "min_value: 2", "rule.warning_changed"),
    ("severity: warning", "severity: error", "rule.stricter"),
    ("property: action, value: block", "property: action, value: warn", "rule.milder"),
    ("Every line.", "Each line.", "contract.described"),
    ("username: a@example.com", "username: b@example.com", "contract.described"),
    ("version: 1.0.0", "version: 1.0.1", "contract.version"),
    ("id: till-lines", "id: lines", "contract.id"),
    ("name: near", "name: nearly", "rule.added"),
    ("name: told", "name: said", "rule.added_warning"),
]


def between(old: str, new: str) -> list[Difference]:
    return differences(parse(old, "old"), parse(new, "new"))


@pytest.mark.parametrize(("old", "new", "code"), EDITS)
def test_an_edit_has_the_code_of_its_kind(old: str, new: str, code: str) -> None:
    assert CONTRACT.count(old) == 1
    assert code in {found.code for found in between(CONTRACT, CONTRACT.replace(old, new))}


def test_breaking_differences_come_first_and_say_whom_they_break() -> None:
    changed = CONTRACT.replace("Every line.", "Each line.").replace("maxLength: 9", "maxLength: 8")
    first, second = between(CONTRACT, changed)
    assert (first.contract, first.where, first.old, first.new) == ("lines", "kind.maxLength", "9", "8")
    assert (first.breaking, first.why) == (True, "values that were good are refused")
    assert not second.breaking


def test_a_renamed_column_is_one_that_is_gone_and_one_that_came() -> None:
    found = {each.code: each for each in between(CONTRACT, CONTRACT.replace("name: quantity", "name: quantities"))}
    assert set(found) == {"column.removed", "column.added"}
    assert found["column.removed"].why.endswith("; renamed to quantities?")


def test_a_column_that_must_be_filled_breaks_its_senders_from_the_first_day() -> None:
    added = "      - {name: cents, physicalType: BIGINT, required: true}\n    quality:"
    without = "\n".join(line for line in CONTRACT.splitlines() if "name: cents" not in line)
    assert [found.code for found in between(without, without.replace("    quality:", added))] == [
        "column.added_required"
    ]


def test_comments_blanks_and_the_order_of_keys_are_no_difference() -> None:
    assert (
        between(CONTRACT, "# A remark.\n\n" + CONTRACT.replace("kind: DataContract\n", "") + "kind: DataContract") == []
    )


def test_a_contract_that_is_gone_breaks_and_another_one_does_not() -> None:
    document = parse(CONTRACT, "lines")
    assert [found.code for found in differences(document, None)] == ["contract.removed"]
    assert [found.code for found in differences(None, document)] == ["contract.added"]
    assert MEANINGS["contract.removed"].breaking
    assert not MEANINGS["contract.added"].breaking


VALUES = st.sampled_from([None, True, 0, 1, 1.0, -5, "", "sale", "BIGINT", [], {}, ["range"], {"name": "x"}]).map(
    copy.deepcopy
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[Any, Any]:
    """A contract, and one that somebody has edited in some places without any thought."""
    before = parse(CONTRACT, "lines")
    after = copy.deepcopy(before)
    for _ in range(draw(st.integers(1, 3))):
        part: Any = after
        while True:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            key = draw(st.sampled_from(keys)) if keys else None
            inner = part[key] if keys else None
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                break
            part = inner
        _edit(part, key, draw)
    return before, after


def _edit(part: Any, key: Any, draw: st.DrawFn) -> None:
    kind = draw(st.sampled_from(["change", "remove", "add", "turn"]))
    if kind == "turn" and isinstance(part, list):
        part.reverse()
    elif kind == "add" and isinstance(part, dict):
        part[draw(st.sampled_from(["unique", "enum", "minimum", "mystery", "(order)"]))] = draw(VALUES)
    elif kind == "add":
        part.append(draw(VALUES))
    elif key is not None and kind == "remove":
        del part[key]
    elif key is not None:
        part[key] = draw(VALUES)


@settings(max_examples=200, deadline=None)
@given(edited())
def test_no_difference_vanishes(documents: tuple[Any, Any]) -> None:
    before, after = documents
    same = canonical(dict(before)) == canonical(dict(after))
    assert (differences(before, after) == []) == same
    assert (differences(after, before) == []) == same
