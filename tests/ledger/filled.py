"""A row at least in every table of the ledger, as a life of coupons leaves them."""

from __future__ import annotations

from typing import Any

from coupon_pipeline.ledger.schema import METADATA
from coupon_pipeline.ledger.statement import Database, Row, Statement, Transaction

ISSUE = {
    "key_id": 1,
    "coupon_id": 1,
    "campaign_id": 1,
    "category": None,
    "day": 20_000,
    "day_slot": None,
    "value_cents": 100,
    "supplier_id": 5,
    "supplier_cents": 34,
    "campaign_shard": 0,
    "supplier_shard": 0,
    "total_shard": 0,
    "issued_at": 1_000,
    "valid_from": 1_000,
    "expires_at": 9_000,
    "client": "app",
    "fingerprint": b"f" * 16,
    "decision_id": "decision",
    "arm": "policy",
    "policy": "v1",
    "propensity": 0.1 + 0.2,
    "channel": "mail",
    "is_imported": 0,
}
STATES = ("issued", "redeemed", "expired", "void", "issued")
"""Of the issues 1, 2, 3, 4 and 5; the household of the last one is not known any more."""


def issue(number: int, state: str) -> dict[str, Any]:
    """An issue; its household, code and key have its number."""
    own = {"code_hash": b"c" * 15, "pid": b"p" * 15, "idem": b"i" * 15}
    numbered = {name: value + bytes([number]) for name, value in own.items()}
    return {"issue_id": number, **ISSUE, **numbered, "slot": 0, "state": state}


ROWS: dict[str, list[dict[str, Any]]] = {
    "setting": [{"name": "timezone", "value": "Europe/Amsterdam"}, {"name": "Zone", "value": ""}],
    "campaign": [{"campaign_id": 1, "state": "open", "per_household": 3, "budget_cents": None, "paid_cents": 50}],
    "coupon": [
        {
            "coupon_id": 1,
            "campaign_id": 1,
            "category": "bakery",
            "value_cents": 100,
            "min_quantity": 1,
            "min_spend_cents": 0,
            "valid_from": 1_000,
            "expires_at": 9_000,
            "supplier_id": None,
            "supplier_share_bp": 0,
            "stacking_group": "week",
            "is_bound": 1,
        }
    ],
    "coupon_product": [{"coupon_id": 1, "product_id": 10}, {"coupon_id": 1, "product_id": 2**40}],
    "escrow": [{"scope": "total", "scope_id": 0, "shard": 0, "granted": 2**52, "reserved": 300}],
    "pseudonym": [{"household_hmac": b"h" * 15 + bytes([n]), "pid": b"p" * 15 + bytes([n])} for n in range(1, 5)],
    "consent": [{"pid": b"p" * 15 + bytes([n]), "marketing": 1, "at": 900} for n in range(1, 5)],
    "consent_change": [{"change_id": 3, "pid": b"p" * 16, "marketing": 1, "at": 900}],
    "suppression": [{"household_hmac": b"s" * 16, "at": 2_000}],
    "issue": [issue(number, state) for number, state in enumerate(STATES, start=1)],
    "redemption": [
        {
            "redemption_id": 4,
            "issue_id": 2,
            "client": "store-7",
            "idem": b"r" * 16,
            "fingerprint": b"f" * 16,
            "discount_cents": 50,
            "store_id": "7",
            "till_id": "1",
            "basket_id": "b-1",
            "stacking_group": "week",
            "at": 3_000,
            "reversed_at": None,
        }
    ],
    "request": [
        {
            "client": "store-7",
            "operation": "hold",
            "idem": b"q" * 16,
            "fingerprint": b"f" * 16,
            "issue_id": 1,
            "answer": "{}",
            "at": 4_000,
        }
    ],
    "batch": [
        {"number": 1, "known_at": 5_000, "digest": "d1", "done_at": 6_000, "trimmed_at": None},
        {"number": 2, "known_at": 7_000, "digest": "d2", "done_at": None, "trimmed_at": None},
    ],
    "batch_topic": [{"number": 1, "topic": "issued", "events": 1, "cents": 100}],
    "outbox": [
        {"event_id": event, "at": 3_000, "topic": topic, "issue_id": 2, "redemption_id": 4, "cents": 50, "batch": batch}
        for event, topic, batch in ((1, "issued", 1), (7, "redeemed", 2), (9, "reversed", None))
    ],
}
"""Table -> its rows; a table that is referenced comes first."""


def fill(database: Database) -> None:
    """Write them."""

    def work(tx: Transaction) -> None:
        for table in METADATA.sorted_tables:
            for row in ROWS[table.name]:
                names = ", ".join(row)
                values = ", ".join(f":{name}" for name in row)
                tx.run(Statement(f"insert into {table.name} ({names}) values ({values})"), **row)

    database.write(work)


def content(database: Database, without: tuple[str, ...] = ()) -> dict[str, list[Row]]:
    """All rows of all tables, without some columns."""

    def work(tx: Transaction) -> dict[str, list[Row]]:
        found = {}
        for table in METADATA.sorted_tables:
            names = ", ".join(column.name for column in table.columns if column.name not in without)
            found[table.name] = sorted(tx.all(Statement(f"select {names} from {table.name}")), key=repr)
        return found

    return database.read(work)
