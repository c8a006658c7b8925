"""Finds what two YAML documents say differently: parts that have a name are compared by name, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
IDENTITIES: Final = ("property", "name", "value", "to", "username")
"""What tells the parts of a list apart: the first of these that all of them have."""


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()
"""In place of a value that one of the documents lacks."""


class Parts(dict[str, Any]):
    """A list of named parts, by name, in the order of the file."""


@dataclass(frozen=True)
class Change:
    """One place where the documents differ; `path` gives the names from the top down to it."""

    path: Path
    old: Any
    new: Any

    @property
    def added(self) -> bool:
        """Whether only the newer document has it."""
        return self.old is ABSENT

    @property
    def removed(self) -> bool:
        """Whether only the older document has it."""
        return self.new is ABSENT


def named(value: Any) -> Any:
    """The same value with its lists of named parts as Parts; nothing is left out."""
    if isinstance(value, Mapping):
        return {_text(key): named(item) for key, item in value.items()}
    if not isinstance(value, list | tuple):
        return value
    items = [named(item) for item in value]
    identity = next((key for key in IDENTITIES if all(isinstance(item, dict) and key in item for item in items)), None)
    if identity is None or not items or any(isinstance(item, Parts) for item in items):
        return items
    parts = Parts()
    for item in items:
        parts[_unused(parts, _name(item, identity))] = {key: part for key, part in item.items() if key != identity}
    return parts


def changes(old: Any, new: Any, whole: Sequence[Path], path: Path = ()) -> Iterator[Change]:
    """Where two values made by `named` differ; a part that only one has is one change if `whole` matches its path.

    A star in `whole` stands for any name.
    """
    if not _comparable(old, new) or (ABSENT in (old, new) and any(fits(path, pattern) for pattern in whole)):
        if canonical(old) != canonical(new):
            yield Change(path, old, new)
        return
    before, after = ({} if side is ABSENT else side for side in (old, new))
    inner = [
        change
        for key in [*before, *(key for key in after if key not in before)]
        for change in changes(before.get(key, ABSENT), after.get(key, ABSENT), whole, (*path, key))
    ]
    yield from inner
    orders = [[key for key in side if key in before and key in after] for side in (before, after)]
    if isinstance(old, Parts) and isinstance(new, Parts) and orders[0] != orders[1]:
        yield Change((*path, "(order)"), orders[0], orders[1])
    elif not inner and ABSENT in (old, new):
        yield Change(path, old, new)


def fits(path: Path, pattern: Path) -> bool:
    """Whether a path matches a pattern, in which `*` is any name and a last `**` any rest."""
    if pattern and pattern[-1] == "**":
        return len(path) >= len(pattern) - 1 and fits(path[: len(pattern) - 1], pattern[:-1])
    return len(path) == len(pattern) and all(want in ("*", name) for name, want in zip(path, pattern, strict=True))


def found(tree: Any, path: Iterable[str]) -> Any:
    """The part of a tree at a path; ABSENT where it has none."""
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return ABSENT
        tree = tree[name]
    return tree


def canonical(value: Any) -> Any:
    """What a value says, whatever the order of its keys; true, 1 and 1.0 differ."""
    if isinstance(value, dict):
        items = [(key, canonical(item)) for key, item in value.items()]
        return ("parts", items) if isinstance(value, Parts) else ("mapping", sorted(items, key=lambda item: item[0]))
    if isinstance(value, list):
        return ("list", [canonical(item) for item in value])
    return (type(value).__name__, repr(value))


def _comparable(old: Any, new: Any) -> bool:
    """Whether both can be compared name by name."""
    kinds = {type(side) for side in (old, new) if side is not ABSENT}
    return len(kinds) == 1 and kinds <= {dict, Parts}


def _name(item: Mapping[str, Any], identity: str) -> str:
    # Of two promises of the same kind the element tells which is which.
    element = item.get("element", "")
    return _text(item[identity]) + (f" of {_text(element)}" if element else "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"<{canonical(value)}>"


def _unused(parts: Parts, name: str) -> str:
    """The name itself, or with a number where an earlier part has it."""
    numbered, count = name, 1
    while numbered in parts:
        count += 1
        numbered = f"{name} ({count})"
    return numbered
