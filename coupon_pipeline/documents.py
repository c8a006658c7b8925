"""Reads YAML strictly, and remembers where each key stands, so that an error can name file and line."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable
from typing import Any

import yaml


class Located(dict[Hashable, Any]):
    """A mapping of a YAML file that knows its file and the line of each of its keys."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.lines: dict[Hashable, int] = {}

    def at(self, key: Hashable = None) -> str:
        """`file:line` of a key, or of the mapping itself where it has no such key."""
        return f"{self.file}:{self.lines.get(key, self.line)}"


def parse(content: bytes | str, file: str) -> Any:
    """The document in a YAML text, its mappings as Located; raises yaml.YAMLError, also where a key is given twice."""
    loader = _Loader(content)
    loader.file = file
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def problem_of(error: yaml.YAMLError, file: str) -> str:
    """What is wrong with a text that is no strict YAML, in one line with its place."""
    mark = getattr(error, "problem_mark", None)
    at = file if mark is None else f"{file}:{mark.line + 1}"
    return f"{at} is not YAML as it is read here: {getattr(error, 'problem', None) or error}"


def place(document: Any, path: Iterable[str | int]) -> tuple[str, str]:
    """Where a part of a parsed document stands: `file:line`, and its path with names in place of positions."""
    at, parts = document.at() if isinstance(document, Located) else "", list[str]()
    for step in path:
        if isinstance(document, Located):
            at = document.at(step)
        document = document[step]
        if isinstance(document, Located):
            at = document.at()
        parts.append(str(document.get("name", step) if isinstance(document, dict) else step))
    return at, ".".join(parts) or "the top"


class _Loader(yaml.CSafeLoader):
    """Refuses a key that is given twice, and takes yes, no, on and off for words: columns are called so."""

    file = ""
    yaml_implicit_resolvers = {  # noqa: RUF012
        letter: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:bool" or letter in "tTfF"]
        for letter, forms in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Generator[Located]:
    found = Located(loader.file, node.start_mark.line + 1)
    yield found
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key.value} given twice", key.start_mark)
        seen.add(key.value)
    found.update(loader.construct_mapping(node))
    found.lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
