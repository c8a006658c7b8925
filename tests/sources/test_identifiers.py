"""A text id has one number, for ever, whoever asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from coupon_pipeline.sources.identifiers import Identifiers
from coupon_pipeline.sources.source import SourceError


def texts(*values: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def test_numbers_are_given_in_order_of_first_sight(tmp_path: Path) -> None:
    identifiers = Identifiers(tmp_path / "identifiers.db")
    assert identifiers.numbers("household", texts("K-9", None, "A 1", "K-9")).to_pylist() == [1, None, 2, 1]
    assert identifiers.numbers("household", texts("b", "A 1")).to_pylist() == [3, 2]
    assert identifiers.numbers("product", texts("A 1")).to_pylist() == [1]


def test_numbers_outlive_the_process_and_lead_back(tmp_path: Path) -> None:
    Identifiers(tmp_path / "identifiers.db").numbers("household", texts("K-9", "Ä"))
    again = Identifiers(tmp_path / "identifiers.db")
    assert again.numbers("household", texts("neu", "Ä", "K-9")).to_pylist() == [3, 2, 1]
    assert again.texts("household", [2, 9, 1, 2]) == ["Ä", None, "K-9", "Ä"]
    assert Identifiers(tmp_path / "none.db").texts("household", [1]) == [None]
    assert not (tmp_path / "none.db").exists()


def test_many_ids_at_once(tmp_path: Path) -> None:
    identifiers = Identifiers(tmp_path / "identifiers.db")
    names = [f"card-{number}" for number in range(3_000)]
    numbers = identifiers.numbers("household", texts(*names)).to_pylist()
    assert numbers == list(range(1, 3_001))
    assert identifiers.texts("household", numbers) == names


ADD = """
import sys
import pyarrow as pa
from pathlib import Path
from coupon_pipeline.sources.identifiers import Identifiers
names = [f"card-{number}" for number in range(int(sys.argv[2]), 400, 1)]
Identifiers(Path(sys.argv[1])).numbers("household", pa.chunked_array([pa.array(names)]))
"""


def test_two_processes_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "identifiers.db"
    running = [subprocess.Popen([sys.executable, "-c", ADD, str(path), str(first)]) for first in (0, 100)]
    assert [process.wait(30) for process in running] == [0, 0]
    found = Identifiers(path).texts("household", range(1, 401))
    assert sorted(name for name in found if name) == sorted(f"card-{number}" for number in range(400))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "identifiers.db").write_text("not a database " * 100)
    with pytest.raises(SourceError, match=r"identifiers\.db cannot be used"):
        Identifiers(tmp_path / "identifiers.db").numbers("household", texts("a"))


def test_an_erased_text_keeps_its_number_and_can_be_read_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "identifiers.db"
    identifiers = Identifiers(path)
    identifiers.numbers("household", texts("card-of-jane", "card-of-john"))
    for _ in range(2):
        identifiers.erase("household", [1, 99])
    assert b"card-of-jane" not in path.read_bytes()
    assert b"card-of-john" in path.read_bytes()
    assert identifiers.texts("household", [2]) == ["card-of-john"]
    for asked in (identifiers, Identifiers(path)):
        assert asked.numbers("household", texts("card-of-jane", "new", "card-of-john")).to_pylist() == [1, 3, 2]
        assert asked.found("household", ["card-of-jane", "never seen", None]) == [1, None, None]
    assert b"card-of-jane" not in path.read_bytes()
