"""The table of issued coupons, which the pipeline writes and the tills read; the warm-up's issues are put there too."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import sqlalchemy as sa

from coupon_pipeline.simulation.feeds.database import Rows, write
from coupon_pipeline.simulation.feeds.delivery import Delivery
from coupon_pipeline.simulation.records import SCHEMAS

DATABASE: Final = "coupons.db"
RECORDED_AT: Final = "recorded_at"
METADATA: Final = sa.MetaData()
COUPON_ISSUE: Final = sa.Table(
    "coupon_issue",
    METADATA,
    sa.Column("issue_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("coupon_id", sa.BigInteger, nullable=False),
    sa.Column("household_id", sa.BigInteger, nullable=False),
    sa.Column("decision_id", sa.Text),
    sa.Column("propensity", sa.Double),
    sa.Column("policy", sa.Text),
    sa.Column("arm", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("issued_at", sa.DateTime, nullable=False),
    sa.Column(RECORDED_AT, sa.DateTime, nullable=False),
)
sa.Index("coupon_issue_recorded", COUPON_ISSUE.c.recorded_at)
sa.Index("coupon_issue_issued", COUPON_ISSUE.c.issued_at)


def write_week(database: Path | str, delivery: Delivery) -> dict[str, int]:
    """Add the issues that the world itself made; those already there, and the pipeline's own, stay as they are."""
    issues = delivery.records.tables["coupon_issues"]
    add(database, issues)
    return {"coupon_issues": issues.num_rows}


def add(database: Path | str, issues: pa.Table) -> None:
    """Add issues (in the schema of the records) whose ids are new; each is on record from the instant of its issue."""
    cells = issues.append_column(RECORDED_AT, issues.column("issued_at"))
    write(database, METADATA, [Rows(COUPON_ISSUE, cells, RECORDED_AT, keep=True)], datetime.min, datetime.max)


def read(database: Path | str, opens: datetime, closes: datetime) -> pa.Table:
    """The issues with `issued_at` in [opens, closes), in the schema of the records, sorted by id."""
    names = SCHEMAS["coupon_issues"].names
    query = (
        f"select {', '.join(names)} from coupon_issue where issued_at >= {{0}} and issued_at < {{0}} order by issue_id"
    )
    if isinstance(database, Path):
        bounds = (opens.isoformat(" ", "microseconds"), closes.isoformat(" ", "microseconds"))
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(query.format("?"), bounds).fetchall()
        found = [(*row[:-1], datetime.fromisoformat(row[-1])) for row in found]
    else:
        import psycopg

        place = sa.make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(place) as connection:
            found = connection.execute(query.format("%s").encode(), (opens, closes)).fetchall()
    columns = list(zip(*found, strict=True)) or [()] * len(names)
    return pa.table(dict(zip(names, columns, strict=True)), schema=SCHEMAS["coupon_issues"])
