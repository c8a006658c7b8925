"""A results page tells how each rule fared, shows nobody's data, and needs nothing but itself."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from tests.contracts.deliveries import CALENDAR, WEEKS

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Outcome
from coupon_pipeline.contracts.showing.pages import page_path, write_page
from coupon_pipeline.contracts.showing.rendering import rendered
from coupon_pipeline.contracts.showing.summary import Summary

TILLS = reader.load("pos_transactions")
WEEK = WEEKS[0]
FROM_ELSEWHERE = re.compile(r"https?:|//|<script|<link|<img|src=|href=|@import|url\(")
VOID = {"meta", "br", "hr"}


class Reading(HTMLParser):
    """The text of a page, and the elements that are open; fails where an end tag does not fit."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def week(contract: Contract, *outcomes: Outcome, reasons: tuple[str, ...] = ()) -> Summary:
    """A week of 1,000 rows in which all rules hold but for the given outcomes."""
    given = {outcome.rule: outcome for outcome in outcomes}
    found = tuple(given.get(rule.id, outcome(rule)) for rule in contract.rules)
    return Summary(WEEK, 1000, 990, 10, 0.01, not reasons, found, reasons)


def outcome(rule: Rule, failed: int = 0, *examples: str) -> Outcome:
    return Outcome(rule.id, rule.dimension, rule.severity, failed, examples=examples)


def text_of(contract: Contract, summary: Summary) -> str:
    reading = Reading(rendered(contract, summary))
    assert reading.open == []
    return reading.text


@pytest.mark.parametrize("name", reader.names())
def test_every_rule_of_every_contract_is_on_the_page_whether_it_holds_or_not(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    contract = reader.load(name)
    broken = [outcome(rule, 3, f"{rule.id}: an example") for rule in contract.rules if rule.scope == "row"]
    with caplog.at_level(logging.WARNING):
        pages = [text_of(contract, week(contract)), text_of(contract, week(contract, *broken))]
    assert caplog.records == []
    for rule in contract.rules:
        assert all(rule.id in page and rule.reason in page for page in pages)
    for found in broken:
        assert found.examples[0] in pages[1]


def test_a_broken_rule_says_how_many_rows_which_and_why_it_matters() -> None:
    rule = TILLS.rule("quantity.range")
    page = text_of(TILLS, week(TILLS, outcome(rule, 22, "quantity=-1", "quantity=-3")))
    for told in ("quantity.range 22", "22 unexpected values found", "of 1000 total rows", "quantity=-3", rule.impact):
        assert told in page


def test_a_rule_of_the_whole_table_says_what_was_found() -> None:
    page = rendered(TILLS, week(TILLS, replace(outcome(TILLS.rule("volume"), 1), observed=12.0)))
    assert "<td>12</td>" in page


def test_columns_that_the_contract_lacks_are_named() -> None:
    assert "floor, aisle" in text_of(TILLS, week(TILLS, outcome(TILLS.rule("columns.extra"), 2, "floor", "aisle")))


def test_a_rule_that_did_not_apply_or_could_not_run_says_so() -> None:
    reference = replace(outcome(TILLS.rule("household_id.exists_in")), applied=False)
    early = replace(outcome(TILLS.rule("volume")), applied=False)
    lost = replace(outcome(TILLS.rule("quantity.range")), could_run=False)
    page = text_of(TILLS, week(TILLS, reference, early, lost))
    for told in ("customers is not delivered", "too few clean weeks are known", "quantity.range could not run"):
        assert told in page


def test_a_blocked_week_says_why_and_that_its_rules_were_not_judged() -> None:
    present = outcome(TILLS.rule("columns.present"), 1)
    summary = Summary(WEEK, 5, 0, 5, 1.0, False, (present,), ("the column store_id is missing",))
    page = text_of(TILLS, summary)
    assert "Blocked" in page
    assert "the column store_id is missing" in page
    assert page.count("not judged") == len(TILLS.rules) - 1


def test_no_personal_value_of_a_broken_row_is_on_the_page() -> None:
    contract = reader.load("customers")
    secret = "Very-Private-4711"
    cells = {column.name: secret if column.personal else None for column in contract.columns}
    raw = pa.table({name: pa.array([cell] * 20, pa.string()) for name, cell in cells.items()})
    beside = Surroundings(CALENDAR.opens_at, CALENDAR.decision_time)
    for delivery in (raw, raw.set_column(0, "household_id", pa.array([str(-4711000 - n) for n in range(20)]))):
        (verdict,) = check_weeks(contract, [WEEK], lambda _, rows=delivery: rows, beside)
        page = rendered(contract, Summary.of(verdict))
        assert not verdict.passed
        assert secret not in page
        assert "4711" not in page
        assert "***" in page


def test_what_a_delivery_holds_is_shown_as_text_and_never_as_markup() -> None:
    hostile = "line_kind=<script>alert(1)</script>"
    page = rendered(TILLS, week(TILLS, outcome(TILLS.rule("line_kind.enum"), 1, hostile), reasons=(hostile,)))
    assert "<script" not in page
    assert Reading(page).text.count(hostile) == 2


def test_a_page_needs_no_network_and_stays_small() -> None:
    broken = [outcome(rule, 3, "a=1", "b=2", "c=3") for rule in TILLS.rules if rule.scope == "row"][:8]
    page = rendered(TILLS, week(TILLS, *broken))
    assert not FROM_ELSEWHERE.search(page)
    assert len(page) < 25_000


def test_the_same_findings_give_the_same_bytes(tmp_path: Path) -> None:
    summary = week(TILLS, outcome(TILLS.rule("quantity.range"), 22, "quantity=-1"))
    path = page_path(tmp_path, TILLS.name, WEEK)
    write_page(TILLS, summary, path)
    first = path.read_bytes()
    write_page(reader.load("stores"), week(reader.load("stores")), page_path(tmp_path, "stores", WEEK))
    write_page(TILLS, summary, path)
    assert path.read_bytes() == first
    assert path == tmp_path / "results" / "pos_transactions" / f"week={WEEK}" / "index.html"
    assert [each.name for each in path.parent.iterdir()] == ["index.html"]
