"""A file is whole or absent, also when its writer fails or is killed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coupon_pipeline.files import (
    STALE_SECONDS,
    check_writable,
    replacing,
    sha256_of,
    sweep,
    write_text,
)

ROOT = Path(__file__).parents[1]
SIZE = 300_000

DIES_BEFORE_RENAME = """
import sys, time
from pathlib import Path
from coupon_pipeline.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("new")
    print("written", flush=True)
    time.sleep(600)
"""
WRITES_FOREVER = f"""
import sys
from itertools import cycle
from pathlib import Path
from coupon_pipeline.files import write_text
for letter in cycle("ab"):
    write_text(Path(sys.argv[1]), letter * {SIZE})
"""


@contextmanager
def program(code: str, path: Path) -> Generator[subprocess.Popen[str]]:
    """Run a program on a path; it ends by SIGKILL when the block does."""
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def temporaries(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".*.tmp"))


def aged(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("left over")
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_text_is_written_as_utf8_into_folders_that_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "name.txt"
    write_text(path, "crème\n")
    assert path.read_bytes() == b"cr\xc3\xa8me\n"
    assert temporaries(tmp_path) == []


def test_the_old_file_stays_in_place_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"


def test_an_error_while_writing_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new, then a lone surrogate: \ud800")
    assert path.read_text() == "old"
    assert temporaries(tmp_path) == []


def test_a_block_that_writes_nothing_is_an_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"


def test_two_writers_of_one_file_do_not_share_a_temporary(tmp_path: Path) -> None:
    path = tmp_path / "name"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OSError, match=str(blocked)):
        write_text(blocked / "name", "text")


def test_a_writer_killed_before_the_rename_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_text("old")
    with program(DIES_BEFORE_RENAME, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
        assert process.wait() == -9
    assert path.read_text() == "old"
    assert [left.read_text() for left in temporaries(tmp_path)] == ["new"]


def test_a_reader_sees_whole_content_while_a_writer_runs_and_after_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "name"
    whole = {"a" * SIZE, "b" * SIZE}
    write_text(path, "a" * SIZE)
    seen = set()
    with program(WRITES_FOREVER, path) as process:
        deadline = time.monotonic() + 20
        while seen != whole and time.monotonic() < deadline:
            seen.add(path.read_text())
        assert process.poll() is None
    assert seen == whole
    assert path.read_text() in whole


def test_only_temporaries_older_than_an_hour_are_swept(tmp_path: Path) -> None:
    old = [aged(tmp_path / "a" / ".x.1.ff.tmp", STALE_SECONDS + 60), aged(tmp_path / ".y.2.ff.tmp", 2 * STALE_SECONDS)]
    kept = [
        aged(tmp_path / ".z.3.ff.tmp", STALE_SECONDS - 60),
        aged(tmp_path / "part.parquet", 2 * STALE_SECONDS),
        aged(tmp_path / "notes.tmp", 2 * STALE_SECONDS),
    ]
    assert sweep(tmp_path) == len(old)
    assert [path.exists() for path in old] == [False, False]
    assert [path.exists() for path in kept] == [True, True, True]


def test_what_a_killed_writer_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    with program(DIES_BEFORE_RENAME, tmp_path / "name") as process:
        assert process.stdout is not None
        process.stdout.readline()
    assert sweep(tmp_path) == 0
    (left,) = temporaries(tmp_path)
    os.utime(left, (0, 0))
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(bytes(range(256)) * 1000)
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "data")
    assert list((tmp_path / "new" / "data").iterdir()) == []


@pytest.mark.parametrize("below", ["", "data", "deep/data"])
def test_a_folder_that_cannot_be_written_says_which_and_what_to_set(tmp_path: Path, below: str) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(PermissionError) as refused:
        check_writable(blocked / below)
    message = str(refused.value)
    assert message.startswith(f"{blocked / below} cannot be written (")
    assert message.endswith("): set COUPON_DATA to a folder that can")


def test_a_relative_folder_is_reported_with_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").write_text("not a folder")
    with pytest.raises(PermissionError, match=str(tmp_path / "data")):
        check_writable(Path("data"))
