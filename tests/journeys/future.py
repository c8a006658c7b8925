"""Futures to plant in a copy of a store: whatever they hold, what was known before must not move."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts import reader
from coupon_pipeline.tables import Store

MICROSECOND = timedelta(microseconds=1)
PLANTED = 40
"""Facts planted per table: enough to hit households and products that features look at."""
COUPONS_PER_CAMPAIGN = 10**11


def copy_known(store: Store, root: Path, instant: datetime) -> Store:
    """A store with the clean weeks that opened before `instant`; later weeks do not exist in it."""
    copied = replace(store, root=root)
    for table in store.tables:
        for week in store.calendar.known_before(instant):
            target = copied.path("clean", table, week)
            target.parent.mkdir(parents=True)
            shutil.copy(store.path("clean", table, week), target)
    return copied


def scramble(store: Store, instant: datetime, seed: int = 0) -> int:
    """Shuffle every column of the sales known at or after `instant`, drop later redemptions; returns rows touched."""
    week = store.calendar.known_before(instant)[-1]
    draw = np.random.default_rng(seed)
    sales = store.read("clean", "pos_transactions", week)
    known = pc.field("known_at") < pa.scalar(instant, pa.timestamp("us"))
    past, future = sales.filter(known), sales.filter(~known)
    shuffled = {
        name: future[name].take(pa.array(draw.permutation(future.num_rows)))
        for name in ("product_id", "household_id", "gross_cents", "quantity", "coupon_discount_cents")
    }
    for name, column in shuffled.items():
        future = future.set_column(future.column_names.index(name), future.schema.field(name), column)
    store.write("clean", "pos_transactions", week, pa.concat_tables([past, future]), "scrambled")
    redeemed = store.read("clean", "coupon_redemptions", week)
    store.write("clean", "coupon_redemptions", week, redeemed.filter(known), "scrambled")
    return future.num_rows + redeemed.filter(~known).num_rows


def plant(store: Store, table: str, known_at: datetime, campaign_id: int) -> None:
    """Add rows known at one instant to a table's week: changed copies of real ones that concern a campaign."""
    contract = reader.load(table)
    weeks = store.calendar.known_before(known_at + MICROSECOND)
    rows = pa.concat_tables([store.read("clean", table, week) for week in weeks])
    is_event = contract.kind == "fact" or table in EVENTS
    chosen = rows if is_event else _of_campaign(rows, campaign_id)
    if is_event or not chosen.num_rows:
        # Of a campaign that has not begun nothing is redeemed yet.
        chosen = rows.slice(rows.num_rows - PLANTED)
    # A change that ends its key would hide the campaign that is asked for.
    fixed = FACT_REFERENCES if is_event else (*contract.key, "is_deleted")
    for name in chosen.column_names:
        if name not in fixed or name == contract.key[-1] != contract.key[0]:
            changed = _changed(chosen[name], known_at) if name not in fixed else _others(chosen[name])
            chosen = chosen.set_column(chosen.column_names.index(name), chosen.schema.field(name), changed)
    week = weeks[-1]
    known = store.read("clean", table, week)
    store.write("clean", table, week, pa.concat_tables([known, chosen.cast(known.schema)]), "planted")


EVENTS = frozenset({"coupon_redemptions"})
"""Change logs whose keys are events of their own: what is planted is another event, not a change of one."""
FACT_REFERENCES = ("household_id", "product_id", "store_id", "coupon_id", "line_kind", "line", "is_deleted")
"""What a planted fact keeps, so that it concerns households, products and coupons that exist."""


def _of_campaign(rows: pa.Table, campaign_id: int) -> pa.Table:
    if "campaign_id" in rows.column_names:
        return rows.filter(pc.field("campaign_id") == campaign_id)
    if "coupon_id" in rows.column_names:
        campaigns = rows["coupon_id"].to_numpy() // COUPONS_PER_CAMPAIGN
        return rows.filter(pa.array(campaigns == campaign_id))
    return rows


def _others(column: pa.ChunkedArray) -> pa.Array:
    """Other members of each row's list: values moved on by one row, or strangers where the rows are one list."""
    ids = column.to_numpy()
    return pa.array(ids + 1 if len(np.unique(ids)) == len(ids) else np.roll(ids, 1))


def _changed(column: pa.ChunkedArray, known_at: datetime) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_timestamp(column.type):
        return pa.array([known_at] * len(column), column.type)
    if pa.types.is_string(column.type):
        return pa.array(["private"] * len(column))
    if pa.types.is_boolean(column.type):
        return pa.array(~column.to_numpy().astype(bool))
    if pa.types.is_date(column.type):
        days = column.cast(pa.int32()).fill_null(0).to_numpy()
        return pa.array((days + 3).astype("int32")).cast(column.type)
    return pa.array(column.fill_null(0).to_numpy() + 100_000)
