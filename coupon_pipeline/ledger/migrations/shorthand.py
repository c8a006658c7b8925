"""Columns, constraints and indexes in few words, for migrations; what a migration has used stays as it is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from coupon_pipeline.ledger.statement import Dialect

BIG, INT, TEXT, BYTES = sa.BigInteger(), sa.Integer(), sa.Text(), sa.LargeBinary()
AUTO = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A key that the database numbers: SQLite numbers INTEGER alone."""


def key(name: str, kind: Any = BIG) -> sa.Column[Any]:
    """A column of a primary key that nothing numbers."""
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def filled(name: str, kind: Any = BIG, **options: Any) -> sa.Column[Any]:
    """A column that is never empty."""
    return sa.Column(name, kind, nullable=False, **options)


def empty(name: str, kind: Any = BIG) -> sa.Column[Any]:
    """A column that may be empty."""
    return sa.Column(name, kind, nullable=True)


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    """The primary key of a table."""
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A reference to another table."""
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    """A condition for every row."""
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def index(name: str, table: str, *columns: str, where: str | None = None, unique: bool = False) -> None:
    """Make an index, with `where` on part of the rows."""
    partial = sa.text(where) if where else None
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=partial, postgresql_where=partial)


def dialect() -> Dialect:
    """Which database this runs on."""
    return "sqlite" if op.get_bind().dialect.name == "sqlite" else "postgresql"
