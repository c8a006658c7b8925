"""The pages about the tables say what the contracts say, and nothing that a contract has not said."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from rich.console import Console

from coupon_pipeline.commands.docs import FOLDER, docs, generated
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.showing.catalogue import INDEX, page

CONTRACTS = [reader.load(name) for name in reader.names()]
LINK = re.compile(r"\]\(([^)]+)\)")
CELL_ENDS = re.compile(r"(?<!\\)\|")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return generated()


def test_the_committed_pages_are_what_make_docs_writes(texts: dict[str, str]) -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert committed == texts, "run `make docs`"


def test_every_table_of_a_page_has_a_cell_for_each_heading(texts: dict[str, str]) -> None:
    for text in texts.values():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({len(CELL_ENDS.findall(row)) for row in table.splitlines()}) == 1, table


def test_every_link_leads_to_a_file(texts: dict[str, str]) -> None:
    for text in texts.values():
        for target in LINK.findall(text):
            assert (FOLDER / target).is_file(), target


# template:start
def test_a_project_under_another_name_has_the_same_pages(texts: dict[str, str]) -> None:
    own = ("coupon_pipeline", "coupon-pipeline", "Coupon Pipeline", "Example Grocer")
    assert not [name for name, text in texts.items() if any(word in text for word in own)]


# template:end
def test_a_page_names_every_column_and_rule_with_its_reason(texts: dict[str, str]) -> None:
    for contract in CONTRACTS:
        text = texts[f"{contract.name}.md"]
        for column in contract.columns:
            assert f"| `{column.name}` | {column.physical_type}," in text
        for rule in contract.rules:
            assert f"| `{rule.id}` |" in text
        assert contract.name in texts[INDEX]


def test_personal_data_are_in_bold() -> None:
    lines = [line for line in page(reader.load("customers"), CONTRACTS, ()).splitlines() if "`age_band` |" in line]
    assert "**personal (pii)**" in lines[0]


def test_a_table_names_what_it_refers_to_what_refers_to_it_and_its_use(texts: dict[str, str]) -> None:
    coupons = texts["coupons.md"]
    assert "refers to: [`campaigns.campaign_id`](campaigns.md) by `campaign_id.exists_in`" in coupons
    assert "[`coupon_redemptions`](coupon_redemptions.md) by `coupon_id.exists_in`" in coupons
    assert "used for: the features and the redemption model, the decision who may get which coupon" in coupons


def test_a_pattern_with_bars_stays_one_cell() -> None:
    contract = reader.load("stores")
    pattern = "^(north|south)$"
    regex = MappingProxyType({"column": "region", "regex": pattern})
    rule = Rule(
        "region.pattern", "row", "conformity", "error", f"region must match {pattern}", "quarantine", kwargs=regex
    )
    text = page(replace(contract, rules=(rule,)), CONTRACTS, ())
    assert r"| `region.pattern` | region must match `^(north\|south)$` | conformity |" in text


def test_markup_in_a_description_is_text() -> None:
    contract = replace(reader.load("stores"), description="at <most> 5 * 3 | a $ and a $")
    assert r"at \<most> 5 \* 3 \| a \$ and a \$" in page(contract, CONTRACTS, ())


def test_the_page_of_a_contract_that_has_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "gone.md").touch()
    docs(Console(quiet=True), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX, *(f"{name}.md" for name in reader.names())}
