"""Compares the books of a day, and of a week's days, of one source."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import pyarrow as pa

from coupon_pipeline.ledger.statement import Database
from coupon_pipeline.reconciling.day import DIFFERENCES, Reconciled, reconcile
from coupon_pipeline.reconciling.reading import books, first_week, numbers_of
from coupon_pipeline.reconciling.span import Span
from coupon_pipeline.sources.source import Source
from coupon_pipeline.tables import AsOf, Store
from coupon_pipeline.weeks import UnknownWeekError

WEEKLY: Final = pa.schema([("day", pa.date32()), *DIFFERENCES])
"""Differences of a week, each with its store-local day."""


def of_day(store: Store, source: Source, database: Database, span: Span) -> Reconciled:
    """The books of a day, compared; raises UnknownWeekError for a day from before the ledger, which explains none."""
    first = first_week(database)
    if first is None or span.week < first:
        begins = "nothing was redeemed through the ledger yet" if first is None else f"the ledger begins on {first}"
        raise UnknownWeekError(f"week {span.week} has no redemptions to compare: {begins}")
    return _compared(store.as_of(span.instant), source, database, span)


def of_week(store: Store, source: Source, database: Database, week: str) -> pa.Table:
    """The differences of a week's days as known at its end, by schema WEEKLY; none from before the ledger."""
    first = first_week(database)
    if first is None or week < first:
        return WEEKLY.empty_table()
    as_of, parts = store.as_of(store.calendar.decision_time(week)), []
    for number in range(7):
        day = date.fromisoformat(week) + timedelta(days=number)
        span = Span.of(store, day, as_of.instant)
        found = _compared(as_of, source, database, span).differences
        parts.append(found.add_column(0, "day", pa.repeat(pa.scalar(day), found.num_rows)))
    return pa.concat_tables(parts).cast(WEEKLY).combine_chunks()


def _compared(as_of: AsOf, source: Source, database: Database, span: Span) -> Reconciled:
    baskets, stores = (numbers_of(source, column) for column in ("basket_id", "store_id"))
    return reconcile(books(as_of, database, span, baskets, stores))
