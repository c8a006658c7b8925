"""What validation is measured against does the same work: the same rules, the same rows on either side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.baseline import Baseline
from benchmarks.contracts import agree
from benchmarks.sales import busy_week

from coupon_pipeline.contracts.contract import Rule


def test_sql_and_the_contract_split_a_week_alike() -> None:
    sales = busy_week(1)
    baseline = Baseline(sales.contract)
    weeks = baseline.split(sales.raw, sales.beside, sales.past)
    verdicts = sales.check()
    agree(sales, verdicts, weeks, baseline.broken())
    rules = {rule for row in verdicts[0].quarantined.column("_rule").to_pylist() for rule in row.split(",")}
    assert rules >= {"gross_cents.range", "store_id.required", "product_id.exists_in", "line_kind.enum"}
    assert rules >= {"known_at.in_week", "row.duplicate", "key.unique", "key.seen"}
    fewer = {week: split._replace(clean=split.clean.slice(1)) for week, split in weeks.items()}
    with pytest.raises(AssertionError, match="clean rows"):
        agree(sales, verdicts, fewer, baseline.broken())


def test_a_rule_without_sql_is_no_rule_that_costs_nothing() -> None:
    sales = busy_week(1)
    strange = Rule("strange", "row", "conformity", "error", "", "quarantine", ("line",), "expect_something")
    baseline = Baseline(replace(sales.contract, rules=(*sales.contract.rules, strange)))
    with pytest.raises(ValueError, match="no SQL for the rule strange"):
        baseline.split(sales.raw, sales.beside, sales.past)
