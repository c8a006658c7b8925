"""Arrow columns as the text that systems write: instants, amounts, comma-separated lines."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

QUARTER: Final = np.timedelta64(15, "m")
"""Zones change their offset on a quarter of an hour of UTC, whatever their offset."""
STAMP: Final = len("2025-01-06T05:00:00")


def local_seconds(instants: pa.ChunkedArray, timezone: str) -> tuple[np.ndarray, np.ndarray]:
    """Store-local wall times (datetime64[s]) of naive UTC instants without nulls, and their offsets in minutes."""
    utc = instants.to_numpy().astype("datetime64[s]")
    quarters, where = np.unique(utc.astype("datetime64[m]").astype(np.int64) // 15, return_inverse=True)
    zone = ZoneInfo(timezone)
    offsets = np.array([_offset(int(quarter), zone) for quarter in quarters], np.int64)[where]
    return utc + (offsets * 60).astype("timedelta64[s]"), offsets


def _offset(quarter: int, zone: ZoneInfo) -> int:
    found = datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone).utcoffset()
    return 0 if found is None else int(found.total_seconds()) // 60


def local_days(instants: pa.ChunkedArray, timezone: str) -> np.ndarray:
    """Store-local days (datetime64[D]) of naive UTC instants without nulls."""
    return local_seconds(instants, timezone)[0].astype("datetime64[D]")


def with_offset(instants: pa.ChunkedArray, timezone: str) -> pa.Array:
    """Store-local ISO 8601 text to the second with its offset, such as 2025-03-04T17:05:09-05:00."""
    wall, offsets = local_seconds(instants, timezone)
    hours, minutes = np.divmod(np.abs(offsets), 60)
    tails, where = np.unique(np.where(offsets < 0, -1, 1) * (hours * 60 + minutes), return_inverse=True)
    texts = [f"{'-' if tail < 0 else '+'}{abs(tail) // 60:02d}:{abs(tail) % 60:02d}" for tail in tails.tolist()]
    tail_bytes = np.frombuffer("".join(texts).encode(), np.uint8).reshape(-1, len("-05:00"))
    return _fixed_width(np.hstack([_stamps(wall), tail_bytes[where]]) if len(wall) else np.empty((0, 25), np.uint8))


def _stamps(wall: np.ndarray) -> np.ndarray:
    """The characters of ISO stamps, as uint8 [rows, 19]."""
    text = pa.array(wall).cast(pa.string())
    characters = np.frombuffer(text.buffers()[2], np.uint8, len(wall) * STAMP).reshape(-1, STAMP).copy()
    characters[:, STAMP - 9] = ord("T")
    return characters


def _fixed_width(characters: np.ndarray) -> pa.Array:
    """Text of one width, from its characters."""
    rows, width = characters.shape
    ends = np.arange(rows + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(characters)))


def dollars(cents: pa.ChunkedArray) -> pa.ChunkedArray:
    """Amounts in cents as text in the major unit with two digits, such as 12.34."""
    size = pc.call_function("abs", [cents])
    whole = pc.call_function("divide", [size, pa.scalar(100, pa.int64())])
    rest = pc.call_function("subtract", [size, pc.call_function("multiply", [whole, pa.scalar(100, pa.int64())])])
    sign = pc.call_function("if_else", [pc.call_function("less", [cents, pa.scalar(0, pa.int64())]), "-", ""])
    padded = pc.call_function("utf8_lpad", [rest.cast(pa.string())], pc.PadOptions(2, "0"))
    return joined(sign, whole.cast(pa.string()), ".", padded)


def joined(*parts: Any) -> Any:
    """Texts joined row by row; a null in any part makes null."""
    scalars = [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    return pc.call_function("binary_join_element_wise", [*scalars, pa.scalar("")])


def csv_lines(table: pa.Table) -> bytes:
    """Comma-separated lines without a header, ended by a line feed; a null is empty."""
    stream = io.BytesIO()
    csv.write_csv(table, stream, csv.WriteOptions(include_header=False, batch_size=65536))
    return stream.getvalue()


def text_lines(lines: Any) -> bytes:
    """Texts without nulls as lines, ended by a line feed."""
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()


def line_starts(lines: bytes) -> np.ndarray:
    """Where each line starts, and after the last one where the text ends; no cell may hold a line feed."""
    return np.concatenate([[0], np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n")) + 1])
