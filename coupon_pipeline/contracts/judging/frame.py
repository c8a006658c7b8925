"""The pandas frame that Great Expectations validates: the columns that rules read, for some whole weeks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.compiling.column_rules import IN_WEEK, KNOWN_WEEKS, UNIQUE
from coupon_pipeline.contracts.compiling.named_rules import RECONCILE
from coupon_pipeline.contracts.compiling.promise_rules import LATENCY
from coupon_pipeline.contracts.contract import KNOWN_AT, Contract, Rule
from coupon_pipeline.contracts.judging.delivery import Delivery
from coupon_pipeline.contracts.judging.positions import among, union
from coupon_pipeline.contracts.judging.reconciling import DIFFERENCE, differences
from coupon_pipeline.contracts.judging.references import known_weeks
from coupon_pipeline.contracts.judging.seen import repeated
from coupon_pipeline.contracts.judging.surroundings import Surroundings

if TYPE_CHECKING:
    import pandas as pd

WEEK = "@week"
"""Helper column: the number of the row's week within the batch, so that uniqueness is judged within a week."""


def build(
    contract: Contract,
    rules: Sequence[Rule],
    deliveries: Sequence[Delivery],
    surplus: np.ndarray,
    beside: Surroundings,
) -> pd.DataFrame:
    """All rows of the deliveries, in order, index 0..n-1, with the columns that the rules read.

    `surplus` rows (bool [rows]) are copies of others: each is alone in a week of its own, so that none is a copy.
    """
    import pandas as pd

    table = pa.concat_tables([delivery.table for delivery in deliveries])
    counts = [delivery.table.num_rows for delivery in deliveries]
    read = {name for rule in rules for name in columns_read(rule)}
    keys = {name for rule in contract.rules if rule.expectation == UNIQUE for name in rule.kwargs["column_list"]}
    columns: dict[str, pd.Series | np.ndarray] = {
        name: _series(table.column(name), exact=name in keys) for name in table.column_names if name in read
    }
    numbers = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    numbers[surplus] = -1 - np.arange(np.count_nonzero(surplus))
    columns[WEEK] = numbers
    weeks = np.repeat(np.array([delivery.week for delivery in deliveries], "datetime64[D]"), counts)
    for rule in rules:
        columns.update(_helpers(rule, table, weeks, deliveries, beside))
    return pd.DataFrame(columns, copy=False)


def _helpers(
    rule: Rule, table: pa.Table, weeks: np.ndarray, deliveries: Sequence[Delivery], beside: Surroundings
) -> Iterator[tuple[str, np.ndarray]]:
    """The column that a rule reads beside those of the table, if any."""
    name = rule.columns[0] if rule.columns else ""
    if rule.expectation == RECONCILE:
        yield DIFFERENCE.format(rule.id), differences(rule, table, weeks, beside.measures[rule.id])
    elif rule.kwargs.get("column") == KNOWN_WEEKS.format(name):
        reference = beside.references[str(rule.reference)]
        yield rule.kwargs["column"], known_weeks(table.column(name), weeks, reference)
    elif rule.kwargs.get("column") == LATENCY.format(name):
        late = table.column(KNOWN_AT).to_numpy() - table.column(name).to_numpy()
        yield rule.kwargs["column"], late / np.timedelta64(1, "h")
    elif rule.kwargs.get("column") == IN_WEEK.format(name):
        lies_in = (
            _in_week(each.table.column(name), beside.opens_at(each.week), beside.closes_at(each.week))
            for each in deliveries
        )
        yield rule.kwargs["column"], np.concatenate(list(lies_in))


def surplus_copies(deliveries: Sequence[Delivery]) -> np.ndarray:
    """Which rows (bool [rows]) equal an earlier row of their week in all columns; one that lost a value never does."""
    import pandas as pd

    suspects = [_suspects(delivery) for delivery in deliveries]
    starts = np.cumsum([0, *(delivery.table.num_rows for delivery in deliveries)])
    found = np.zeros(starts[-1], bool)
    if not any(rows.size for rows in suspects):
        return found
    parts = [delivery.table.take(rows) for delivery, rows in zip(deliveries, suspects, strict=True)]
    table = pa.concat_tables(parts)
    rows = pd.DataFrame({name: _series(table.column(name), exact=True) for name in table.column_names})
    rows[WEEK] = np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])
    places = np.concatenate([start + rows for start, rows in zip(starts, suspects, strict=False)])
    found[places] = rows.duplicated(keep="first").to_numpy()
    return found


def _suspects(delivery: Delivery) -> np.ndarray:
    """The rows (sorted) whose key repeats or lacks a part: few, and only they are compared as a whole."""
    rows = np.flatnonzero(among(delivery.keys, repeated([delivery.keys])) | (delivery.keys == 0))
    return np.setdiff1d(rows, union(delivery.lost.values())) if rows.size and delivery.lost else rows


def columns_read(rule: Rule) -> tuple[str, ...]:
    """The frame's columns that a rule's expectation reads."""
    if rule.expectation == RECONCILE:
        return (DIFFERENCE.format(rule.id),)
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
