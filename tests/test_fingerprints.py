"""A digest is equal where what it stands for is equal, and differs where that differs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.fingerprints import code_of, fingerprint

ROOT = Path(__file__).parents[1]
SCALARS = st.none() | st.integers() | st.text(max_size=5)
PARTS = SCALARS | st.lists(SCALARS, max_size=3)


def test_a_digest_is_the_sha256_of_compact_json() -> None:
    assert fingerprint("a", {"c": 2, "b": 1}) == sha256(b'["a",{"b":1,"c":2}]').hexdigest()


@given(settings=st.dictionaries(st.text(max_size=3), PARTS, min_size=2, max_size=4))
def test_the_order_of_keys_does_not_matter(settings: dict[str, object]) -> None:
    assert fingerprint(settings) == fingerprint(dict(reversed(settings.items())))


@given(first=st.lists(PARTS, max_size=3), second=st.lists(PARTS, max_size=3))
def test_digests_are_equal_exactly_where_the_parts_are(first: list[object], second: list[object]) -> None:
    assert (fingerprint(*first) == fingerprint(*second)) == (first == second)


@pytest.mark.parametrize(("first", "second"), [(("ab", "c"), ("a", "bc")), ((1,), ("1",)), (([1, 2],), ([2, 1],))])
def test_where_a_part_ends_its_type_and_the_order_of_a_list_matter(
    first: tuple[object, ...], second: tuple[object, ...]
) -> None:
    assert fingerprint(*first) != fingerprint(*second)


def test_days_and_paths_count_by_their_text() -> None:
    assert fingerprint(date(2017, 5, 1), Path("a/b")) == fingerprint("2017-05-01", "a/b")


def test_another_process_gives_the_same_digests() -> None:
    code = (
        "from coupon_pipeline.fingerprints import code_of, fingerprint\n"
        "print(fingerprint({'b': 1, 'a': [None, 'ü']}),"
        " code_of('coupon_pipeline.sources'))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = [
        fingerprint({"a": [None, "ü"], "b": 1}),
        code_of("coupon_pipeline.sources"),
    ]
    assert found.stdout.split() == expected


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """An importable package `digested` with a module, a query and a page."""
    folder = tmp_path / "digested"
    (folder / "sql").mkdir(parents=True)
    for name in ("__init__.py", "module.py", "sql/query.sql", "page.md"):
        (folder / name).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    code_of.cache_clear()
    yield folder
    code_of.cache_clear()


def changed(path: Path, digest: Callable[[], str]) -> bool:
    """Whether a digest is another one after an edit of a file."""
    before = digest()
    path.write_text(path.read_text() + "select 1")
    code_of.cache_clear()
    return digest() != before


@pytest.mark.parametrize(
    ("name", "stale"), [("__init__.py", True), ("module.py", True), ("sql/query.sql", True), ("page.md", False)]
)
def test_code_of_a_package_is_all_python_and_sql_below_it(package: Path, name: str, stale: bool) -> None:
    assert changed(package / name, lambda: code_of("digested")) == stale


@pytest.mark.parametrize(("name", "stale"), [("module.py", True), ("__init__.py", False), ("sql/query.sql", False)])
def test_code_of_a_module_is_its_own_file_alone(package: Path, name: str, stale: bool) -> None:
    assert changed(package / name, lambda: code_of("digested.module")) == stale


@pytest.mark.usefixtures("package")
def test_code_of_several_modules_differs_from_that_of_each() -> None:
    both = code_of("digested.module", "coupon_pipeline.weeks")
    assert len({both, code_of("digested.module"), code_of("coupon_pipeline.weeks")}) == 3


def test_a_module_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        code_of("no_such_module")
