"""One week of a table as delivered, beside its cells in the contract's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.arrow import schema
from coupon_pipeline.contracts.compiling.builtin_rules import PRESENT, TYPED
from coupon_pipeline.contracts.contract import MASK, Contract
from coupon_pipeline.contracts.judging.casting import cast, castable
from coupon_pipeline.contracts.judging.seen import hashed

FEWEST_LOST = 10
"""Unreadable values below which a column is not called retyped: each row is then judged by itself."""


@dataclass(frozen=True)
class Delivery:
    """A week of raw rows; `table` is empty, and `problem` says why, where the columns are not those of the contract.

    `lost` has, per column, the rows (int64 positions) whose value could not be cast; `unexpected` names extra columns;
    `broken` is the rule behind the problem.
    """

    week: str
    raw: pa.Table
    table: pa.Table
    lost: Mapping[str, np.ndarray]
    unexpected: tuple[str, ...]
    unique_key: tuple[str, ...]
    problem: str | None = None
    broken: str | None = None

    @cached_property
    def keys(self) -> np.ndarray:
        """A uint64 per row that rows with the same unique key share; 0 where a part of the key is missing."""
        return hashed(self.table, self.unique_key)


def receive(contract: Contract, week: str, raw: pa.Table) -> Delivery:
    """The rows of a week, cast to the contract where the columns allow it."""
    key = contract.unique_key
    wanted = [column.name for column in contract.columns]
    unexpected = tuple(name for name in raw.column_names if name not in wanted)

    def refused(rule: str, problem: str) -> Delivery:
        todo = "correct the delivery, or the contract if it is meant"
        sentence = f"{contract.label}, week {week}: {problem} (rule {rule}); {todo}"
        return Delivery(week, raw, schema(contract).empty_table(), {}, unexpected, key, sentence, rule)

    problem = _absent(raw.column_names, wanted) or _repeated(raw.column_names, wanted)
    if problem is not None:
        return refused(PRESENT, problem)
    problem = _other_kind(contract, raw)
    if problem is not None:
        return refused(TYPED, problem)
    table, lost = cast(contract, raw)
    problem = _unreadable(contract, raw, lost)
    return Delivery(week, raw, table, lost, unexpected, key) if problem is None else refused(TYPED, problem)


def _absent(found: Sequence[str], wanted: Sequence[str]) -> str | None:
    missing = [name for name in wanted if name not in found]
    if not missing:
        return None
    others = [name for name in found if name not in wanted]
    alike = {name: get_close_matches(name, others, n=1) for name in missing}
    renamed = [f"{names[0]} may be another name of {name}" for name, names in alike.items() if names]
    return "; ".join(
        [
            f"the column {', '.join(missing)} is missing",
            *renamed,
            f"expected {', '.join(wanted)}",
            f"found {', '.join(found)}",
        ]
    )


def _repeated(found: Sequence[str], wanted: Sequence[str]) -> str | None:
    repeated = sorted({name for name in wanted if list(found).count(name) > 1})
    return f"the column {', '.join(repeated)} is given twice" if repeated else None


def _other_kind(contract: Contract, raw: pa.Table) -> str | None:
    """The first column of a kind from which no value of the contract's type can be read."""
    for column in contract.columns:
        found = raw.schema.field(column.name).type
        if not castable(found, column.physical_type):
            return f"the column {column.name} is expected as {column.physical_type}, found {found}"
    return None


def _unreadable(contract: Contract, raw: pa.Table, lost: Mapping[str, np.ndarray]) -> str | None:
    """The first column of which most values cannot be read in its type."""
    for name, rows in lost.items():
        cells = raw.column(name)
        present = len(cells) - cells.null_count
        if len(rows) >= FEWEST_LOST and 2 * len(rows) > present:
            column = contract.column(name)
            shown = MASK if column.personal else repr(str(cells[int(rows[0])].as_py()))
            return (
                f"{len(rows)} of {present} values of the column {name} cannot be read as {column.physical_type}: "
                f"expected {column.physical_type}, found such as {shown}"
            )
    return None
