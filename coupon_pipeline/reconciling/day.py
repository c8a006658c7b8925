"""Holds a day's redemptions against the tills, the export and the bills: every difference is a row with its money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

REDEMPTIONS: Final = pa.schema(
    [
        ("redemption_id", pa.int64()),
        ("issue_id", pa.int64()),
        ("basket_id", pa.int64()),
        ("store_id", pa.int64()),
        ("discount_cents", pa.int64()),
        ("is_open", pa.bool_()),
    ]
)
"""Redemptions of the day that were live at its end; `is_open`: not reversed since, so that the export has it."""
EXPORTED: Final = REDEMPTIONS.remove(REDEMPTIONS.get_field_index("is_open"))
"""Redemptions of the day as the pipeline was told; a copy that came twice is there twice."""
LINES: Final = pa.schema([(name, pa.int64()) for name in ("basket_id", "store_id", "coupon_cents", "all_cents")])
"""Lines of the day's baskets: discount of coupons, and of everything; negative for returns and voids."""
BILLS: Final = pa.schema([(name, pa.int64()) for name in ("basket_id", "store_id", "discount_cents")])
OTHER_DAYS: Final = pa.schema([("has_it", pa.string()), ("basket_id", pa.int64()), ("day", pa.date32())])
"""Baskets of the day that `ledger` or `till` has on another store-local day, as a till does that was offline."""
KINDS: Final = {
    "redeemed_without_discount": "the ledger has the redemption, the till took nothing off",
    "discount_without_redemption": "the till took something off, the ledger has no redemption: so do paper coupons",
    "amounts_differ": "both have it, with other amounts",
    "not_exported": "the ledger has the redemption, the pipeline was not told, or another amount",
    "exported_without_redemption": "the pipeline was told of a redemption, or an amount, that the ledger has not",
    "bill_differs": "the bill shows other discounts than the basket's lines",
}
"""Kind of a difference -> what it means."""
AGAINST: Final = {"till": list(KINDS)[:3], "exported": list(KINDS)[3:5], "bill": list(KINDS)[5:]}
"""What is held against something -> the kinds of its differences."""
DIFFERENCES: Final = pa.schema(
    [
        ("kind", pa.string()),
        *((name, pa.int64()) for name in ("basket_id", "store_id", "issue_id", "redemption_id")),
        *((f"{name}_cents", pa.int64()) for name in ("ledger", "till", "exported", "bill", "difference")),
        ("other_day", pa.date32()),
    ]
)
"""`difference_cents` is ledger less till, ledger less exported, or bill less till; issue and redemption are named where
there is one, and an amount is null where there is nothing that could have it. `other_day` is the day on which the other
side has the basket: the difference comes again there, the other way round."""


class UnexplainedError(AssertionError):
    """Two books whose sums differ by something else than the listed differences: a mistake in this comparison."""


@dataclass(frozen=True)
class Books:
    """The tables of a day, by the schemas above; `bills` is None where there are none."""

    redemptions: pa.Table
    exported: pa.Table
    lines: pa.Table
    bills: pa.Table | None
    other_days: pa.Table


@dataclass(frozen=True)
class Kind:
    """What the differences of a kind come to."""

    name: str
    count: int
    cents: int


@dataclass(frozen=True)
class Reconciled:
    """The differences of a day, by kind and basket (schema DIFFERENCES), and what each book comes to, in cents."""

    differences: pa.Table
    kinds: tuple[Kind, ...]
    totals: dict[str, int]
    """`ledger`, `till`, `open` (of the ledger, not reversed since), `exported`, and for the bills that there are
    `bill`, `billed` (their lines)."""


def reconcile(books: Books) -> Reconciled:
    """Compare the books of a day; raises UnexplainedError unless the differences explain the sums to the cent."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("redemptions", books.redemptions.cast(REDEMPTIONS))
        engine.register("exported", books.exported.cast(EXPORTED))
        engine.register("lines", books.lines.cast(LINES))
        engine.register("bills", BILLS.empty_table() if books.bills is None else books.bills.cast(BILLS))
        engine.register("other_days", books.other_days.cast(OTHER_DAYS))
        for statement in PREPARE:
            engine.execute(statement)
        found = engine.sql(FOUND, params={"kinds": list(KINDS)}).to_arrow_table().cast(DIFFERENCES)
        totals = dict(engine.sql(TOTALS).fetchall())
        counted = {kind: (count, cents) for kind, count, cents in engine.sql(COUNTED).fetchall()}
    kinds = tuple(Kind(kind, *counted.get(kind, (0, 0))) for kind in KINDS)
    _check(kinds, totals)
    return Reconciled(found, kinds, totals)


def _check(kinds: tuple[Kind, ...], totals: dict[str, int]) -> None:
    cents = {kind.name: kind.cents for kind in kinds}
    for name, (left, right) in {
        "till": ("ledger", "till"),
        "exported": ("open", "exported"),
        "bill": ("bill", "billed"),
    }.items():
        explained, off = sum(cents[kind] for kind in AGAINST[name]), totals[left] - totals[right]
        if explained != off:
            raise UnexplainedError(f"{left} less {right} is {off} cents, the listed differences come to {explained}")


PREPARE: Final = (
    """create temp table redeemed as select basket_id, any_value(store_id) as store_id, sum(discount_cents) as cents,
        if(count(*) = 1, min(issue_id), null) as issue_id, if(count(*) = 1, min(redemption_id), null) as redemption_id
        from redemptions group by basket_id""",
    """create temp table taken as select basket_id, any_value(store_id) as store_id, sum(coupon_cents) as cents,
        sum(all_cents) as all_cents from lines group by basket_id""",
    # Of what was exported twice, the first copy is right.
    """create temp table told as select *, row_number() over (partition by redemption_id, discount_cents) as copy
        from exported""",
    """create temp table differences as
        select 'redeemed_without_discount' as kind, r.basket_id, r.store_id, r.issue_id, r.redemption_id,
            r.discount_cents as ledger_cents, if(t.basket_id is null, null, 0) as till_cents,
            null::bigint as exported_cents, null::bigint as bill_cents, r.discount_cents as difference_cents,
            o.day as other_day
        from redemptions r left join taken t using (basket_id)
        left join other_days o on o.basket_id = r.basket_id and o.has_it = 'till'
        where coalesce(t.cents, 0) = 0 and r.discount_cents <> 0
        union all by name select 'discount_without_redemption' as kind, t.basket_id, t.store_id, t.cents as till_cents,
            -t.cents as difference_cents, o.day as other_day
        from taken t anti join redeemed using (basket_id)
        left join other_days o on o.basket_id = t.basket_id and o.has_it = 'ledger' where t.cents <> 0
        union all by name select 'amounts_differ' as kind, t.basket_id, r.store_id, r.issue_id, r.redemption_id,
            r.cents as ledger_cents, t.cents as till_cents, r.cents - t.cents as difference_cents
        from redeemed r join taken t using (basket_id) where t.cents <> 0 and r.cents <> t.cents
        union all by name select 'not_exported' as kind, r.basket_id, r.store_id, r.issue_id, r.redemption_id,
            r.discount_cents as ledger_cents, r.discount_cents as difference_cents
        from redemptions r anti join told t using (redemption_id, discount_cents) where r.is_open
        union all by name select 'exported_without_redemption' as kind, t.basket_id, t.store_id, t.issue_id,
            t.redemption_id, t.discount_cents as exported_cents, -t.discount_cents as difference_cents
        from told t left join redemptions r
            on r.redemption_id = t.redemption_id and r.discount_cents = t.discount_cents and r.is_open
        where r.redemption_id is null or t.copy > 1
        union all by name select 'bill_differs' as kind, b.basket_id, b.store_id, t.all_cents as till_cents,
            b.discount_cents as bill_cents, b.discount_cents - coalesce(t.all_cents, 0) as difference_cents
        from bills b left join taken t using (basket_id) where b.discount_cents <> coalesce(t.all_cents, 0)""",
)
FOUND: Final = """
    select * from differences
    order by list_position($kinds, kind), store_id, basket_id, redemption_id, difference_cents"""
COUNTED: Final = "select kind, count(*), sum(difference_cents)::bigint from differences group by kind"
TOTALS: Final = """
    select 'ledger', coalesce(sum(discount_cents), 0)::bigint from redemptions
    union all select 'open', coalesce(sum(discount_cents), 0)::bigint from redemptions where is_open
    union all select 'till', coalesce(sum(coupon_cents), 0)::bigint from lines
    union all select 'exported', coalesce(sum(discount_cents), 0)::bigint from exported
    union all select 'bill', coalesce(sum(discount_cents), 0)::bigint from bills
    union all select 'billed', coalesce(sum(all_cents), 0)::bigint from bills join taken using (basket_id)"""
