"""What is installed is pinned and explained, and what is committed tells nothing about the machine that made it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
README = ROOT / "README.md"

# Written so that no pattern matches its own text.
PRIVATE = {
    "a path of one machine": r"(?<![\w.])/(?:home|Users|root|work)/\w|\b[A-Z]:\\{1,2}Users\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE[ ]KEY",
    "a cloud key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token": r"\b(?:gh[pousr]_\w{36}|github_pat_\w{22}|glpat-[\w-]{20}|xox[abpr]-[\w-]{10}|sk-[\w-]{32})",
    "a password in a URL": r"\b[a-z+]+://[^\s/:@{}$<>]+:[^\s/:@{}$<>]+@",
}


def dependencies() -> list[str]:
    """Every requirement that pyproject names itself, as written."""
    content = tomllib.loads(PROJECT)
    return [*content["project"]["dependencies"], *content["dependency-groups"]["dev"]]


def pins() -> dict[str, list[str]]:
    """Canonical name to locked versions; a package has several where platforms differ."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def private_parts(text: str) -> list[str]:
    """What a text holds that belongs to one machine or is secret."""
    return [what for what, pattern in PRIVATE.items() if re.search(pattern, text)]


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository yet: run git init")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def verbs() -> set[str]:
    """The verbs that a bare `make` prints."""
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\s*make ([a-z-]+)", printed, re.MULTILINE))


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK


def test_every_pin_of_the_lock_has_a_hash() -> None:
    blocks = re.split(r"^(?=[\w.-]+(?:\[[^\]]*\])?==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == sum(map(len, pins().values()))
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("dependency", dependencies())
def test_the_lock_pins_a_version_that_pyproject_allows(dependency: str) -> None:
    requirement = Requirement(dependency)
    locked = pins().get(canonicalize_name(requirement.name), [])
    assert locked, f"{requirement.name} is not in requirements.lock: run make lock"
    assert all(requirement.specifier.contains(version, prereleases=True) for version in locked), locked


@pytest.mark.parametrize("dependency", dependencies())
def test_every_dependency_says_what_it_is_for(dependency: str) -> None:
    line = next(line for line in PROJECT.splitlines() if f'"{dependency}"' in line)
    assert re.search(r"#.*\w{2,}", line.replace(dependency, "")), line


@pytest.mark.parametrize(
    "text",
    [
        "cd /" + "home/ann/coupons",
        "C:" + "\\Users\\ann",
        "-----BEGIN " + "PRIVATE KEY-----",
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 36,
        "postgresql://ann:" + "secret@db/coupons",
    ],
)
def test_a_text_that_belongs_to_one_machine_or_is_secret_is_recognised(text: str) -> None:
    assert len(private_parts(text)) == 1


def test_no_tracked_file_names_a_machine_or_holds_a_secret() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): parts
        for path in tracked_files()
        if (parts := private_parts(path.read_bytes().decode(errors="replace")))
    }
    assert found == {}


def test_the_readme_lists_the_verbs_that_make_prints() -> None:
    listed = re.findall(r"(?:^ *|`)make ([a-z][a-z-]*)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(listed) == verbs()


def test_continuous_integration_calls_only_verbs_that_exist() -> None:
    called = re.findall(r"^make ([a-z-]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"check", "test"} <= set(called) <= verbs()
