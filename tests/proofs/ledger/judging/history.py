"""What clients asked the ledger and were told: one JSON line per attempt, so that a kill loses no answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str, str, str]
"""Operation, client, idempotency key."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request; without answer and refusal nobody knows what it has done."""

    client: str
    operation: str
    key: str | None
    request: Mapping[str, Any]
    called: int
    """Nanoseconds of the machine's monotonic clock."""
    returned: int | None = None
    answer: Mapping[str, Any] | None = None
    refusal: str | None = None
    status: int | None = None
    """Of HTTP, where the attempt went that way."""
    is_twin: bool = False
    """Whether it was sent beside another one like it, at the same time."""

    @property
    def is_unknown(self) -> bool:
        """Whether it may have happened, or not, at any time since its call."""
        return self.answer is None and self.refusal is None

    @property
    def own_key(self) -> Key | None:
        """What makes a repetition of it the same request."""
        return None if self.key is None else (self.operation, self.client, self.key)

    def line(self) -> str:
        """As a line of a history file."""
        filled = {name: value for name in self.__slots__ if (value := getattr(self, name)) not in (None, False)}
        return json.dumps(filled, separators=(",", ":")) + "\n"


def whole_lines(path: Path) -> list[str]:
    """Lines that were written to their end; a torn last one is cut off the file."""
    if not path.exists():
        return []
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)
    return data[:end].decode().splitlines()


def read(paths: Iterable[Path]) -> list[Attempt]:
    """All attempts of all files, in the order of their calls."""
    return sorted(_attempts(paths), key=lambda attempt: attempt.called)


def _attempts(paths: Iterable[Path]) -> Iterator[Attempt]:
    for path in paths:
        for line in whole_lines(path):
            yield Attempt(**({"key": None} | json.loads(line)))
