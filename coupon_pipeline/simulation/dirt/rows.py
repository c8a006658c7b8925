"""Faults of single rows of the ERP, the CRM and the billing system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.dirt.choice import chosen, drawn, numbers
from coupon_pipeline.simulation.dirt.faults import HARMLESS, listed
from coupon_pipeline.simulation.dirt.tills import UNKNOWN
from coupon_pipeline.simulation.feeds.crm import INSTANTS
from coupon_pipeline.simulation.records import KEYS, WeekRecords

SECOND: Final = np.timedelta64(1, "s")
Change = Callable[[pa.Table], Any]


@dataclass(frozen=True)
class RowFault:
    """What befalls a share of a table's rows, at most `most` of them, so that a small week is not blocked.

    `changed`: the row itself is wrong; `copied`: it comes twice; `added`: a wrong version of it comes a second later,
    where losing the row would make orphans of good rows elsewhere.
    """

    name: str
    table: str
    kind: Literal["changed", "copied", "added"]
    rate: float
    rule: str
    note: str
    change: Mapping[str, Change] = field(default_factory=lambda: MappingProxyType({}))
    where: Callable[[pa.Table], np.ndarray] | None = None
    """The rows (bool) that it can befall; all where it is None."""
    most: float = 0.003
    hostile: bool = False


def _empty(column: str) -> Mapping[str, Change]:
    return {column: lambda rows: pa.nulls(rows.num_rows, rows.schema.field(column).type)}


def _each(column: str, change: Callable[[np.ndarray], np.ndarray]) -> Mapping[str, Change]:
    return {column: lambda rows: pa.array(change(numbers(rows.column(column))), rows.schema.field(column).type)}


def _same(column: str, text: str) -> Mapping[str, Change]:
    return {column: lambda rows: pa.array([text] * rows.num_rows, pa.string())}


def _received_too_much(rows: pa.Table) -> Any:
    return pa.array(rows.column("quantity_ordered").to_numpy() * 10 + 1)


def _counted_earlier(rows: pa.Table) -> Any:
    instants = rows.column("counted_at").to_numpy()
    return pa.array(instants - np.timedelta64(3, "D"), pa.timestamp("us"))


FAULTS: Final = (
    RowFault(
        "negative_stock",
        "inventory_levels",
        "changed",
        0.005,
        "on_hand.range",
        "a count below zero",
        _each("on_hand", lambda units: -1 - units),
        most=0.006,
    ),
    RowFault(
        "stale_stock",
        "inventory_levels",
        "changed",
        0.01,
        HARMLESS,
        "a count of three days before",
        {"counted_at": _counted_earlier},
        most=0.02,
    ),
    RowFault(
        "null_key",
        "inventory_levels",
        "changed",
        0.0005,
        "product_id.required",
        "a count of no product",
        _empty("product_id"),
        hostile=True,
    ),
    RowFault(
        "received_too_much",
        "purchase_orders",
        "changed",
        0.001,
        "received_within_ordered",
        "ten times what was ordered",
        {"quantity_received": _received_too_much},
        where=lambda rows: rows.column("received_at").is_valid().to_numpy(),
    ),
    RowFault(
        "null_key",
        "purchase_orders",
        "changed",
        0.0005,
        "line.required",
        "an order line without a number",
        _empty("line"),
        hostile=True,
    ),
    RowFault(
        "negative_price",
        "prices",
        "added",
        0.0005,
        "shelf_price_cents.range",
        "a mistyped price, a second after the right one",
        _each("shelf_price_cents", lambda cents: -cents),
    ),
    RowFault("duplicate_plan", "promotion_plan", "copied", 0.0006, "row.duplicate", "the plan's row comes twice"),
    RowFault(
        "unknown_brand_type",
        "products",
        "added",
        0.0005,
        "brand_type.enum",
        "a half-edited article, a second after the right one",
        _same("brand_type", "generic"),
    ),
    RowFault(
        "bad_date",
        "customers",
        "added",
        0.002,
        "joined_at.type",
        "a day that no month has, a second after the right one",
        _same("joined_at", "2024-02-30"),
    ),
    RowFault("duplicate_target", "campaign_targets", "copied", 0.002, "row.duplicate", "the target comes twice"),
    RowFault(
        "unknown_product",
        "coupon_products",
        "added",
        0.00014,
        "product_id.exists_in",
        "a product that the catalogue lacks",
        _each("product_id", lambda ids: ids + UNKNOWN),
        most=0.01,
    ),
    RowFault(
        "duplicate_coupon_product",
        "coupon_products",
        "copied",
        0.042,
        "row.duplicate",
        "the pair comes twice",
    ),
    RowFault(
        "bounced_engagement",
        "engagements",
        "added",
        0.002,
        "event.enum",
        "an event that nobody agreed on",
        _same("event", "bounced"),
        # Two wrong events of one issue would have one key.
        where=lambda rows: np.array(rows.column("event").to_pylist()) == "sent",
    ),
    RowFault("duplicate_engagement", "engagements", "copied", 0.002, "row.duplicate", "the event comes twice"),
    RowFault("duplicate_bill", "bills", "copied", 0.0005, "row.duplicate", "the bill comes twice"),
)
CONTRACT_TABLES: Final = MappingProxyType({"promotion_plan": "promotions"})
"""Table of the records -> table of the contracts, where they differ."""


def spoiled(name: str, records: WeekRecords, seed: int, hostile: bool) -> tuple[pa.Table, list[pa.Table]]:
    """The rows of a table as delivered, and the list of what befell them; a row has at most one fault."""
    table = records.tables[name]
    keys = [numbers(table.column(column)) for column in KEYS[name]]
    free = np.ones(table.num_rows, bool)
    more, entries = [], []
    for fault in FAULTS:
        if fault.table != name or (fault.hostile and not hostile) or not table.num_rows:
            continue
        # Surplus copies are outside the share that blocks a table.
        most = 1.0 if fault.kind == "copied" else fault.most
        hit = free & chosen(drawn(seed, f"{name}/{fault.name}", *keys), fault.rate, most)
        if fault.where is not None:
            hit &= fault.where(table)
        wrong = _changed(table, hit, fault)
        if fault.kind == "changed":
            # Rows that a fault makes equal would be surplus copies, which another rule catches: the first one stays.
            hit[np.flatnonzero(hit)[~_first_of_equals(wrong)]] = False
            wrong = _changed(table, hit, fault)
        free &= ~hit
        if fault.kind == "changed" and hit.any():
            table = _overwritten(table, np.flatnonzero(hit), wrong)
        elif fault.kind != "changed":
            more.append(_a_second_later(name, wrong, records) if fault.kind == "added" else wrong)
        shown = [column for column in KEYS[name] if column != "changed_at"]
        entries.append(
            listed(
                fault.name, CONTRACT_TABLES.get(name, name), fault.rule, wrong.select(shown), records.week, fault.note
            )
        )
    return _joined(table, more), entries


def _changed(table: pa.Table, hit: np.ndarray, fault: RowFault) -> pa.Table:
    """The rows that a fault befalls, after it."""
    rows = wrong = table.filter(pa.array(hit))
    for column, change in fault.change.items():
        wrong = _with(wrong, column, change(rows))
    return wrong


def _first_of_equals(rows: pa.Table) -> np.ndarray:
    """The rows (bool) that equal none before them."""
    return ~rows.to_pandas().duplicated().to_numpy()


def _with(table: pa.Table, column: str, cells: Any) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, cells)


def _overwritten(table: pa.Table, at: np.ndarray, rows: pa.Table) -> pa.Table:
    order = np.arange(table.num_rows)
    order[at] = table.num_rows + np.arange(len(at))
    return pa.concat_tables([table, rows]).take(order)


def _a_second_later(name: str, rows: pa.Table, records: WeekRecords) -> pa.Table:
    instant = INSTANTS.get(name, "changed_at")
    known = rows.column(instant).to_numpy()
    last = np.datetime64(records.closes_at - timedelta(seconds=1), "us")
    return _with(rows, instant, pa.array(np.where(known < last, known + SECOND, known - SECOND), pa.timestamp("us")))


def _joined(table: pa.Table, more: list[pa.Table]) -> pa.Table:
    """All rows, where a column that holds anything that is not of its type becomes text."""
    for part in more:
        for name in part.column_names:
            if part.schema.field(name).type != table.schema.field(name).type:
                table = _with(table, name, table.column(name).cast(pa.string()))
    aligned = [part.cast(table.schema) for part in more]
    return pa.concat_tables([table, *aligned])
