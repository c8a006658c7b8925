"""Reconciles a column with the rows of another table that share its key: bills with tills, redemptions with issues."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.judging.casting import engine

DIFFERENCE = "{}@difference"
"""Helper column: by how much the column differs from its counterpart; nan where there is none."""
MEASURE = pa.schema([("key", pa.int64()), ("week", pa.date32()), ("value", pa.int64())])


def measured(rule: Rule, tables: Mapping[str, pa.Table]) -> pa.Table:
    """What a rule reconciles with, by key and week: columns of MEASURE; `tables` are the other table's clean weeks."""
    key = str(rule.reference).split(".")[1]
    parts = [_of_week(rule, key, week, rows) for week, rows in tables.items()]
    return pa.concat_tables([MEASURE.empty_table(), *parts])


def differences(rule: Rule, table: pa.Table, weeks: np.ndarray, measure: pa.Table) -> np.ndarray:
    """The column less its counterpart, float64 [rows]; `weeks` (datetime64[D]) are those of the rows.

    The counterpart takes in what was known of the other table in the row's week and in `weeks_back` before.
    """
    found = np.full(table.num_rows, np.nan)
    rows = pa.table(
        {
            "row": np.arange(table.num_rows),
            "key": table.column(rule.kwargs["key"]),
            "week": pa.array(weeks, pa.date32()),
        }
    )
    sql = f"""
        select row, {rule.kwargs["how"]}(value)::double as value from rows join measure using (key)
        where measure.week between rows.week - {7 * rule.kwargs["weeks_back"]} and rows.week group by row"""
    with engine().cursor() as cursor:
        cursor.register("rows", rows)
        cursor.register("measure", measure)
        joined = cursor.sql(sql).to_arrow_table()
    at = joined.column("row").to_numpy()
    cells = table.column(rule.kwargs["column"]).cast(pa.float64()).to_numpy()
    found[at] = cells[at] - joined.column("value").to_numpy()
    return found


def _of_week(rule: Rule, key: str, week: str, rows: pa.Table) -> pa.Table:
    how, of = rule.kwargs["how"], rule.kwargs["of"]
    sql = f"""
        select "{key}" as key, date '{week}' as week, {how}({of})::bigint as value
        from rows where "{key}" is not null group by 1 having value is not null order by 1"""
    with engine().cursor() as cursor:
        cursor.register("rows", rows)
        return cursor.sql(sql).to_arrow_table().cast(MEASURE)
