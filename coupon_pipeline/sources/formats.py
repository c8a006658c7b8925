"""Reads one delivered file, CSV or JSON lines, plain or gzip, as text; a file that is not whole is refused."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.rows import from_records, parse_json
from coupon_pipeline.sources.source import SourceError

GZIP = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"


def read_file(path: Path, table: TableConfig) -> tuple[pa.Table, np.ndarray]:
    """The wanted columns of a file as text; raises SourceError saying what is wrong with it.

    With each row the number of its record, int64: the line in JSON lines, the place behind the header in CSV.
    """
    content = _text(path, table)
    if table.last_line == "ended" and content and not content.endswith((b"\n", b"\r")):
        raise SourceError("the last line has no end, so the file is cut short (if it never has: last_line: open)")
    if table.format == "jsonl":
        return _json_lines(content, table)
    rows = _csv(content, table)
    return rows, np.arange(1, rows.num_rows + 1)


def _text(path: Path, table: TableConfig) -> bytes:
    """The file's text as UTF-8, whatever it is delivered in."""
    try:
        content = path.read_bytes()
        if not content:
            raise SourceError("the file is empty, without even a header: it must be sent again")
        if content.startswith(GZIP):
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"the gzip file is damaged or cut short: {error}") from error
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}") from error
    try:
        text = content.decode(table.encoding)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"the file is not {table.encoding}: byte {error.start} is 0x{content[error.start]:02x}; correct the "
            "delivery, or `encoding` of the table"
        ) from error
    return content.removeprefix(UTF8_MARK) if table.encoding == "utf-8" else text.encode()


def _csv(content: bytes, table: TableConfig) -> pa.Table:
    found = next(csv.reader([content.partition(b"\n")[0].decode().rstrip("\r")], delimiter=table.delimiter), [])
    missing = [name for name in table.wanted if name not in found and name not in table.optional]
    if missing and not set(found) & set(table.wanted):
        # What stands there instead may be somebody's data.
        raise SourceError(f"the first line is no header: expected columns such as {', '.join(missing)}")
    if missing:
        raise SourceError(f"the column {', '.join(missing)} is missing: found {', '.join(found)}")
    repeated = sorted({name for name in table.wanted if found.count(name) > 1})
    if repeated:
        raise SourceError(f"the column {', '.join(repeated)} is given twice: found {', '.join(found)}")
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(content),
            # One block holds the whole file, so that a line break within quotes is no end of one.
            arrow_csv.ReadOptions(use_threads=False, block_size=len(content) + 1),
            arrow_csv.ParseOptions(delimiter=table.delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                include_columns=list(table.wanted),
                include_missing_columns=True,
                column_types=dict.fromkeys(table.wanted, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        # Behind the count of columns Arrow quotes the line, which no log may show.
        counted = re.search(r"Row #\d+: Expected \d+ columns, got \d+", str(error))
        cause = counted.group() if counted else "it cannot be parsed"
        raise SourceError(f"the file is not CSV with {len(found)} columns: {cause}") from None


def _json_lines(content: bytes, table: TableConfig) -> tuple[pa.Table, np.ndarray]:
    records, numbers = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            raise SourceError(f"line {number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise SourceError(f"line {number} is not a JSON object")
        records.append(record)
        numbers.append(number)
    return from_records(records, table), np.array(numbers, np.int64)
