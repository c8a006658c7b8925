"""The CRM's own database, which only its HTTP API reads, and the token that opens the API."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import sqlalchemy as sa

from coupon_pipeline.simulation.feeds.database import Rows, write
from coupon_pipeline.simulation.feeds.delivery import Delivery
from coupon_pipeline.simulation.feeds.folders import put
from coupon_pipeline.simulation.records import SCHEMAS

DATABASE: Final = "crm.db"
TOKEN: Final = "crm.token"
UPDATED_AT: Final = "updated_at"
INSTANTS: Final = MappingProxyType(
    {
        "customers": "changed_at",
        "campaigns": "changed_at",
        "campaign_targets": "changed_at",
        "coupons": "changed_at",
        "coupon_products": "changed_at",
        "engagements": "happened_at",
    }
)
"""Table -> the column of the records that becomes `updated_at`."""
METADATA: Final = sa.MetaData()


def _kind(found: pa.DataType) -> type[sa.types.TypeEngine]:
    if pa.types.is_integer(found):
        return sa.BigInteger
    if pa.types.is_boolean(found):
        return sa.Boolean
    # Days and instants too: a CRM keeps what a form gave it, and so keeps bad dates.
    return sa.Text


def columns_of(table: str) -> tuple[str, ...]:
    """The columns of a table that items of the API are made of."""
    return tuple(name for name in SCHEMAS[table].names if name != "changed_at")


def _table(name: str) -> sa.Table:
    columns = [sa.Column(column, _kind(SCHEMAS[name].field(column).type)) for column in columns_of(name)]
    updated = sa.Column(UPDATED_AT, sa.Text, nullable=False)
    return sa.Table(name, METADATA, *columns, updated, sa.Index(f"{name}_updated", updated))


TABLES: Final = MappingProxyType({name: _table(name) for name in INSTANTS})


def write_week(feeds: Path, delivery: Delivery) -> dict[str, int]:
    """Write the week's changes into the CRM's database; returns rows per table."""
    records = delivery.records
    rows = [_rows(name, records.tables[name]) for name in INSTANTS]
    write(feeds / DATABASE, METADATA, rows, records.opens_at, records.closes_at)
    return {name: one.cells.num_rows for name, one in zip(INSTANTS, rows, strict=True)}


def _rows(name: str, records: pa.Table) -> Rows:
    cells = {column: records.column(column) for column in columns_of(name)}
    return Rows(TABLES[name], pa.table({**cells, UPDATED_AT: records.column(INSTANTS[name])}), UPDATED_AT)


def write_token(feeds: Path, seed: int) -> str:
    """Make the token of a world's CRM, readable by its owner alone; returns it."""
    token = hashlib.blake2b(f"{seed}/crm token".encode(), digest_size=20).hexdigest()
    path = feeds / TOKEN
    if not path.is_file() or path.read_text(encoding="ascii") != token:
        before = os.umask(0o177)
        try:
            put(path, token.encode())
        finally:
            os.umask(before)
    return token
