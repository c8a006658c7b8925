"""`contracts diff` and `contracts check` on real repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from coupon_pipeline.commands.contracts import check, diff
from coupon_pipeline.contracts.contract import ContractError

CONTRACT = """id: lines
version: {version}
schema:
  - name: lines
    properties:
      - {{name: a, physicalType: BIGINT}}
{more}"""
SECOND = "      - {name: b, physicalType: BIGINT}\n"

Git = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where contracts lie, within the repository."""
    found = tmp_path / "repository" / "data_contracts"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def git(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Runs git in the repository, without anybody's own settings."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")

    def run(*words: str) -> str:
        command = ["git", *who, *words]
        return subprocess.run(command, cwd=folder.parent, check=True, capture_output=True, text=True).stdout

    run("init", "-q")
    return run


def write(folder: Path, version: str, more: str = "", name: str = "lines") -> None:
    content = CONTRACT.format(version=version, more=more)
    (folder / f"{name}.odcs.yaml").write_text(content, encoding="utf-8")


def commit(git: Git, folder: Path, version: str, more: str = "") -> None:
    write(folder, version, more)
    git("add", "-A")
    git("commit", "-q", "-m", version)


def checked(folder: Path) -> tuple[bool, str]:
    console = Console(file=StringIO(), width=400)
    passed = check(console, folder)
    assert isinstance(console.file, StringIO)
    return passed, console.file.getvalue()


def shown(folder: Path, *words: str, against: str = "HEAD") -> str:
    console = Console(file=StringIO(), width=400)
    diff(words, against, console, folder)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_clean_clone_is_held_against_all_that_came_before(git: Git, folder: Path) -> None:
    """The change is committed, as it is wherever a branch is checked."""
    commit(git, folder, "1.0.0", SECOND)
    assert checked(folder)[0]
    commit(git, folder, "1.1.0")
    passed, printed = checked(folder)
    assert not passed
    assert "lines: column.removed b, physicalType: BIGINT -> -, since 1.0.0 of commit" in printed
    assert "raise version to 2.0.0" in printed
    commit(git, folder, "2.0.0")
    assert checked(folder) == (True, "contracts: 1 compared with 3 committed contents; every version keeps its word\n")


def test_a_remark_needs_no_version(git: Git, folder: Path) -> None:
    commit(git, folder, "1.0.0")
    write(folder, "1.0.0", "# A remark.\n")
    assert checked(folder)[0]
    write(folder, "1.0.0", SECOND)
    assert "raise version to 1.1.0" in checked(folder)[1]


def test_what_only_a_merge_brought_in_counts(git: Git, folder: Path) -> None:
    commit(git, folder, "1.0.0")
    git("checkout", "-q", "-b", "side")
    git("commit", "-q", "--allow-empty", "-m", "side")
    git("checkout", "-q", "-")
    git("commit", "-q", "--allow-empty", "-m", "main")
    git("merge", "-q", "--no-commit", "--no-ff", "side")
    commit(git, folder, "1.1.0", SECOND)
    commit(git, folder, "1.2.0")
    assert "column.removed b" in checked(folder)[1]


def test_a_deleted_contract_is_refused(git: Git, folder: Path) -> None:
    commit(git, folder, "1.0.0")
    (folder / "lines.odcs.yaml").unlink()
    assert "lines: contract.removed" in checked(folder)[1]
    assert "contract.removed" in shown(folder)


def test_without_history_it_passes_and_says_so(
    folder: Path, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "1.0.0")
    passed, printed = checked(folder)
    assert passed
    assert printed.startswith("contracts: nothing to compare with, git log says: ")
    commit(git, folder, "1.0.0")
    commit(git, folder, "1.1.0", SECOND)
    shallow = tmp_path / "shallow"
    git("clone", "-q", "--depth", "1", folder.parent.as_uri(), str(shallow))
    assert checked(shallow / "data_contracts") == (
        True,
        "contracts: 1 compared with 1 committed contents; the clone is shallow; every version keeps its word\n",
    )
    shutil.rmtree(shallow / ".git")
    assert checked(shallow / "data_contracts")[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checked(folder) == (True, "contracts: nothing to compare with, git is not installed\n")


def test_a_committed_file_that_is_no_contract_is_told_and_left_alone(git: Git, folder: Path) -> None:
    (folder / "lines.odcs.yaml").write_text("- no\n", encoding="utf-8")
    git("add", "-A")
    git("commit", "-q", "-m", "no contract")
    commit(git, folder, "1.0.0")
    assert "1 committed files cannot be read" in checked(folder)[1]


def test_the_working_tree_is_compared_with_a_commit(git: Git, folder: Path) -> None:
    commit(git, folder, "1.0.0", SECOND)
    commit(git, folder, "2.0.0")
    write(folder, "1.0.0", name="orders")
    assert "0 differences, 0 breaking" in shown(folder, "lines")
    printed = shown(folder, against="HEAD~1")
    assert "2 differences" not in printed
    assert "column.removed" in printed
    assert "contract.added" in printed
    assert "whoever reads the column finds nothing" in printed
    with pytest.raises(ContractError, match=r"no contract for bills: use some of lines, orders"):
        shown(folder, "bills")
    with pytest.raises(ContractError, match=r"no contracts of nowhere to compare with"):
        shown(folder, against="nowhere")


def test_two_files_are_compared(folder: Path) -> None:
    write(folder, "1.0.0", SECOND, name="old")
    write(folder, "1.1.0", name="new")
    old, new = str(folder / "old.odcs.yaml"), str(folder / "new.odcs.yaml")
    assert "column.removed" in shown(folder, old, new)
    with pytest.raises(ContractError, match="give two files, the older one first"):
        shown(folder, old)
    with pytest.raises(ContractError, match="cannot be read"):
        shown(folder, old, str(folder / "nowhere.yaml"))
    (folder / "new.odcs.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ContractError, match="is not YAML"):
        shown(folder, old, new)
