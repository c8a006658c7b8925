"""Moves a whole ledger into an empty database, of the other kind as a rule, and proves that it has arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.counters import counters, set_counters
from coupon_pipeline.ledger.failures import MOVED
from coupon_pipeline.ledger.locations import OpeningError
from coupon_pipeline.ledger.schema import METADATA
from coupon_pipeline.ledger.statement import Database, Row, Statement, Transaction

CHUNK: Final = 2_000
TABLES: Final = tuple(METADATA.sorted_tables)
"""Referenced tables first."""
OF_ITS_OWN: Final = "next_issue_id"
"""The setting that is a counter on SQLite, where PostgreSQL has a sequence."""


APPENDED: Final = Statement(
    "select (select count(*) from issue), (select count(*) from redemption), (select count(*) from outbox), "
    "(select count(*) from consent_change), (select count(*) from request), (select count(*) from batch)"
)
"""What every write adds to; numbers that a refused one has drawn do not count."""
IS_RETIRED: Final = {
    "sqlite": Statement("select 1 from sqlite_master where type = 'trigger' and name = 'outbox_moved'"),
    "postgresql": Statement("select 1 from pg_trigger where tgname = 'outbox_moved'"),
}
RETIRE: Final = {
    "sqlite": (
        Statement(f"create trigger outbox_moved before insert on outbox begin select raise(abort, '{MOVED}'); end"),
    ),
    "postgresql": (
        Statement(
            "create or replace function outbox_moved() returns trigger language plpgsql as "
            f"$$ begin raise exception '{MOVED}' using errcode = '25006'; end $$"
        ),
        Statement("create trigger outbox_moved before insert on outbox for each row execute function outbox_moved()"),
    ),
}
"""25006 is PostgreSQL's own name for a database that only reads."""
REVIVE: Final = {
    "sqlite": Statement("drop trigger outbox_moved"),
    "postgresql": Statement("drop trigger outbox_moved on outbox"),
}


class MovingError(OpeningError):
    """A ledger that was not moved; the message says what to do, and the target is as it was."""


@dataclass(frozen=True)
class Content:
    """How many rows a table has, and a digest of them that does not depend on their order."""

    rows: int
    digest: str


def move_ledger(source: Database, target: Database, progress: Callable[[str], None] | None = None) -> dict[str, int]:
    """Copy all rows of `source` into `target`, which has none, in one transaction; returns the rows per table.

    `progress` is told the name of each table. From its begin on `source` refuses every change of a coupon, for good
    once the copy has arrived: or a forgotten service would pay from it again. Raises MovingError, and UnavailableError.
    """
    _check_books(source, "the ledger to be moved")

    def work(reading: Transaction, writing: Transaction) -> dict[str, int]:
        last = counters(reading)
        moved = _move(reading, writing, progress or _silent)
        set_counters(writing, last)
        # Another connection sees what the snapshot does not.
        if source.read(lambda tx: tx.one(APPENDED)) != reading.one(APPENDED):
            raise MovingError("the ledger was written to while it was copied: stop the service and the pipeline first")
        return moved

    with _retired(source):
        moved = source.read(
            lambda reading: target.write(lambda writing: work(reading, writing), patient=True), snapshot=True
        )
        _check_books(target, "the copy")
    return moved


@contextmanager
def _retired(source: Database) -> Generator[None]:
    """Forbid all events of a ledger, and so all changes that make one; allow them again if the block fails."""
    is_first = source.read(lambda tx: tx.one(IS_RETIRED[tx.dialect])) is None
    if is_first:
        source.write(lambda tx: [tx.run(statement) for statement in RETIRE[tx.dialect]])
    try:
        yield
    except BaseException:
        if is_first:
            source.write(lambda tx: tx.run(REVIVE[tx.dialect]))
        raise


def _move(source: Transaction, target: Transaction, progress: Callable[[str], None]) -> dict[str, int]:
    """Copy all rows, and read them again from the target."""
    _check_empty(target)
    found: dict[str, Content] = {}
    for table in TABLES:
        progress(table.name)
        found[table.name] = _content(_copied(source, target, table))
        if found[table.name] != _content(_rows(target, table)):
            raise MovingError(f"{table.name}: the copy differs from the original; the target is empty as before")
    return {name: content.rows for name, content in found.items()}


def _copied(source: Transaction, target: Transaction, table: sa.Table) -> Iterator[Row]:
    """Write the rows of a table to the target, and give them on."""
    names = [column.name for column in table.columns]
    insert = Statement(
        f"insert into {table.name} ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)})"
    )
    chunk: list[Row] = []
    for row in _rows(source, table):
        chunk.append(row)
        if len(chunk) == CHUNK:
            target.many(insert, [dict(zip(names, each, strict=True)) for each in chunk])
            chunk.clear()
        yield row
    if chunk:
        target.many(insert, [dict(zip(names, each, strict=True)) for each in chunk])


def _rows(tx: Transaction, table: sa.Table) -> Iterator[Row]:
    """The rows of a table by its primary key, a chunk at a time."""
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    places = [names.index(key) for key in keys]
    select = f"select {', '.join(names)} from {table.name}"
    ordered = f"order by {', '.join(keys)} limit {CHUNK}"
    after = f"where ({', '.join(keys)}) > ({', '.join(f':{key}' for key in keys)})"
    first, following = Statement(f"{select} {ordered}"), Statement(f"{select} {after} {ordered}")
    rows = tx.all(first)
    while rows:
        yield from (row for row in rows if not (table.name == "setting" and row[0] == OF_ITS_OWN))
        rows = tx.all(following, **{key: rows[-1][place] for key, place in zip(keys, places, strict=True)})


def _content(rows: Iterator[Row]) -> Content:
    count, total = 0, 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.sha256(repr(row).encode()).digest(), "big")
    return Content(count, f"{total % 2**256:064x}")


def _check_empty(target: Transaction) -> None:
    for table in TABLES:
        if next(_rows(target, table), None) is not None:
            raise MovingError(f"the target is not empty, its table {table.name} has rows: give an empty database")


def _check_books(database: Database, which: str) -> None:
    failed = [check.name for check in audit(database) if not check.passed]
    if failed:
        raise MovingError(f"the books of {which} do not close ({failed[0]}): `make audit` tells more")


def _silent(_: str) -> None:
    pass
