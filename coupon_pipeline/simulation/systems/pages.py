"""The CRM's lists, page by page: which rows a query asks for, and the items that they become."""

from __future__ import annotations

import base64
import binascii
import hmac
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
import pyarrow as pa

from coupon_pipeline.simulation.feeds.crm import UPDATED_AT, columns_of
from coupon_pipeline.simulation.records import SCHEMAS
from coupon_pipeline.simulation.systems.answers import RefusedError

RESOURCES: Final = MappingProxyType(
    {
        "customers": "customers",
        "campaigns": "campaigns",
        "targets": "campaign_targets",
        "coupons": "coupons",
        "coupon-products": "coupon_products",
        "engagements": "engagements",
    }
)
"""Last part of the path -> table."""
DEMOGRAPHICS: Final = columns_of("customers")[4:]
MOST, USUAL = 1000, 500
PARAMETERS: Final = ("changed_since", "changed_before", "limit", "cursor")
FIRST, LAST = "0000", "9999"
SIGNATURE_BYTES: Final = 8


@dataclass(frozen=True)
class Query:
    """The rows updated in [since, before), as the database spells instants, after the row that `after` names."""

    resource: str
    since: str
    before: str
    limit: int
    after: tuple[str, int] | None = None


def parse(resource: str, given: Mapping[str, str], secret: bytes) -> Query:
    """The query that parameters ask for; raises RefusedError naming the one that is wrong."""
    unknown = sorted(set(given) - set(PARAMETERS))
    if unknown:
        raise RefusedError(422, "bad_parameter", f"{unknown[0]} is no parameter: use {', '.join(PARAMETERS)}")
    limit = given.get("limit", str(USUAL))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MOST:
        raise RefusedError(422, "bad_parameter", f"limit must be a whole number from 1 to {MOST}")
    since = _instant(given, "changed_since", FIRST)
    before = _instant(given, "changed_before", LAST)
    if "cursor" not in given:
        return Query(resource, since, before, int(limit))
    of, *bounds, updated_at, row = _opened(given["cursor"], secret)
    for name, asked, found in zip(PARAMETERS[:2], (since, before), bounds, strict=True):
        if name in given and asked != found:
            raise RefusedError(400, "bad_cursor", f"the cursor was given for another {name}: start again without it")
    if of != resource:
        raise RefusedError(400, "bad_cursor", f"the cursor belongs to {of}, not to {resource}")
    return Query(resource, bounds[0], bounds[1], int(limit), (updated_at, row))


def _instant(given: Mapping[str, str], name: str, default: str) -> str:
    if name not in given:
        return default
    try:
        instant = datetime.fromisoformat(given[name])
    except ValueError as error:
        message = f"{name} must be an instant, such as 2025-03-03T05:00:00Z"
        raise RefusedError(422, "bad_parameter", message) from error
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return instant.replace(tzinfo=None).isoformat(" ", "microseconds")


def _sealed(content: list[Any], secret: bytes) -> str:
    body = orjson.dumps(content)
    return base64.urlsafe_b64encode(_signature(body, secret) + body).decode().rstrip("=")


def _opened(cursor: str, secret: bytes) -> list[Any]:
    try:
        sealed = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    signature, body = sealed[:SIGNATURE_BYTES], sealed[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, secret)):
        raise RefusedError(
            400, "bad_cursor", "the cursor is not one of this API: give `next` as it came, or leave it out"
        )
    return orjson.loads(body)


def _signature(body: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, body, "sha256")[:SIGNATURE_BYTES]


def page(database: sqlite3.Connection, query: Query, secret: bytes) -> dict[str, Any]:
    """One page: items oldest first, and the cursor of the next page, null on the last one."""
    table = RESOURCES[query.resource]
    columns = columns_of(table)
    select = f"select {', '.join(columns)}, {UPDATED_AT}, rowid from {table} where"
    wanted = query.limit + 1
    rows: list[tuple[Any, ...]] = []
    low, compare = query.since, ">="
    if query.after is not None:
        # Rows of one instant by their number, so that a page costs the same wherever it starts.
        low, compare = query.after[0], ">"
        same = f"{select} {UPDATED_AT} = ? and rowid > ? order by rowid limit ?"
        rows = database.execute(same, (*query.after, wanted)).fetchall()
    later = f"{select} {UPDATED_AT} {compare} ? and {UPDATED_AT} < ? order by {UPDATED_AT}, rowid limit ?"
    rows += database.execute(later, (low, query.before, wanted - len(rows))).fetchall()
    shown = rows[: query.limit]
    following = [query.resource, query.since, query.before, *shown[-1][-2:]] if len(rows) > query.limit else None
    item = SHAPES[table]
    return {"items": [item(row) for row in shown], "next": _sealed(following, secret) if following else None}


def _zulu(text: str | None) -> str | None:
    """An instant of the database as ISO 8601 in UTC."""
    return None if text is None else f"{text[:10]}T{text[11:].removesuffix('.000000')}Z"


def _shape(table: str) -> Callable[[tuple[Any, ...]], dict[str, Any]]:
    """How a row (columns, updated_at, rowid) becomes an item."""
    names = (*columns_of(table), UPDATED_AT)
    kinds = [SCHEMAS[table].field(name).type for name in names[:-1]] + [pa.timestamp("us")]
    instants = [name for name, kind in zip(names, kinds, strict=True) if pa.types.is_timestamp(kind)]
    flags = [name for name, kind in zip(names, kinds, strict=True) if pa.types.is_boolean(kind)]

    def shape(row: tuple[Any, ...]) -> dict[str, Any]:
        item = dict(zip(names, row, strict=False))
        for name in instants:
            item[name] = _zulu(item[name])
        for name in flags:
            item[name] = None if item[name] is None else bool(item[name])
        return item

    return shape


def _customer(row: tuple[Any, ...]) -> dict[str, Any]:
    item = _shape_of_customer(row)
    demographics = {name: item.pop(name) for name in DEMOGRAPHICS}
    return {"id": item.pop("household_id"), **item, "demographics": demographics}


_shape_of_customer = _shape("customers")
SHAPES: Final = MappingProxyType({**{table: _shape(table) for table in RESOURCES.values()}, "customers": _customer})
"""Table -> how a row becomes an item."""


class Database:
    """The CRM's file, opened for reading, and again where another file has taken its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode: int | None = None
        self._connection: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        """The open database; raises RefusedError while there is none."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError as error:
            raise RefusedError(503, "unavailable", "the CRM has no data yet") from error
        if self._connection is None or inode != self._inode:
            self.close()
            self._connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
            self._inode = inode
        return self._connection

    def close(self) -> None:
        """Close what is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
