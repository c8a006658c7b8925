"""Publishing is all or nothing, and the same content always gives the same bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.snapshot.factory import content

import coupon_pipeline.files as files
import coupon_pipeline.snapshot.write as publishing
from coupon_pipeline.snapshot.bundle import BadBundleError, open_bundle
from coupon_pipeline.snapshot.encoding import file_names
from coupon_pipeline.snapshot.write import KEPT, write


class Killed(BaseException):
    """Stands for the end of the process: nothing in the publisher may catch it."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `step` more writes reach the disk, then end."""
    left = iter(range(step))

    def killing(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            if next(left, None) is None:
                raise Killed
            return function(*args)

        return call

    monkeypatch.setattr(files, "sync", killing(files.sync))
    monkeypatch.setattr(publishing, "sync", files.sync)
    monkeypatch.setattr(Path, "rename", killing(Path.rename))
    monkeypatch.setattr(Path, "replace", killing(Path.replace))


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_same_content_gives_the_same_bytes_in_another_place(tmp_path: Path) -> None:
    assert write(tmp_path / "a", content()) == write(tmp_path / "b", content())
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_publishing_the_same_content_again_touches_no_file_of_it(tmp_path: Path) -> None:
    version = write(tmp_path, content())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / version).iterdir()}
    inode = (tmp_path / version).stat().st_ino
    assert write(tmp_path, content()) == version
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / version).iterdir()} == before
    assert (tmp_path / version).stat().st_ino == inode


def test_the_version_names_the_cycle_and_changes_with_the_content(tmp_path: Path) -> None:
    versions = {write(tmp_path, content()), write(tmp_path, content(price=0.25)), write(tmp_path, content(seed=1))}
    assert len(versions) == 3
    assert all(version.startswith("2017-05-01-") for version in versions)


@pytest.mark.parametrize("name", ["popular.npy", "manifest.json", "about.json"])
def test_a_damaged_folder_of_the_same_version_gives_way_to_a_fresh_one(tmp_path: Path, name: str) -> None:
    version = write(tmp_path, content())
    whole = tree(tmp_path)
    (tmp_path / version / name).write_bytes(b"damage")
    assert write(tmp_path, content()) == version
    assert tree(tmp_path) == whole


def test_the_current_version_and_the_ones_before_it_are_kept(tmp_path: Path) -> None:
    versions = []
    for number in range(5):
        versions.append(write(tmp_path, content(price=float(number))))
        os.utime(tmp_path / versions[-1], (number, number))
    kept = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert kept == set(versions[-KEPT:])
    first = write(tmp_path, content(price=0.0))
    assert open_bundle(tmp_path).version == first
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == KEPT


def test_content_with_a_false_canary_is_never_made_current(tmp_path: Path) -> None:
    version = write(tmp_path, content())
    wrong = content().canary_raw.copy()
    wrong[3] = np.nextafter(wrong[3], np.inf)
    with pytest.raises(BadBundleError, match=r"canary_raw\.npy.*other scores"):
        write(tmp_path, content(canary_raw=wrong))
    assert open_bundle(tmp_path).version == version


def test_a_publisher_killed_at_any_step_leaves_a_whole_bundle_and_the_next_one_succeeds(tmp_path: Path) -> None:
    old, new = write(tmp_path, content()), write(tmp_path / "elsewhere", content(price=0.25))
    seen = []
    for step in range(1000):
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(step, monkeypatch)
            try:
                write(tmp_path, content(price=0.25))
            except Killed:
                seen.append(open_bundle(tmp_path).version)
            else:
                break
    assert seen[0] == old
    assert sorted(seen, key=[old, new].index) == seen
    assert len(seen) > len(file_names())
    assert open_bundle(tmp_path).version == new
    assert not list(tmp_path.glob(".*.tmp"))


def test_files_left_by_a_killed_publisher_are_cleared(tmp_path: Path) -> None:
    left = tmp_path / ".2017-05-01-0123456789ab.tmp"
    left.mkdir()
    (left / "popular.npy").write_bytes(b"half")
    write(tmp_path, content())
    assert not left.exists()


def test_the_manifest_names_every_file_and_nothing_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / write(tmp_path, content())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest) == {"format", "version", "files"}
    assert {path.name for path in folder.iterdir()} == {*manifest["files"], "manifest.json"}
