"""Numbers for text ids: the same text has the same number in all tables and weeks, for ever.

Of a text that is erased a digest stays: who brings the text again gets the same number, and nobody can read it here.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from coupon_pipeline.sources.source import SourceError

PATIENCE_SECONDS = 60.0
"""How long to wait for another process that is adding numbers."""
TOGETHER = 500
ERASED = "erased:"
"""Before the digest that stands for an erased text."""


class Identifiers:
    """An append-only SQLite file with one table per entity; numbers start at 1, in order of first sight."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, dict[str, int]] = {}

    def numbers(self, entity: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """The number of each text, as int64; a text that was never seen gets the next one, and null stays null."""
        values: list[str | None] = texts.to_pylist()
        known = self._known.setdefault(entity, {})
        unknown = [text for text in dict.fromkeys(values) if text is not None and text not in known]
        if unknown:
            known.update(self._added(entity, unknown))
        return pa.chunked_array([pa.array([None if text is None else known[text] for text in values], pa.int64())])

    def texts(self, entity: str, numbers: Iterable[int]) -> list[str | None]:
        """The text that each number stands for; None for a number that stands for none."""
        wanted = list(numbers)
        if not self.path.exists():
            return [None] * len(wanted)
        found: dict[int, str] = {}
        with self._open(entity) as database:
            for part in _parts(sorted(set(wanted))):
                marks = ", ".join("?" * len(part))
                found.update(database.execute(f'select id, text from "{entity}" where id in ({marks})', part))
        return [found.get(number) for number in wanted]

    def found(self, entity: str, texts: Iterable[str | None]) -> list[int | None]:
        """The number of each text; None for one that was never seen."""
        wanted = list(texts)
        if not self.path.exists():
            return [None] * len(wanted)
        with self._open(entity) as database:
            known = _numbers(database, entity, sorted({text for text in wanted if text is not None}))
        return [None if text is None else known.get(text) for text in wanted]

    def erase(self, entity: str, numbers: Iterable[int]) -> None:
        """Put digests in the place of the texts that these numbers stand for, so that the file shows them no more."""
        if not self.path.exists():
            return
        with self._open(entity) as database:
            database.execute("pragma secure_delete = on")
            database.execute("begin immediate")
            for part in _parts(sorted(set(numbers))):
                marks = ", ".join("?" * len(part))
                rows = database.execute(f'select id, text from "{entity}" where id in ({marks})', part).fetchall()
                plain = [(erased(text), number) for number, text in rows if not text.startswith(ERASED)]
                database.executemany(f'update "{entity}" set text = ? where id = ?', plain)
            database.execute("commit")
        self._known.pop(entity, None)

    def _added(self, entity: str, texts: Sequence[str]) -> dict[str, int]:
        with self._open(entity) as database:
            # Nobody else adds between looking and adding, so that no number is left out.
            database.execute("begin immediate")
            known = _numbers(database, entity, texts)
            [(last,)] = database.execute(f'select coalesce(max(id), 0) from "{entity}"')
            unknown = [text for text in texts if text not in known]
            added = {text: last + place for place, text in enumerate(unknown, start=1)}
            database.executemany(f'insert into "{entity}" (text, id) values (?, ?)', added.items())
            database.execute("commit")
        return known | added

    @contextmanager
    def _open(self, entity: str) -> Generator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, PATIENCE_SECONDS, isolation_level=None)) as database:
                database.execute(
                    f'create table if not exists "{entity}" (id integer primary key, text text not null unique)'
                )
                yield database
        except sqlite3.Error as error:
            raise SourceError(
                f"{self.path} cannot be used ({error}): restore it, since its numbers are in use"
            ) from error


def erased(text: str) -> str:
    """What stands for a text once it is erased."""
    return ERASED + hashlib.sha256(text.encode()).hexdigest()


def _numbers(database: sqlite3.Connection, entity: str, texts: Sequence[str]) -> dict[str, int]:
    found = _written(database, entity, texts)
    digests = {erased(text): text for text in texts if text not in found}
    known = _written(database, entity, list(digests))
    return found | {digests[digest]: number for digest, number in known.items()}


def _written(database: sqlite3.Connection, entity: str, texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _parts(texts):
        marks = ", ".join("?" * len(part))
        found.update(database.execute(f'select text, id from "{entity}" where text in ({marks})', part))
    return found


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), TOGETHER):
        yield items[start : start + TOGETHER]
