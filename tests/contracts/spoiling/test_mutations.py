"""A rule that is broken in one row, or in one week, is caught as it declares; one of each kind for every table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contracts.spoiling.mutations import kind
from tests.contracts.spoiling.surveying import survey, without
from tests.contracts.spoiling.valid import Maker, UnknownKindError

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.compiling.named_rules import RECONCILE
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.reconciling import measured

RECONCILED = [
    (table, rule.id) for table in reader.names() for rule in reader.load(table).rules if rule.expectation == RECONCILE
]


def one_per_kind(contract: Contract) -> list[str]:
    """The last rule of each kind, as those of a contract's own columns come after those of its keys."""
    return list({(kind(rule), rule.action): rule.id for rule in contract.rules}.values())


@pytest.mark.parametrize("table", reader.names())
def test_a_broken_rule_is_caught_as_it_declares_and_no_other_row_is(table: str) -> None:
    contract = reader.load(table)
    sample = one_per_kind(contract)
    found = survey(contract, sample)
    assert {one.mutation.rule.id for one in found} == set(sample)
    assert [(one.mutation.rule.id, one.mutation.how, one.why) for one in found if not one.caught] == []
    assert sum(one.wrong for one in found) == 0


def test_rules_that_are_lost_on_the_way_are_missed() -> None:
    contract = reader.load("inventory_levels")
    lost = one_per_kind(contract)
    found = survey(contract, lost, judged_by=without(contract, lost))
    assert {one.mutation.rule.id for one in found if not one.caught} == set(lost)


def test_a_rule_of_an_unknown_kind_is_named() -> None:
    contract = reader.load("stores")
    strange = replace(contract.rules[-1], id="store_is_open", expectation="expect_stores_to_be_open")
    with pytest.raises(UnknownKindError, match="stores: rule store_is_open"):
        Maker(replace(contract, rules=(*contract.rules, strange)))


@pytest.mark.parametrize(("table", "rule_id"), RECONCILED)
def test_what_a_rule_reconciles_with_is_found_in_valid_rows_of_the_other_table(table: str, rule_id: str) -> None:
    rule = reader.load(table).rule(rule_id)
    other = Maker(reader.load(str(rule.other))).table(0)
    found = measured(rule, {"2025-03-03": other})
    assert found.num_rows > 0
    assert found.column("value").null_count == 0
