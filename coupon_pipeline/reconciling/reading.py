"""Reads the books of a store-local day: the ledger, what was exported of it, the tills and the bills."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.casting import FROM_TEXT, cast
from coupon_pipeline.contracts.mending.waiting import WEEK, waiting
from coupon_pipeline.ledger.operations import facts
from coupon_pipeline.ledger.statement import (
    Database,
    Row,
    Statement,
    Transaction,
)
from coupon_pipeline.reconciling.day import (
    BILLS,
    EXPORTED,
    LINES,
    REDEMPTIONS,
    Books,
)
from coupon_pipeline.reconciling.elsewhere import other_days
from coupon_pipeline.reconciling.span import TILLS, Span
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.exports import Numbers, plain_numbers
from coupon_pipeline.sources.ledgered import (
    ORIGIN_FROM,
    REDEMPTIONS_ABOVE,
    systems_of,
)
from coupon_pipeline.sources.source import Source
from coupon_pipeline.tables import AsOf, Store

REDEEMED: Final = Statement(
    "select redemption_id, issue_id, basket_id, store_id, discount_cents, reversed_at from redemption "
    "where issue_id is not null and at >= :opens_at and at < :closes_at "
    "and (reversed_at is null or reversed_at >= :closes_at) order by redemption_id"
)
TOLD: Final = """
    select redemption_id, issue_id, basket_id, store_id, discount_cents from (
        select *, bool_or(coalesce(is_deleted, false)) over (partition by redemption_id) as is_reversed from told
        where known_at < $instant and redeemed_at >= $opens_at and redeemed_at < $closes_at
    ) where not is_reversed"""
SIGNED: Final = """
    select basket_id, store_id, sign * coupon_discount_cents as coupon_cents,
        sign * (coupon_discount_cents + retail_discount_cents + match_discount_cents) as all_cents
    from (select *, if(line_kind = 'sale', 1, -1) as sign from lines)"""


def first_week(database: Database) -> str | None:
    """The first week whose redemptions went through the ledger; None where none did. Raises UnavailableError."""
    return database.read(lambda tx: facts.setting(tx, ORIGIN_FROM))


def numbers_of(source: Source, column: str) -> Numbers:
    """What turns the texts of a column of the tills into numbers, where the source gives them; None for others."""
    systems = systems_of(source)
    spec = systems.config.tables[TILLS].columns.get(column) if isinstance(systems, Connected) else None
    if not isinstance(systems, Connected) or spec is None or spec.id is None:
        return plain_numbers
    entity = spec.id
    return lambda texts: systems.identifiers.found(entity, texts)


def books(as_of: AsOf, database: Database, span: Span, baskets: Numbers, stores: Numbers) -> Books:
    """The books of a day from tables as of the span's instant; `baskets` and `stores` number what tills call them.

    Raises UnavailableError, or MissingWeekError where the tills' week is not clean."""
    lines = as_of.table(TILLS)
    lines = lines.filter(lines.sold_at >= span.opens_at, lines.sold_at < span.closes_at).to_pyarrow()
    bills = None
    if as_of.store.delivers("bills"):
        found = as_of.table("bills")
        found = found.filter(found.issued_at >= span.opens_at, found.issued_at < span.closes_at).to_pyarrow()
        bills = found.select(["bill_id", "store_id", "discount_cents"]).rename_columns(BILLS.names)
    redeemed, signed = _redeemed(database, span, baskets, stores), _signed(lines)
    others = other_days(as_of, database, span, redeemed, signed, baskets)
    return Books(redeemed, _exported(as_of.store, span), signed, bills, others)


def waiting_lines(store: Store, span: Span) -> int:
    """How many of the day's till lines that came before the span's instant wait in quarantine."""
    rows = waiting(store, reader.load(TILLS))
    came = list(store.calendar.known_before(span.instant))
    at = FROM_TEXT["TIMESTAMP"].replace("{x}", "sold_at")
    sql = f"""select count(*) from (select {at} as sold, {WEEK} as week from rows)
        where sold >= $opens_at and sold < $closes_at and list_contains($came, week)"""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("rows", rows)
        [(count,)] = engine.execute(
            sql, {"opens_at": span.opens_at, "closes_at": span.closes_at, "came": came}
        ).fetchall()
    return count


def _redeemed(database: Database, span: Span, baskets: Numbers, stores: Numbers) -> pa.Table:
    bounds = {"opens_at": to_epoch(span.opens_at), "closes_at": to_epoch(span.closes_at)}

    def work(tx: Transaction) -> tuple[list[Row], int]:
        return tx.all(REDEEMED, **bounds), int(facts.setting(tx, REDEMPTIONS_ABOVE) or 0)

    rows, above = database.read(work, snapshot=True)
    known = to_epoch(span.instant)
    cells = [
        [row[0] + above for row in rows],
        [row[1] for row in rows],
        baskets([row[2] for row in rows]),
        stores([row[3] for row in rows]),
        [row[4] for row in rows],
        [row[5] is None or row[5] >= known for row in rows],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(cells, REDEMPTIONS, strict=True)]
    return pa.table(arrays, schema=REDEMPTIONS)


def _exported(store: Store, span: Span) -> pa.Table:
    """What the pipeline was told of the day's redemptions, but for those that it was told are reversed."""
    contract = reader.load("coupon_redemptions")
    weeks = [week for week in store.calendar.known_before(span.instant) if week >= span.week]
    landed = [week for week in weeks if store.path("raw", contract.name, week).exists()]
    tables = [cast(contract, store.read("raw", contract.name, week))[0] for week in landed]
    if not tables:
        return EXPORTED.empty_table()
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("told", pa.concat_tables(tables))
        bounds = {"instant": span.instant, "opens_at": span.opens_at, "closes_at": span.closes_at}
        return engine.sql(TOLD, params=bounds).to_arrow_table().cast(EXPORTED)


def _signed(lines: pa.Table) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("lines", lines)
        return engine.sql(SIGNED).to_arrow_table().cast(LINES)
