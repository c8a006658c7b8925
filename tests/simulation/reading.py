"""What is in the feeds of a chain, read back without the pipeline."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any


def rows_of(database: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query on a SQLite file."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def tables_of(database: Path) -> list[str]:
    """The tables of a SQLite file."""
    return [name for (name,) in rows_of(database, "select name from sqlite_master where type = 'table' order by 1")]


def content(feeds: Path) -> dict[str, str]:
    """Digest of every file and every table, by name; rows of tables in an order of their own."""
    found = {}
    for path in sorted(feeds.rglob("*")):
        name = str(path.relative_to(feeds))
        if path.suffix == ".db":
            for table in tables_of(path):
                cells = sorted(map(repr, rows_of(path, f"select * from {table}")))
                found[f"{name}/{table}"] = hashlib.sha256("\n".join(cells).encode()).hexdigest()
        elif path.is_file() and not name.endswith(("-wal", "-shm")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def till_lines(feeds: Path) -> Iterator[dict[str, str]]:
    """Every till line of every file, with the file's `path`."""
    for path in sorted((feeds / "pos").rglob("store-*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                yield {**line, "path": str(path.relative_to(feeds))}


def bills(feeds: Path) -> list[dict[str, Any]]:
    """Every bill of every file."""
    found = []
    for path in sorted((feeds / "bills").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            found += [json.loads(line) for line in stream]
    return found
