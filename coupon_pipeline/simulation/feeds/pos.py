"""The tills' drops: gzip CSV per store and day, and one file of redemptions a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.feeds.delivery import (
    BUSINESS_DAY,
    DELIVERED_ON,
    RESENT,
    Delivery,
    SpoiltFile,
)
from coupon_pipeline.simulation.feeds.folders import packed, put_folder
from coupon_pipeline.simulation.feeds.text import csv_lines, line_starts, with_offset

LINES: Final = {
    "receipt": "basket_id",
    "line": "line",
    "store": "store_id",
    "till": "till_id",
    "card": "household_id",
    "article": "product_id",
    "kind": "line_kind",
    "qty": "quantity",
    "gross": "gross_cents",
    "promo": "retail_discount_cents",
    "coupon": "coupon_discount_cents",
    "match": "match_discount_cents",
    "tax": "tax_cents",
    "ts": "sold_at",
}
"""Column of a till file -> column of the records."""
REDEMPTIONS: Final = {
    "redemption": "redemption_id",
    "issue": "issue_id",
    "coupon": "coupon_id",
    "card": "household_id",
    "receipt": "basket_id",
    "store": "store_id",
    "amount": "discount_cents",
    "ts": "redeemed_at",
}
"""Column of a redemption file -> column of the records."""
RENAMED: Final = ("qty", "units")
"""What a till's update calls a column from one day to the next."""
EXTENSION: Final = ".csv.gz"


def write_week(feeds: Path, delivery: Delivery, timezone: str) -> dict[str, int]:
    """Write the folders of the week's days; returns rows per table."""
    lines = delivery.records.tables["pos_lines"]
    redemptions = delivery.records.tables["redemptions"]
    days: dict[date, dict[str, bytes]] = {day: {} for day in delivery.days}
    stores = lines.column("store_id").to_numpy()
    # Store by store, so that memory does not grow with the chain.
    for store in np.unique(stores):
        for day, name, text in _files(lines.filter(pa.array(stores == store)), LINES, timezone, by_store=True):
            content = _spoilt(text, [one for one in delivery.spoilt if one.day == day and _hits(one, name)])
            if content is not None:
                days[day][name] = content
    gone = {one.day for one in delivery.spoilt if one.kind == "missing"}
    for day in delivery.days:
        if day not in gone:
            days[day][f"redemptions{EXTENSION}"] = packed(_header(REDEMPTIONS))
    for day, name, text in _files(redemptions, REDEMPTIONS, timezone, by_store=False):
        if day not in gone:
            days[day][name] = packed(text)
    for day, files in days.items():
        put_folder(feeds / "pos" / day.isoformat(), files)
    return {"pos_transactions": lines.num_rows, "coupon_redemptions": redemptions.num_rows}


def _files(
    table: pa.Table, columns: dict[str, str], timezone: str, by_store: bool
) -> Iterator[tuple[date, str, bytes]]:
    """Delivery day, file name and content (header included) of every file that has rows."""
    days, business = (table.column(name).cast(pa.int32()).to_numpy() for name in (DELIVERED_ON, BUSINESS_DAY))
    stores = table.column("store_id").to_numpy() if by_store else np.zeros(len(days), np.int64)
    resent = table.column(RESENT).to_numpy()
    order = np.lexsort((resent, business, stores, days))
    table = table.take(order)
    cells = {name: table.column(column) for name, column in columns.items()}
    cells["ts"] = with_offset(cells["ts"], timezone)
    text = csv_lines(pa.table(cells))
    starts = line_starts(text)
    identity = np.stack([days[order], stores[order], business[order], resent[order]], axis=1)
    cuts = np.flatnonzero(np.any(identity[1:] != identity[:-1], axis=1)) + 1
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(order)], strict=True):
        if first == last:
            continue
        day, store, business_day, again = identity[first].tolist()
        stem = f"store-{store:03d}" if by_store else "redemptions"
        late = f".late-{_day(business_day)}" if business_day != day else ""
        name = f"{stem}{late}{'.resend-1' if again else ''}{EXTENSION}"
        yield _day(day), name, _header(columns) + text[starts[first] : starts[last]]


def _day(number: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + number)


def _header(columns: dict[str, str]) -> bytes:
    return f"{','.join(columns)}\n".encode()


def file_of(store_id: int) -> str:
    """The name of a store's file of a day."""
    return f"store-{store_id:03d}{EXTENSION}"


def _hits(spoilt: SpoiltFile, name: str) -> bool:
    return spoilt.store_id is None or name == file_of(spoilt.store_id)


def _spoilt(text: bytes, how: list[SpoiltFile]) -> bytes | None:
    """The bytes of a file after what befell it; None where it never came."""
    kinds = {one.kind for one in how}
    header, _, rows = text.partition(b"\n")
    if "missing" in kinds:
        return None
    if "renamed_column" in kinds:
        old, new = RENAMED
        header = header.replace(f",{old},".encode(), f",{new},".encode())
    content = header + b"\n" + (b"" if "header_only" in kinds else rows)
    if "wrong_encoding" in kinds:
        content = content.decode().encode("utf-16")
    content = packed(content)
    return content[: len(content) // 2] if "truncated" in kinds else content
