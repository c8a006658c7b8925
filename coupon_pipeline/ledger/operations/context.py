"""What every operation needs beside the database: the keys, and the digests that they make."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass

from coupon_pipeline.ledger.codes import lookup_digest, normalized
from coupon_pipeline.ledger.keys import Keys
from coupon_pipeline.ledger.reasons import Reason, RefusalError

KEY = re.compile(r"[\x20-\x7e]{8,128}")
CLIENT = re.compile(r"[\x21-\x7e]{1,64}")
DIGEST_BYTES = 16


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
        return _digest(self.keys.request, json.dumps(parameters, separators=(",", ":")).encode())

    def household(self, household_id: int) -> bytes:
        """What is stored of a household as long as it is not erased."""
        return hmac.digest(self.keys.pseudonym, str(household_id).encode(), "sha256")

    def suppressed(self, household_id: int) -> bytes:
        """What is stored of a household once it is erased."""
        return hmac.digest(self.keys.suppression, str(household_id).encode(), "sha256")

    def lookups(self, code: str) -> list[bytes]:
        """The digests that a code may be stored under, by the newest key first; none for what cannot be a code."""
        symbols = normalized(code)
        if symbols is None:
            return []
        return [lookup_digest(key, symbols) for key in reversed(self.keys.codes)]


def number_of(digest: bytes) -> int:
    """A digest as the number of a lock of PostgreSQL."""
    return int.from_bytes(digest[:8], "big", signed=True)


def check_client(client: str) -> str:
    """The client itself; raises RefusalError where its name cannot be stored."""
    if not CLIENT.fullmatch(client):
        raise RefusalError(Reason.INVALID_KEY, "a client's name has 1 to 64 printable characters", "client")
    return client


def _digest(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")[:DIGEST_BYTES]
