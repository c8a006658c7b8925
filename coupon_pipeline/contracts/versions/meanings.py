"""What each kind of difference between two versions of a contract means: whether it breaks somebody, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Meaning(NamedTuple):
    """Whether senders or readers have to change, and why or why not."""

    breaking: bool
    why: str


SAFE, BREAKS = False, True
MEANINGS: Final[Mapping[str, Meaning]] = {
    "contract.added": Meaning(SAFE, "nobody relies on it yet"),
    "contract.removed": Meaning(BREAKS, "whoever reads the table finds nothing"),
    "contract.id": Meaning(BREAKS, "quarantined rows and agreements name the contract by its id"),
    "contract.version": Meaning(SAFE, "says how much has changed"),
    "contract.described": Meaning(SAFE, "explains, and binds nobody"),
    "table.added": Meaning(BREAKS, "one contract is for one table"),
    "table.removed": Meaning(BREAKS, "whoever reads the table finds nothing"),
    "table.kind": Meaning(BREAKS, "facts and changes are read and checked differently"),
    "table.mandatory": Meaning(BREAKS, "a source without the table is refused"),
    "table.optional": Meaning(SAFE, "a source may leave the table out"),
    "share.lowered": Meaning(BREAKS, "weeks that were fit to use are blocked"),
    "share.raised": Meaning(SAFE, "weeks with more bad rows are published"),
    "column.added": Meaning(SAFE, "may be null, and readers take columns by name"),
    "column.added_required": Meaning(BREAKS, "rows of a sender that does not have it are refused"),
    "column.removed": Meaning(BREAKS, "whoever reads the column finds nothing"),
    "column.order": Meaning(SAFE, "columns are taken by name"),
    "column.type": Meaning(BREAKS, "values are read as something else, or not at all"),
    "column.key": Meaning(BREAKS, "other rows count as the same row"),
    "column.required": Meaning(BREAKS, "rows without a value are refused"),
    "column.nullable": Meaning(BREAKS, "readers meet nulls"),
    "column.partition": Meaning(BREAKS, "rows are filed under another week"),
    "column.narrowed": Meaning(BREAKS, "values that were good are refused"),
    "column.widened": Meaning(SAFE, "values that were good stay good"),
    "column.value_removed": Meaning(BREAKS, "a value that was good is refused"),
    "column.value_added": Meaning(SAFE, "values that were good stay good"),
    "column.unique": Meaning(BREAKS, "rows that repeat a value are refused"),
    "column.foreign_key": Meaning(BREAKS, "rows whose key the other table lacks are refused"),
    "column.enforced": Meaning(BREAKS, "rows that were only told of are refused"),
    "column.warned": Meaning(SAFE, "rows are told of, and stay"),
    "column.less_personal": Meaning(BREAKS, "personal data would be shown"),
    "column.classified": Meaning(SAFE, "nothing is shown that was hidden"),
    "column.unit": Meaning(BREAKS, "the same number means another amount"),
    "column.described": Meaning(SAFE, "explains, and binds nobody"),
    "rule.added": Meaning(BREAKS, "rows or weeks that were good are refused"),
    "rule.added_warning": Meaning(SAFE, "only tells"),
    "rule.removed": Meaning(SAFE, "whatever was good stays good"),
    "rule.tightened": Meaning(BREAKS, "rows or weeks that were good are refused"),
    "rule.loosened": Meaning(SAFE, "whatever was good stays good"),
    "rule.changed": Meaning(BREAKS, "rows or weeks that were good may be refused"),
    "rule.warning_changed": Meaning(SAFE, "only tells"),
    "rule.stricter": Meaning(BREAKS, "what was told of or set aside is set aside or blocked"),
    "rule.milder": Meaning(SAFE, "leads to less than before"),
    "rule.described": Meaning(SAFE, "explains, and binds nobody"),
    "promise.tightened": Meaning(BREAKS, "a delivery that was in time is late"),
    "promise.loosened": Meaning(SAFE, "a delivery that was in time stays in time"),
    "promise.described": Meaning(SAFE, "no week is blocked for it"),
    "same": Meaning(SAFE, "says the same in other words"),
}
"""Code of a kind of difference -> what it means. A code, once given, keeps its meaning."""
