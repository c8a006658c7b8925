"""One week of a table as delivered, beside its cells in the contract's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.arrow import schema
from coupon_pipeline.contracts.casting import cast
from coupon_pipeline.contracts.contract import Contract

QUARANTINE_COLUMNS = ("_rule", "_reason", "_value", "_source_row", "_contract")
"""What a quarantined row carries beside its own cells."""


@dataclass(frozen=True)
class Delivery:
    """A week of raw rows; `table` is empty, and `problem` says why, where the columns are not those of the contract.

    `lost` has, per column, the rows (int64 positions) whose value could not be cast; `unexpected` names extra columns.
    """

    week: str
    raw: pa.Table
    table: pa.Table
    lost: Mapping[str, np.ndarray]
    unexpected: tuple[str, ...]
    problem: str | None = None


def receive(contract: Contract, week: str, raw: pa.Table) -> Delivery:
    """The rows of a week, cast to the contract where the columns allow it."""
    wanted = [column.name for column in contract.columns]
    unexpected = tuple(name for name in raw.column_names if name not in wanted)
    problem = _problem(contract, week, raw.column_names, wanted)
    if problem is not None:
        return Delivery(week, raw, schema(contract).empty_table(), {}, unexpected, problem)
    table, lost = cast(contract, raw)
    return Delivery(week, raw, table, lost, unexpected)


def _problem(contract: Contract, week: str, found: list[str], wanted: list[str]) -> str | None:
    where = f"{contract.label}, week {week}"
    missing = [name for name in wanted if name not in found]
    if missing:
        return (
            f"{where}: the column {', '.join(missing)} is missing: expected {', '.join(wanted)}; "
            f"found {', '.join(found)}; correct the delivery, or the contract if the change is meant"
        )
    unusable = sorted({name for name in found if found.count(name) > 1 or name in QUARANTINE_COLUMNS})
    if unusable:
        return f"{where}: the column {', '.join(unusable)} is given twice, or has a name of the quarantine: rename it"
    return None
