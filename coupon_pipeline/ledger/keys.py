"""The keys of the ledger, what codes and digests are made with, in a file that only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from coupon_pipeline.files import replacing

KEY_BYTES: Final = 32
ANYBODY: Final = 0o007
PLAIN: Final = ("pseudonym", "suppression", "request")
REMEDY: Final = "restore the file from its backup; without its keys no code of the ledger can be read"

MISSING: Final = f"{REMEDY}; where the ledger holds no coupons yet, `ledger rotate-keys` makes it"


class KeysError(ValueError):
    """Keys that are missing or damaged; the message names the file, the key and what to do, and shows no value."""


@dataclass(frozen=True)
class CodeKey:
    """What the codes of one period are made with (`code`) and found by (`lookup`), 32 bytes each."""

    key_id: int
    code: bytes = field(repr=False)
    lookup: bytes = field(repr=False)


@dataclass(frozen=True)
class Keys:
    """All keys of one ledger; its repr shows none."""

    codes: tuple[CodeKey, ...]
    """By rising id: the newest makes codes, all are accepted."""
    pseudonym: bytes = field(repr=False)
    """Makes the digest that leads from a household to its pseudonym."""
    suppression: bytes = field(repr=False)
    """Makes the digest that an erased household is remembered by."""
    request: bytes = field(repr=False)
    """Makes the digests of idempotency keys and of the parameters that belong to them."""
    is_development: bool = False
    """Made by the program itself, which production refuses."""

    @classmethod
    def random(cls, is_development: bool = False) -> Keys:
        """Keys from the system's randomness, with one code key."""
        return cls((_code_key(1),), *(secrets.token_bytes(KEY_BYTES) for _ in PLAIN), is_development)

    def rotated(self) -> Keys:
        """The same keys with one more code key, which makes the codes from then on."""
        return replace(self, codes=(*self.codes, _code_key(self.newest.key_id + 1)))

    @property
    def newest(self) -> CodeKey:
        """The code key that makes codes."""
        return self.codes[-1]

    def by_id(self, key_id: int) -> CodeKey:
        """A code key; raises KeysError if there is none of that id."""
        for key in self.codes:
            if key.key_id == key_id:
                return key
        raise KeysError(f"the ledger was written with code key {key_id}, which its key file does not hold; {REMEDY}")


def read_keys(path: Path) -> Keys:
    """The keys of a file; raises KeysError if it is missing, damaged or open to every user of the machine."""
    try:
        mode, text = path.stat().st_mode, path.read_bytes()
    except FileNotFoundError as error:
        raise KeysError(f"{path}: the file with the ledger's keys is missing; {MISSING}") from error
    except OSError as error:
        raise KeysError(f"{path}: the file with the ledger's keys cannot be read ({error.strerror})") from error
    if mode & ANYBODY:
        raise KeysError(f"{path}: every user of this machine can reach the keys; close the file: chmod 600 {path}")
    try:
        return _decoded(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise KeysError(f"{path}: not a file of keys ({error}); {REMEDY}") from None


class KeyFile:
    """The keys of a file as they are when asked for: it is read again once it is another one."""

    def __init__(self, path: Path, keys: Keys) -> None:
        """`keys` are what the file held a moment ago."""
        self._path, self._keys, self._stamp = path, keys, self._stamped(path)

    def __call__(self) -> Keys:
        """The same object as long as the file is the same; a file that is gone changes nothing. Raises KeysError."""
        stamp = self._stamped(self._path)
        if stamp is not None and stamp != self._stamp:
            self._keys, self._stamp = read_keys(self._path), stamp
        return self._keys

    @staticmethod
    def _stamped(path: Path) -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def write_keys(path: Path, keys: Keys) -> None:
    """Replace `path` by a file of `keys` with mode 0600, atomically; raises OSError."""
    write_secret(path, _encoded(keys))


def development_keys(path: Path) -> Keys:
    """The keys of a file, which is made with random ones if it is missing; processes that start at once agree.

    Raises KeysError and OSError.
    """
    if not path.exists():
        create_secret(path, _encoded(Keys.random(is_development=True)))
    return read_keys(path)


def write_secret(path: Path, text: str) -> None:
    """Replace `path` by a text that its owner alone can read, atomically; raises OSError."""
    with replacing(path) as temporary:
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_text(text, encoding="utf-8")


def create_secret(path: Path, text: str) -> None:
    """The same, but a file that is there, or that another process makes at this moment, stays; raises OSError."""
    own = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        write_secret(own, text)
        # Unlike a rename, a link fails where another process was faster.
        path.hardlink_to(own)
    except FileExistsError:
        pass
    finally:
        own.unlink(missing_ok=True)


def _code_key(key_id: int) -> CodeKey:
    return CodeKey(key_id, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))


def _encoded(keys: Keys) -> str:
    codes = [{"key_id": key.key_id, "code": key.code.hex(), "lookup": key.lookup.hex()} for key in keys.codes]
    plain = {name: getattr(keys, name).hex() for name in PLAIN}
    return json.dumps({"codes": codes, **plain, "is_development": keys.is_development}, indent=2) + "\n"


def _decoded(value: dict[str, Any]) -> Keys:
    if set(value) != {"codes", *PLAIN, "is_development"} or not isinstance(value["is_development"], bool):
        raise ValueError(f"it must have codes, {', '.join(PLAIN)} and is_development")
    codes = tuple(
        CodeKey(key["key_id"], _bytes("codes.code", key["code"]), _bytes("codes.lookup", key["lookup"]))
        for key in value["codes"]
    )
    ids = [key.key_id for key in codes]
    if not ids or not all(isinstance(key_id, int) for key_id in ids) or ids != sorted(set(ids)):
        raise ValueError("codes must hold one key at least, by rising key_id")
    return Keys(codes, *(_bytes(name, value[name]) for name in PLAIN), value["is_development"])


def _bytes(name: str, text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != KEY_BYTES:
        raise ValueError(f"{name} must have {2 * KEY_BYTES} hex digits")
    return found
