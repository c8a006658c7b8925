"""The pandas frame that Great Expectations validates: the columns that rules read, for some whole weeks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.column_rules import IN_WEEK, KNOWN_WEEKS, UNIQUE
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.delivery import Delivery
from coupon_pipeline.contracts.references import Reference, known_weeks

if TYPE_CHECKING:
    import pandas as pd

WEEK = "@week"
"""Helper column: the number of the row's week within the batch, so that uniqueness is judged within a week."""


def build(
    contract: Contract,
    deliveries: Sequence[Delivery],
    references: Mapping[str, Reference],
    opens_at: Callable[[str], datetime],
    closes_at: Callable[[str], datetime],
) -> pd.DataFrame:
    """All rows of the deliveries, in order, index 0..n-1; a foreign key whose reference is missing gets no helper."""
    import pandas as pd

    table = pa.concat_tables([delivery.table for delivery in deliveries])
    counts = [delivery.table.num_rows for delivery in deliveries]
    read = {name for rule in contract.rules if rule.scope == "row" for name in columns_read(rule)}
    keys = {name for rule in contract.rules if rule.expectation == UNIQUE for name in columns_read(rule)}
    columns: dict[str, pd.Series | np.ndarray] = {
        name: _series(table.column(name), exact=name in keys) for name in table.column_names if name in read
    }
    starts = np.array([delivery.week for delivery in deliveries], "datetime64[D]")
    columns[WEEK] = np.repeat(np.arange(len(counts), dtype=np.int16), counts)
    for name, target in contract.references.items():
        if target in references:
            weeks = np.repeat(starts, counts)
            columns[KNOWN_WEEKS.format(name)] = known_weeks(table.column(name), weeks, references[target])
    for name in table.column_names:
        if IN_WEEK.format(name) in read:
            lies_in = [
                _in_week(each.table.column(name), opens_at(each.week), closes_at(each.week)) for each in deliveries
            ]
            columns[IN_WEEK.format(name)] = np.concatenate(lies_in)
    return pd.DataFrame(columns, copy=False)


def surplus_copies(contract: Contract, deliveries: Sequence[Delivery], frame: pd.DataFrame) -> np.ndarray:
    """Which rows (bool [rows]) equal an earlier row of their week in all columns; one that lost a value never does."""
    surplus = frame.duplicated([*contract.unique_key, WEEK], keep=False).to_numpy(copy=True)
    offset = 0
    for delivery in deliveries:
        for rows in delivery.lost.values():
            surplus[offset + rows] = False
        offset += delivery.table.num_rows
    # Whole rows are compared only where the key repeats: few are, and some tables have millions of rows.
    suspects = np.flatnonzero(surplus)
    table = pa.concat_tables([delivery.table for delivery in deliveries]).take(suspects)
    rows = frame[[WEEK]].iloc[suspects].reset_index(drop=True)
    rows = rows.assign(**{name: _series(table.column(name), exact=True) for name in table.column_names})
    surplus[suspects] = rows.duplicated(keep="first").to_numpy()
    return surplus


def columns_read(rule: Rule) -> tuple[str, ...]:
    """The frame's columns that a rule's expectation reads."""
    single = [rule.kwargs[name] for name in ("column", "column_A", "column_B") if name in rule.kwargs]
    return (*single, *rule.kwargs.get("column_list", ()))


def _in_week(instants: pa.ChunkedArray, opens: datetime, closes: datetime) -> np.ndarray:
    """1 where an instant lies in the week, 0 where not; a null is for `required` to find."""
    known = instants.to_numpy()
    inside = (known >= np.datetime64(opens)) & (known < np.datetime64(closes))
    return (inside | np.isnat(known)).astype(np.int64)


def _series(cells: pa.ChunkedArray, exact: bool) -> pd.Series:
    """The cells as Great Expectations compares them fast: as int64, float64, datetime64 or text.

    Integers beside nulls become floats, unless `exact`: as floats, ids above 2**53 would collide.
    """
    import pandas as pd

    if pa.types.is_int32(cells.type):
        cells = cells.cast(pa.int64())
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    mapper = nullable.get if cells.null_count and (exact or pa.types.is_boolean(cells.type)) else None
    return cells.to_pandas(types_mapper=mapper, date_as_object=False)
