"""`contracts diff` and `contracts check`: what differs between versions of contracts, and what may not differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.table import Table

from coupon_pipeline.commands.git import NoHistoryError, contents_at, history, is_shallow
from coupon_pipeline.contracts.contract import ContractError
from coupon_pipeline.contracts.reader import FOLDER, SUFFIX
from coupon_pipeline.contracts.versions.diff import Difference, differences
from coupon_pipeline.contracts.versions.history import Committed, refused
from coupon_pipeline.documents import parse

Document = Mapping[str, Any]

WIDTH: Final = 160
"""Characters of a line where the output is no terminal."""


def diff(words: Sequence[str], against: str, console: Console, folder: Path = FOLDER) -> None:
    """Print the differences between two files, or between a commit and the folder: all contracts, or some tables.

    Raises ContractError for a file that cannot be read, a table without contract, or a commit that is not there.
    """
    if any(Path(word).suffix in (".yaml", ".yml") for word in words):
        if len(words) != 2:
            raise ContractError(f"{', '.join(words)}: give two files, the older one first, or names of tables")
        old, new = (_document(_content(Path(word)), word) for word in words)
        found = differences(old, new)
    else:
        found = _since(words, against, folder)
    print_differences(found, console)


def check(console: Console, folder: Path = FOLDER) -> bool:
    """Whether every contract keeps what its version says against all that is committed; prints what does not."""
    documents = _in_folder(folder)
    try:
        committed, unread = _committed(folder)
        shallow = is_shallow(folder)
    except NoHistoryError as error:
        console.print(f"contracts: nothing to compare with, {error}", soft_wrap=True, markup=False)
        return True
    lines = [
        line
        for name in sorted(documents.keys() | committed.keys())
        for line in refused(name, documents.get(name), committed.get(name, ()))
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    versions = sum(map(len, committed.values()))
    remarks = [f"{unread} committed files cannot be read"] * bool(unread) + ["the clone is shallow"] * shallow
    console.print(
        f"contracts: {len(documents)} compared with {versions} committed contents"
        + "".join(f"; {remark}" for remark in remarks)
        + (f"; {len(lines)} refused" if lines else "; every version keeps its word"),
        soft_wrap=True,
        highlight=False,
    )
    return not lines


def print_differences(found: Sequence[Difference], console: Console) -> None:
    """Print differences as a table, and how many break."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("contract", "what", "where", "old", "new", "breaking", "why"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("contract", "what"))
    for one in found:
        cells = (one.contract, one.code, one.where, one.old, one.new)
        verdict = "[red]yes[/]" if one.breaking else "no"
        table.add_row(*(cell.replace("[", r"\[") for cell in cells), verdict, one.why)
    if found:
        # A file or a pipe has no width of its own.
        wide = console if console.is_terminal else Console(file=console.file, width=WIDTH)
        wide.print(table)
    console.print(f"{len(found)} differences, {sum(one.breaking for one in found)} breaking", highlight=False)


def _since(tables: Sequence[str], against: str, folder: Path) -> list[Difference]:
    try:
        before = _read((name, content) for name, content in contents_at(folder, against).items())
    except NoHistoryError as error:
        raise ContractError(f"no contracts of {against} to compare with: {error}") from error
    after = _in_folder(folder)
    known = sorted(before.keys() | after.keys())
    unknown = [name for name in tables if name not in known]
    if unknown:
        raise ContractError(f"no contract for {', '.join(unknown)}: use some of {', '.join(known)}")
    return [one for name in tables or known for one in differences(before.get(name), after.get(name), name)]


def _committed(folder: Path) -> tuple[dict[str, list[Committed]], int]:
    """Table -> its committed versions, newest first, and how many committed files are no YAML mapping."""
    found: dict[str, list[Committed]] = {}
    unread = 0
    for name, versions in history(folder).items():
        if not name.endswith(SUFFIX):
            continue
        for commit, content in versions:
            try:
                document = _document(content, name)
            except ContractError:
                unread += 1
            else:
                found.setdefault(name.removesuffix(SUFFIX), []).append(Committed(commit, document))
    return found, unread


def _in_folder(folder: Path) -> dict[str, Document]:
    return _read((path.name, _content(path)) for path in sorted(folder.glob(f"*{SUFFIX}")))


def _read(files: Iterable[tuple[str, bytes]]) -> dict[str, Document]:
    return {name.removesuffix(SUFFIX): _document(content, name) for name, content in files if name.endswith(SUFFIX)}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path} cannot be read: {error.strerror}") from error


def _document(content: bytes, name: str) -> Document:
    try:
        found = parse(content, name)
    except yaml.YAMLError as error:
        raise ContractError(f"{name} is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise ContractError(f"{name} is no contract: it must begin with apiVersion, kind, id")
    return found
