"""Turns the system's text into text that a contract reads: amounts, decimal commas, local times, words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

AMOUNT = re.compile(r"([+-]?)([0-9]*)(?:[.]([0-9]{0,2})0*)?")
THOUSANDS = re.compile(r"([+-]?[0-9]{1,3}(?:[.][0-9]{3})+)(,[0-9]*)?")
NOT_A_COMMA = " (has no decimal comma)"
"""Follows a number with a point where commas are expected: 12.00 would pass for 12."""


def as_text(value: Any) -> str | None:
    """A value as text, numbers digit by digit."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else str(value)


def to_text(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells as text; text stays as it is, and nothing is rounded."""
    if pa.types.is_string(cells.type):
        return cells
    if pa.types.is_null(cells.type) or pa.types.is_integer(cells.type):
        return cells.cast(pa.string())
    return pa.chunked_array([pa.array([as_text(value) for value in cells.to_pylist()], pa.string())])


def to_minor(amounts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Amounts such as 12.34 as 1234, digit by digit; what is no amount stays as it came."""

    def minor(text: str) -> str:
        found = AMOUNT.fullmatch(text.strip())
        if found is None or not (found[2] or found[3]):
            return text
        return f"{found[1]}{int(found[2] + (found[3] or '').ljust(2, '0'))}"

    return _each_distinct(amounts, minor)


def with_point(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers with a decimal comma, such as 1.234,50, with a point; one that has a point already is spoilt, visibly."""

    def pointed(text: str) -> str:
        plain = text.replace(".", "") if THOUSANDS.fullmatch(text.strip()) else text
        return plain + NOT_A_COMMA if "." in plain else plain.replace(",", ".")

    return _each_distinct(numbers, pointed)


def translated(words: pa.ChunkedArray, values: Mapping[str, str]) -> pa.ChunkedArray:
    """Words replaced where there is another for them."""
    return _each_distinct(words, lambda word: values.get(word, word))


def to_iso(cells: pa.ChunkedArray, day_only: bool, written: str | None, local: ZoneInfo | None) -> pa.ChunkedArray:
    """Days or instants as ISO 8601 text, instants of local clocks in UTC; what is none of them stays as it came."""

    def iso(text: str) -> str:
        try:
            found = datetime.strptime(text, written) if written else datetime.fromisoformat(text.strip())
            if day_only:
                return found.date().isoformat() if found.time() == datetime.min.time() else text
            return str(to_utc(found, local))
        except (ValueError, OverflowError):
            return text

    return _each_distinct(cells, iso)


def to_utc(instant: datetime | date, local: ZoneInfo | None) -> datetime:
    """Naive UTC of an instant or of a day's first one; of an hour that clocks show twice, the first."""
    if not isinstance(instant, datetime):
        instant = datetime(instant.year, instant.month, instant.day)
    if instant.tzinfo is None:
        if local is None:
            return instant
        instant = instant.replace(tzinfo=local)
    return instant.astimezone(UTC).replace(tzinfo=None)


def _each_distinct(cells: pa.ChunkedArray, change: Callable[[str], str]) -> pa.ChunkedArray:
    changed: dict[str | None, str | None] = {None: None}
    found: list[str | None] = cells.to_pylist()
    changed |= {value: change(value) for value in set(found) if value is not None}
    return pa.chunked_array([pa.array([changed[value] for value in found], pa.string())])
