"""Keys of the ledger: made once, kept closed, added to, never shown."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coupon_pipeline.ledger.codes import code_of, lookup_digest, normalized
from coupon_pipeline.ledger.keys import (
    Keys,
    KeysError,
    development_keys,
    read_keys,
    write_keys,
)


def values(keys: Keys) -> list[bytes]:
    codes = [value for key in keys.codes for value in (key.code, key.lookup)]
    return [*codes, keys.pseudonym, keys.suppression, keys.request]


def test_random_keys_are_32_bytes_each_and_never_the_same() -> None:
    found = [value for _ in range(5) for value in values(Keys.random())]
    assert {len(value) for value in found} == {32}
    assert len(set(found)) == len(found)
    assert not Keys.random().is_development


def test_what_is_written_is_read(tmp_path: Path) -> None:
    keys = Keys.random().rotated()
    write_keys(tmp_path / "below" / "keys.json", keys)
    assert read_keys(tmp_path / "below" / "keys.json") == keys


def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    for keys in (Keys.random(), Keys.random()):
        write_keys(path, keys)
        assert path.stat().st_mode & 0o777 == 0o600
    assert read_keys(path) == keys
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_rotation_old_codes_are_found_by_their_key_and_others_made_by_the_newest() -> None:
    before = Keys.random()
    after = before.rotated()
    printed = code_of(before.newest, 5)
    assert [key.key_id for key in after.codes] == [1, 2]
    assert after.newest is after.codes[-1]
    assert code_of(after.by_id(1), 5) == printed
    assert code_of(after.newest, 5) != printed
    symbols = normalized(printed) or ""
    assert lookup_digest(before.newest, symbols) in {lookup_digest(key, symbols) for key in after.codes}
    assert values(after)[4:] == values(before)[2:]


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(KeysError, match="code key 7"):
        Keys.random().by_id(7)


def test_no_value_is_shown(tmp_path: Path) -> None:
    keys = Keys.random()
    shown = f"{keys!r} {keys.codes!r} {keys}"
    assert not any(value.hex() in shown or repr(value) in shown for value in values(keys))


def test_in_development_missing_keys_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger" / "keys.json"
    made = development_keys(path)
    assert made.is_development
    assert development_keys(path) == made == read_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: development_keys(path), range(8)))
    assert len({keys.pseudonym for keys in found}) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"keys\.json: the file with the ledger's keys is missing; restore"):
        read_keys(tmp_path / "keys.json")


def test_a_file_that_every_user_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, Keys.random())
    path.chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        read_keys(path)


def changed(path: Path, **changes: Any) -> Path:
    write_keys(path, Keys.random())
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"pseudonym": "ab"},
        {"request": "secret-marker" * 5},
        {"suppression": 5},
        {"is_development": "yes"},
        {"codes": []},
        {"codes": [5]},
        {"codes": [{"key_id": 1, "code": "00" * 32}]},
        {"codes": [{"key_id": "1", "code": "00" * 32, "lookup": "00" * 32}]},
        {"codes": [{"key_id": n, "code": "00" * 32, "lookup": "00" * 32} for n in (2, 1)]},
        {"colour": "red"},
    ],
)
def test_a_damaged_file_is_refused_without_showing_what_it_holds(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(KeysError, match=r"keys\.json: not a file of keys") as refused:
        read_keys(changed(tmp_path / "keys.json", **changes))
    assert "secret-marker" not in str(refused.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_bytes(text)
    with pytest.raises(KeysError, match=r"keys\.json: not a file of keys"):
        read_keys(path)
