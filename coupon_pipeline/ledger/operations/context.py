"""What every operation needs beside the database: the keys, and the digests that they make."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from coupon_pipeline.ledger.codes import lookup_digest, normalized
from coupon_pipeline.ledger.keys import Keys
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError
from coupon_pipeline.ledger.statement import T

KEY = re.compile(r"[\x20-\x7e]{8,128}")
CLIENT = re.compile(r"[\x21-\x7e]{1,64}")
DIGEST_BYTES = 16
TRIES = 4
"""How often a race may be lost before the caller is told to ask again."""
LONGEST_TEXT = 128


class LostError(Exception):
    """Raised by work that lost a race, so that it is undone: the caller looks again and says what holds by then."""


@dataclass(frozen=True)
class Context:
    """The keys of one ledger, and the digests that stand for what the database must not hold."""

    keys: Keys

    def idem(self, key: str) -> bytes:
        """What is stored of an idempotency key; raises RefusalError for one that cannot be used."""
        if not KEY.fullmatch(key):
            raise RefusalError(Reason.INVALID_KEY, "give a key of 8 to 128 printable ASCII characters", "key")
        return _digest(self.keys.request, key.encode())

    def fingerprint(self, *parameters: object) -> bytes:
        """Digest of a request's parameters, which tells a retry from another request with the same key."""
        return self.digest(json.dumps(parameters, separators=(",", ":")).encode())

    def digest(self, text: bytes) -> bytes:
        """Keyed digest of what the database must recognise and must not hold."""
        return _digest(self.keys.request, text)

    def household(self, household_id: int) -> bytes:
        """What is stored of a household as long as it is not erased."""
        return _digest(self.keys.pseudonym, str(household_id).encode())

    def suppressed(self, household_id: int) -> bytes:
        """What is stored of a household once it is erased."""
        return _digest(self.keys.suppression, str(household_id).encode())

    def lookups(self, code: str) -> list[bytes]:
        """The digests that a code may be stored under, by the newest key first; none for what cannot be a code."""
        symbols = normalized(code)
        if symbols is None:
            return []
        return [lookup_digest(key, symbols) for key in reversed(self.keys.codes)]


def check_text(field: str, text: str | None) -> None:
    """Raise RefusalError for a text that not every database could store."""
    if text is not None and not (text.isprintable() and 1 <= len(text) <= LONGEST_TEXT):
        raise RefusalError(Reason.INVALID_TEXT, f"give 1 to {LONGEST_TEXT} printable characters", field)


def fits(number: int) -> bool:
    """Whether a number can be an id: what does not fit into 64 bits is the id of nothing."""
    return -(2**63) <= number < 2**63


def number_of(digest: bytes) -> int:
    """A digest as the number of a lock of PostgreSQL."""
    return int.from_bytes(digest[:8], "big", signed=True)


def until_settled(attempt: Callable[[], T]) -> T:
    """What an attempt comes to, which looks again each time it has lost a race; raises UnavailableError in the end."""
    for _ in range(TRIES):
        try:
            return attempt()
        except LostError:
            continue
    raise UnavailableError(Reason.OUTCOME_UNKNOWN, "too many at once: send the same request with the same key again")


def check_client(client: str) -> str:
    """The client itself; raises RefusalError where its name cannot be stored."""
    if not CLIENT.fullmatch(client):
        raise RefusalError(Reason.INVALID_KEY, "a client's name has 1 to 64 printable characters", "client")
    return client


def _digest(key: bytes, text: bytes) -> bytes:
    """Keyed BLAKE2b, which is a MAC by itself (RFC 7693): half the time of an HMAC, which bulk issues feel."""
    return blake2b(text, key=key, digest_size=DIGEST_BYTES).digest()
