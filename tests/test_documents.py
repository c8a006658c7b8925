"""A YAML document is read strictly, and every part of it knows its line."""

from __future__ import annotations

import pytest
import yaml

from coupon_pipeline.documents import Located, parse, place

TEXT = """
name: stores
columns:
  - name: store_id
    unit: identifier
  - {name: region, unit: text}
"""


def test_a_mapping_is_an_ordinary_one_that_knows_its_lines() -> None:
    document = parse(TEXT, "stores.yaml")
    assert document == yaml.safe_load(TEXT)
    assert isinstance(document, Located)
    assert document.at("columns") == "stores.yaml:3"
    first, second = document["columns"]
    assert (first.at(), first.at("unit"), first.at("missing")) == ("stores.yaml:4", "stores.yaml:5", "stores.yaml:4")
    assert second.at("unit") == "stores.yaml:6"


def test_a_path_is_told_by_names_with_its_line() -> None:
    document = parse(TEXT, "stores.yaml")
    assert place(document, ["columns", 0, "unit"]) == ("stores.yaml:5", "columns.store_id.unit")
    assert place(document, []) == ("stores.yaml:2", "the top")


def test_a_key_given_twice_is_refused_with_its_line() -> None:
    with pytest.raises(yaml.YAMLError, match=r"unit given twice[\s\S]*line 6"):
        parse(TEXT.replace("{name: region, unit: text}", "{unit: a, unit: b}"), "stores.yaml")


@pytest.mark.parametrize("text", ["a: [1", "a: {b", "a: !!python/object:os.system {}"])
def test_what_is_no_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse(text, "a.yaml")


def test_yes_and_no_are_words_and_true_and_false_are_not() -> None:
    document = parse("{no: yes, mandatory: true, given: False}", "a.yaml")
    assert document == {"no": "yes", "mandatory": True, "given": False}
