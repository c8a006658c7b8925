"""Keys of operations that make no fact of their own: hold, reverse, void. What they answered is kept for replays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from coupon_pipeline.ledger.operations.context import LostError
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.statement import Statement, Transaction

KNOWN: Final = Statement(
    "select fingerprint, answer from request where client = :client and operation = :operation and idem = :idem"
)
ADD: Final = Statement(
    "insert into request (client, operation, idem, fingerprint, issue_id, answer, at) "
    "values (:client, :operation, :idem, :fingerprint, :issue_id, :answer, :at) on conflict do nothing returning at"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request under a key."""

    client: str
    operation: str
    idem: bytes
    fingerprint: bytes

    def answered(self, tx: Transaction) -> dict[str, Any] | None:
        """What the key was answered before; raises RefusalError where it belongs to another request."""
        found = tx.one(KNOWN, client=self.client, operation=self.operation, idem=self.idem)
        if found is None:
            return None
        if bytes(found[0]) != self.fingerprint:
            raise RefusalError(
                Reason.KEY_REUSED, "the key belongs to another request: take a fresh one for other parameters", "key"
            )
        return json.loads(found[1])

    def keep(self, tx: Transaction, issue_id: int | None, answer: dict[str, Any], at: int) -> None:
        """Keep what is answered, with the change itself; raises LostError where the same key was faster."""
        values = {"client": self.client, "operation": self.operation, "idem": self.idem, "at": at}
        told = json.dumps(answer, sort_keys=True)
        if tx.one(ADD, fingerprint=self.fingerprint, issue_id=issue_id, answer=told, **values) is None:
            raise LostError
