"""Where the other side of a difference is: a till that was offline tells the ledger on another day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.clock import from_epoch, to_epoch
from coupon_pipeline.ledger.statement import Database, Row, Statement
from coupon_pipeline.reconciling.day import OTHER_DAYS
from coupon_pipeline.reconciling.span import TILLS, Span
from coupon_pipeline.sources.exports import Numbers
from coupon_pipeline.tables import AsOf

NEARBY: Final = timedelta(days=7)
"""How far before and after a day is looked."""
REDEEMED: Final = Statement(
    "select basket_id, at from redemption where issue_id is not null and at >= :opens_at and at < :closes_at "
    "and reversed_at is null order by at desc"
)


def other_days(
    as_of: AsOf, database: Database, span: Span, redeemed: pa.Table, lines: pa.Table, baskets: Numbers
) -> pa.Table:
    """On which days nearby the tills have what the ledger has on this one, and the other way round; OTHER_DAYS."""
    ours = set(redeemed["basket_id"].to_pylist()) - {None}
    theirs = set(lines.filter(pc.field("coupon_cents") != 0)["basket_id"].to_pylist())
    rows = [("till", basket, day) for basket, day in _of_tills(as_of, span, ours - theirs)]
    rows += [("ledger", basket, day) for basket, day in _of_ledger(as_of, database, span, theirs - ours, baskets)]
    return pa.Table.from_pylist([dict(zip(OTHER_DAYS.names, row, strict=True)) for row in rows], OTHER_DAYS)


def _of_tills(as_of: AsOf, span: Span, wanted: set[int]) -> Iterable[tuple[int, date]]:
    """The day of the first line with a discount of coupons, of each of these baskets that has one."""
    if not wanted:
        return
    sales = as_of.table(TILLS)
    sales = sales.filter(sales.basket_id.isin(sorted(wanted)), sales.coupon_discount_cents != 0)
    sales = sales.filter(sales.sold_at >= span.opens_at - NEARBY, sales.sold_at < span.closes_at + NEARBY)
    found = sales.group_by("basket_id").agg(at=sales.sold_at.min()).order_by("basket_id").to_pyarrow()
    for row in found.to_pylist():
        yield row["basket_id"], as_of.store.calendar.local_day(row["at"])


def _of_ledger(
    as_of: AsOf, database: Database, span: Span, wanted: set[int], baskets: Numbers
) -> Iterable[tuple[int, date]]:
    """The day of the first redemption of each of these baskets that has one."""
    if not wanted:
        return
    bounds = {"opens_at": span.opens_at - NEARBY, "closes_at": min(span.closes_at + NEARBY, span.instant)}
    instants = {name: to_epoch(instant) for name, instant in bounds.items()}
    near: list[Row] = database.read(lambda tx: tx.all(REDEEMED, **instants))
    # The first of a basket comes last, and stays.
    at = dict(zip(baskets([row[0] for row in near]), (row[1] for row in near), strict=True))
    for basket in sorted(wanted & at.keys()):
        yield basket, as_of.store.calendar.local_day(from_epoch(at[basket]))
