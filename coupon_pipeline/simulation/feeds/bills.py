"""The billing system's drop: one file of JSON lines a day, amounts in dollars."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.simulation.feeds.delivery import Delivery
from coupon_pipeline.simulation.feeds.folders import packed, put, remove_temporaries
from coupon_pipeline.simulation.feeds.text import (
    dollars,
    joined,
    local_days,
    text_lines,
    with_offset,
)

AMOUNTS: Final = {
    "gross": "gross_cents",
    "discount": "discount_cents",
    "tax": "tax_cents",
    "total": "total_cents",
}
"""Field of a bill -> column of the records."""


def write_week(feeds: Path, delivery: Delivery, timezone: str) -> dict[str, int]:
    """Write the files of the week's days; returns rows per table."""
    bills = delivery.records.tables["bills"]
    days = local_days(bills.column("issued_at"), timezone)
    remove_temporaries(feeds / "bills")
    for day in delivery.days:
        rows = np.flatnonzero(days == np.datetime64(day))
        put(feeds / "bills" / f"{day}.jsonl.gz", packed(text_lines(_json(bills.take(rows), timezone))))
    return {"bills": bills.num_rows}


def _json(bills: pa.Table, timezone: str) -> Any:
    """One JSON object per row, as text."""
    parts: list[Any] = []
    for field, column in {"bill": "bill_id", "store": "store_id", "card": "household_id", "lines": "lines"}.items():
        number = pc.call_function("coalesce", [bills.column(column).cast(pa.string()), pa.scalar("null")])
        parts += [f'"{field}": ', number, ", "]
    for field, column in AMOUNTS.items():
        parts += [f'"{field}": "', dollars(bills.column(column)), '", ']
    tender = pc.call_function("coalesce", [bills.column("tender"), pa.scalar("")])
    parts += ['"tender": "', tender, '", "issued": "', with_offset(bills.column("issued_at"), timezone), '"']
    return joined("{", *parts, "}")
