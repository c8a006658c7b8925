"""Sales of Complete Journey as a benchmark judges them: some made wrong, a week of them several times as busy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.references import Reference
from coupon_pipeline.contracts.judging.seen import hashed
from coupon_pipeline.contracts.judging.surroundings import (
    WEEKS_BACK,
    Past,
    Surroundings,
)
from coupon_pipeline.contracts.judging.table_rules import profile
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.sources.complete_journey.source import CompleteJourney

TABLE = "pos_transactions"
BUSY_WEEK = 26
"""Number of that week, from 0: in the middle of the year, with the weeks before it that it is held against."""
DIRT = """
    with rows as (select *, row_number() over () as n from rows),
        before as (select *, row_number() over () as n from before)
    select * exclude n replace (
        case when n % 2000 = 1 then -gross_cents - 1 else gross_cents end as gross_cents,
        case when n % 2000 = 3 then -1 else product_id end as product_id,
        case when n % 2000 = 5 then null else store_id end as store_id,
        case when n % 2000 = 7 then 'gift' else line_kind end as line_kind,
        case when n % 2000 = 9 then null else quantity end as quantity,
        case when n % 2000 = 11 then known_at + interval 30 days else known_at end as known_at,
        case when n % 2000 = 13 then gross_cents + 1 else retail_discount_cents end as retail_discount_cents
    ) from rows
    union all select * exclude n from rows where n % 2000 = 15
    union all select * exclude n replace (quantity + 1 as quantity) from rows where n % 2000 = 17
    union all select * exclude n replace ($opens as known_at) from before where n % 2000 = 19"""
"""One row in 200 is made wrong, copied, contradicted, or sent again in the week after."""


@dataclass(frozen=True)
class Sales:
    """Weeks of sales as delivered, what they are judged beside, and the clean keys of the weeks before."""

    contract: Contract
    raw: dict[str, pa.Table]
    beside: Surroundings
    past: pa.Table

    @property
    def rows(self) -> int:
        """Rows of all weeks."""
        return sum(week.num_rows for week in self.raw.values())

    def check(self) -> list[Verdict]:
        """The verdicts of the pipeline, all weeks in one batch."""
        return list(check_weeks(self.contract, list(self.raw), self.raw.__getitem__, self.beside))


def history(weeks: int | None) -> Sales:
    """All weeks of sales of Complete Journey, or the first ones, some rows made wrong."""
    source = CompleteJourney()
    names = source.calendar.weeks[:weeks]
    delivered = dict(_with_dirt(source, ((week, source.read(TABLE, week)) for week in names)))
    return _sales(source, delivered, names[-1], {})


def busy_week(times: int) -> Sales:
    """A week in which every basket of Complete Journey is there several times, after eight such weeks."""
    source = CompleteJourney()
    *before, week = source.calendar.weeks[BUSY_WEEK - WEEKS_BACK : BUSY_WEEK + 1]
    earlier = {name: _repeated(source.read(TABLE, name), times) for name in before}
    last = earlier[before[-1]]
    rows = _repeated(source.read(TABLE, week), times)
    delivered = dict(_with_dirt(source, [(before[-1], last), (week, rows)]))
    return _sales(source, {week: delivered[week]}, week, earlier)


def _sales(source: CompleteJourney, raw: dict[str, pa.Table], last: str, before: dict[str, pa.Table]) -> Sales:
    contract = reader.load(TABLE)
    past = [
        Past(week, profile(contract, rows, rows.num_rows), hashed(rows, contract.key)) for week, rows in before.items()
    ]
    beside = Surroundings(
        opens_at=source.calendar.opens_at,
        closes_at=source.calendar.decision_time,
        references={target: _reference(source, target, last) for target in set(contract.references.values())},
        past=past,
    )
    key = list(contract.key)
    keys = [
        rows.select(key).append_column("@week", pa.array(np.full(rows.num_rows, np.datetime64(week, "D"))))
        for week, rows in before.items()
    ]
    empty = next(iter(raw.values())).select(key).slice(0, 0).append_column("@week", pa.array([], pa.date32()))
    return Sales(contract, raw, beside, pa.concat_tables([empty, *keys]))


def _reference(source: CompleteJourney, target: str, last: str) -> Reference:
    table, column = target.split(".")
    weeks = [week for week in source.calendar.weeks if week <= last]
    keys = [source.read(table, week).column(column).to_numpy() for week in weeks]
    first = np.concatenate(
        [np.full(len(found), week, "datetime64[D]") for week, found in zip(weeks, keys, strict=True)]
    )
    distinct, positions = np.unique(np.concatenate(keys), return_index=True)
    return Reference(distinct, first[positions])


def _repeated(rows: pa.Table, times: int) -> pa.Table:
    engine = duckdb.connect().register("rows", rows)
    sql = """
        select r.* replace (basket_id + time * 1000000000000 as basket_id) from rows r, range($times) t(time)
        order by basket_id, line"""
    return engine.sql(sql, params={"times": times}).to_arrow_table().cast(rows.schema).combine_chunks()


def _with_dirt(source: CompleteJourney, weeks: Iterable[tuple[str, pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
    before: pa.Table | None = None
    for week, rows in weeks:
        engine = duckdb.connect(config={"threads": 1})
        engine.register("rows", rows)
        engine.register("before", rows.slice(0, 0) if before is None else before)
        dirty = engine.sql(DIRT, params={"opens": source.calendar.opens_at(week)}).to_arrow_table()
        yield week, dirty.cast(rows.schema).combine_chunks()
        before = rows
