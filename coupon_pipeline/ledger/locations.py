"""Where a ledger is: the URL of its database, read and checked."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

POSTGRESQL = "postgresql+psycopg"


class OpeningError(RuntimeError):
    """A ledger that cannot be opened as it is; the message says what to do."""


def located(url: str) -> sa.URL:
    """The parts of a URL, `sqlite:///path` or `postgresql://…`; raises OpeningError, which never shows a password."""
    try:
        parts = sa.make_url(url)
        kind = parts.get_backend_name()
    except ArgumentError:
        raise OpeningError(f"the ledger's URL cannot be read: {_EXPECTED}") from None
    if kind == "postgresql":
        return parts.set(drivername=POSTGRESQL)
    if kind != "sqlite":
        raise OpeningError(f"the ledger's URL names {kind!r}, which it does not know: {_EXPECTED}")
    if not parts.database or parts.database == ":memory:" or parts.query:
        raise OpeningError(f"the ledger's URL names no file: {_EXPECTED}")
    return parts


def shown(url: sa.URL) -> str:
    """A URL for people: without password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


_EXPECTED = "give sqlite:///path or postgresql://user@host/database (COUPON_LEDGER_URL)"
