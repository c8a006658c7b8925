"""What ERP, billing and CRM may deliver beside the ten tables that every grocer has: which row breaks which rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contracts.deliveries import WEEKS, as_delivery, check

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.verdict import Verdict

WEEK = WEEKS[0]
EARLY, NOON, EVENING = (f"{WEEK} {hour}:00:00" for hour in ("06", "12", "18"))

GOOD: dict[str, dict[str, str | None]] = {
    "prices": {"product_id": "1", "price_zone": "1", "valid_from": "2025-03-10", "shelf_price_cents": "250",
               "unit_cost_cents": "170", "is_deleted": None},
    "inventory_levels": {"store_id": "1", "product_id": "1", "counted_at": EARLY, "on_hand": "0", "on_order": "24"},
    "purchase_orders": {"order_id": "1", "line": "1", "supplier_id": "7", "store_id": "1", "product_id": "1",
                        "ordered_at": "2025-03-02 12:00", "due_at": "2025-03-03 09:00", "received_at": EARLY,
                        "quantity_ordered": "24", "quantity_received": "20", "unit_cost_cents": "170",
                        "is_deleted": None},
    "bills": {"bill_id": "1", "store_id": "1", "household_id": "1", "lines": "2", "gross_cents": "500",
              "discount_cents": "50", "tax_cents": "9", "total_cents": "459", "tender": "card", "issued_at": EARLY},
    "engagements": {"issue_id": "1", "channel": "app", "event": "opened", "coupon_id": "1", "household_id": "1",
                    "happened_at": EARLY},
    "coupon_issues": {"issue_id": "1", "coupon_id": "1", "household_id": "1", "decision_id": "0" * 32,
                      "propensity": "0.03", "policy": "uniform", "arm": "explore", "channel": "app",
                      "issued_at": EARLY},
}  # fmt: skip
UNIQUE = {"prices": "price_zone", "inventory_levels": "counted_at"}
"""Table -> a column of the key that may have any value, where it is not the first."""


def row(table: str, **cells: str | None) -> dict[str, str | None]:
    """A good row with cells replaced."""
    return {**GOOD[table], "known_at": NOON, **cells}


def another(column: str, number: int) -> str:
    """A good value of a column that no other number has."""
    return f"2025-02-28 23:{number:02}" if column.endswith("_at") else str(100 + number)


def verdict_on(table: str, *rows: dict[str, str | None]) -> Verdict:
    contract = replace(reader.load(table), quarantine_max_percent=100.0)
    (verdict,) = check(contract, as_delivery(rows, [column.name for column in contract.columns]))
    return verdict


@pytest.mark.parametrize(
    ("table", "good"),
    [
        (
            "prices",
            [
                {"product_id": "2", "unit_cost_cents": None},
                {"product_id": "2", "is_deleted": "true", "known_at": EVENING},
                {"price_zone": "2"},
                {"valid_from": "2025-03-17"},
            ],
        ),
        (
            "inventory_levels",
            [{"on_order": None, "counted_at": "2025-02-28 23:00"}, {"counted_at": NOON}, {"store_id": "2"}],
        ),
        (
            "purchase_orders",
            [
                {"line": "2", "received_at": None, "quantity_received": None, "due_at": None, "supplier_id": None},
                {"line": "3", "received_at": "2025-03-03 11:00", "due_at": "2025-03-02 12:00"},
                {"line": "3", "quantity_received": "0", "known_at": EVENING},
            ],
        ),
        (
            "bills",
            [
                {"bill_id": "2", "gross_cents": "-500", "discount_cents": "-50", "tax_cents": "-9",
                 "total_cents": "-459"},
                {"bill_id": "3", "household_id": None, "tender": None},
            ],
        ),
        ("engagements", [{"channel": "email"}, {"event": "sent"}, {"event": "clicked", "household_id": None}]),
        (
            "coupon_issues",
            [
                {"issue_id": "2", "decision_id": None, "propensity": None, "policy": None, "arm": None},
                {"issue_id": "3", "propensity": "1", "household_id": None},
            ],
        ),
    ],
)  # fmt: skip
def test_what_happens_in_a_grocers_life_is_clean(table: str, good: list[dict[str, str | None]]) -> None:
    verdict = verdict_on(table, row(table), *(row(table, **cells) for cells in good))
    rules = {rule.id: rule for rule in reader.load(table).rules}
    assert [one.rule for one in verdict.outcomes if one.failed and rules[one.rule].scope == "row"] == []
    assert verdict.clean.num_rows == 1 + len(good)


BROKEN: dict[str, list[tuple[dict[str, str | None], str]]] = {
    "prices": [
        ({"shelf_price_cents": "-250"}, "shelf_price_cents.range"),
        ({"shelf_price_cents": "0"}, "shelf_price_cents.range"),
        ({"unit_cost_cents": "-1"}, "unit_cost_cents.range"),
        ({"valid_from": None}, "valid_from.required"),
        ({"product_id": "77"}, "product_id.exists_in"),
        ({"is_deleted": "gone"}, "is_deleted.type"),
    ],
    "inventory_levels": [
        ({"on_hand": "-1"}, "on_hand.range"),
        ({"on_order": "-1"}, "on_order.range"),
        ({"product_id": None}, "product_id.required"),
        ({"store_id": "77"}, "store_id.exists_in"),
        ({"counted_at": EVENING}, "counted_before_known"),
    ],
    "purchase_orders": [
        ({"quantity_received": "241"}, "received_within_ordered"),
        ({"line": None}, "line.required"),
        ({"quantity_ordered": "0", "quantity_received": "0"}, "quantity_ordered.range"),
        ({"due_at": "2025-03-02 11:00"}, "ordered_before_due"),
        ({"received_at": "2025-03-02 11:00"}, "ordered_before_received"),
        ({"received_at": EVENING}, "received_before_known"),
    ],
    "bills": [
        ({"total_cents": "458"}, "total_not_below"),
        ({"total_cents": "460"}, "total_not_above"),
        ({"lines": "0"}, "lines.range"),
        ({"household_id": "77"}, "household_id.exists_in"),
    ],
    "engagements": [
        ({"event": "bounced"}, "event.enum"),
        ({"coupon_id": "77"}, "coupon_id.exists_in"),
        ({"happened_at": EVENING}, "happened_before_known"),
    ],
    "coupon_issues": [
        ({"propensity": "1.01"}, "propensity.range"),
        ({"arm": "chosen"}, "arm.enum"),
        ({"household_id": "9"}, "household_id.exists_in"),
    ],
}
"""Table -> what a row has instead of good cells, and the rule that this breaks."""


@pytest.mark.parametrize("table", BROKEN)
def test_a_broken_rule_quarantines_its_row_and_no_other(table: str) -> None:
    column = UNIQUE.get(table, reader.load(table).key[0])
    rows = [row(table, **{column: another(column, n), **cells}) for n, (cells, _) in enumerate(BROKEN[table])]
    verdict = verdict_on(table, row(table), *rows)
    found = zip(*(verdict.quarantined.column(name).to_pylist() for name in ("_row", "_rule")), strict=True)
    assert list(found) == [(1 + n, rule) for n, (_, rule) in enumerate(BROKEN[table])]


def test_a_loss_leader_only_warns() -> None:
    verdict = verdict_on("prices", row("prices", unit_cost_cents="251"))
    assert verdict.clean.num_rows == 1
    assert {outcome.rule: outcome.failed for outcome in verdict.outcomes if outcome.failed} == {"sold_above_cost": 1}
