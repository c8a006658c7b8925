"""The rules that every table has without saying so: its columns, its copies, its key."""

from __future__ import annotations

from types import MappingProxyType

from coupon_pipeline.contracts.compiling.column_rules import UNIQUE
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK

PRESENT, TYPED, EXTRA = "columns.present", "columns.typed", "columns.extra"
DUPLICATE, SEEN = "row.duplicate", "key.seen"
HARMLESS = frozenset({DUPLICATE, SEEN})
"""Rules whose rows are in clean already: they go to quarantine, and do not count as bad."""


COLUMN_RULES = (
    Rule(
        PRESENT,
        "table",
        "conformity",
        "error",
        "every column of the contract must be delivered",
        "block",
        impact="Whatever reads a missing column stops, or takes nothing for nobody's purchase.",
    ),
    Rule(
        TYPED,
        "table",
        "conformity",
        "error",
        "at least half of a column's values must be readable in its type",
        "block",
        impact="A column that has changed its meaning would set nearly every row aside.",
    ),
    Rule(
        EXTRA,
        "table",
        "conformity",
        "warning",
        "every delivered column should be one of the contract's; another one is left out",
        "warn",
        impact="What a sender adds is of no use until the contract says what it means.",
    ),
)
"""The rules on the columns as a whole, which are the same for every table."""


def key_rules(contract: Contract) -> tuple[Rule, ...]:
    """The rules on copies and on the key: facts alone must not come again in later weeks."""
    key = contract.unique_key
    words = ", ".join(key)
    copies = Rule(
        DUPLICATE,
        "row",
        "uniqueness",
        "error",
        "a row must not be an exact copy of an earlier one of the week",
        "quarantine",
        contract.key,
        impact="A row that counts twice doubles what was sold, stocked or redeemed.",
    )
    unique = Rule(
        "key.unique",
        "row",
        "uniqueness",
        "error",
        f"the key {words} must occur once in a week",
        "quarantine",
        key,
        UNIQUE,
        MappingProxyType({"column_list": key}),
        impact="Of two rows that contradict each other nobody can say which one is true.",
    )
    seen = Rule(
        SEEN,
        "row",
        "uniqueness",
        "error",
        f"the key {words} must not have been clean in one of the {WEEKS_BACK} weeks before",
        "quarantine",
        contract.key,
        impact="A file that is sent again in a later week would count its facts twice.",
    )
    return (copies, unique, seen) if contract.kind == "fact" else (copies, unique)
