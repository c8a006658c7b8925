"""Codes of issues: 80 bits that nobody can guess and one symbol that catches a slip of the finger.

A code is made from the number of its issue, so that it need not be kept: the ledger holds only a digest to find it by.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from coupon_pipeline.ledger.keys import CodeKey

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
CHECK_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Symbols of ISO 7064 MOD 37,36."""
SYMBOLS: Final = 17
CODE_BYTES: Final = 10
DIGEST_BYTES: Final = 16
SHORTEST, LONGEST = 17, 24
"""Characters that are looked at; the printed form has 20."""

PAIRS: Final = tuple((first + second).encode() for first in ALPHABET for second in ALPHABET)
"""Ten bits -> two symbols."""
SHIFTS: Final = range(8 * CODE_BYTES - 10, -1, -10)
START: Final = 36


def _steps() -> tuple[bytes, ...]:
    """Product so far (0 to 36), ASCII symbol -> product after it; 0 stands for a text that is no code."""
    table = [bytearray(256) for _ in range(37)]
    for product in range(1, 37):
        for symbol in ALPHABET:
            value = (product + CHECK_ALPHABET.index(symbol)) % 36 or 36
            table[product][ord(symbol)] = value * 2 % 37
    return tuple(bytes(row) for row in table)


def _typed() -> bytes:
    """ASCII character as typed -> symbol; `?` for all that is none."""
    table = bytearray(b"?" * 256)
    for symbol in ALPHABET:
        table[ord(symbol)] = table[ord(symbol.lower())] = ord(symbol)
    for lookalike, symbol in zip("IiLlOo", "111100", strict=True):
        table[ord(lookalike)] = ord(symbol)
    return bytes(table)


STEPS: Final = _steps()
TYPED: Final = _typed()


def code_of(key: CodeKey, issue_id: int) -> str:
    """The code of an issue as printed, `XXXX-XXXX-XXXX-XXXXX`; the same key and issue give the same code."""
    code = symbols_of(key, issue_id).decode()
    return f"{code[:4]}-{code[4:8]}-{code[8:12]}-{code[12:]}"


def symbols_of(key: CodeKey, issue_id: int) -> bytes:
    """The 17 symbols of an issue's code: 80 bits of a keyed digest of the issue, and the check symbol."""
    counter, issue = 0, issue_id.to_bytes(8, "big")
    while True:
        digest = blake2b(issue + counter.to_bytes(2, "big"), key=key.code, digest_size=CODE_BYTES).digest()
        number = int.from_bytes(digest, "big")
        text = b"".join([PAIRS[number >> shift & 1023] for shift in SHIFTS])
        check = CHECK_ALPHABET[(37 - _product(text)) % 36]
        if check in ALPHABET:
            return text + check.encode()
        # About one in nine: its check symbol would be read as a digit.
        counter += 1


def normalized(text: str) -> str | None:
    """The 17 symbols of a code as somebody typed it; None if it cannot be a code.

    Case, spaces and dashes do not matter, I and L are read as 1, O as 0.
    """
    if not (SHORTEST <= len(text) <= LONGEST and text.isascii()):
        return None
    symbols = text.encode().translate(TYPED, b" -")
    if len(symbols) != SYMBOLS:
        return None
    product = _product(symbols[:-1])
    if not product or symbols[-1] != ord(CHECK_ALPHABET[(37 - product) % 36]):
        return None
    return symbols.decode()


def lookup_digest(key: CodeKey, code17: str) -> bytes:
    """The 16 bytes that the ledger finds a code by; `code17` as `normalized` gives it."""
    return symbols_digest(key, code17.encode())


def symbols_digest(key: CodeKey, symbols: bytes) -> bytes:
    """The same for the 17 symbols as bytes."""
    return blake2b(symbols, key=key.lookup, digest_size=DIGEST_BYTES).digest()


def _product(symbols: bytes) -> int:
    product = START
    for symbol in symbols:
        product = STEPS[product][symbol]
    return product
