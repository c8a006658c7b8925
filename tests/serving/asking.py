"""Requests to the coupon routes that are right as they stand, for tests to change."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.serving.conftest import Server
from tests.serving.world import PLAIN

from coupon_pipeline.ledger.codes import code_of
from coupon_pipeline.ledger.keys import Keys

FRESH = count(1)
LINES = [{"product_id": "7", "quantity": 2, "gross_cents": 400}]
NEVER_ISSUED = code_of(Keys.random().newest, 1)


def key() -> str:
    return f"a-key-{next(FRESH):06}"


def issue(coupon: int = PLAIN, household: str = "5", **more: Any) -> dict[str, Any]:
    return {"household_id": household, "coupon_id": str(coupon), "channel": "app", **more}


def place(code: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "store_id": "7", "till_id": "2", "basket_id": f"b-{next(FRESH)}", **more}


def basket(code: str, discount: Any = 50, **more: Any) -> dict[str, Any]:
    return place(code, **{"lines": LINES, "discount_cents": discount, **more})


def issued(server: Server, coupon: int = PLAIN, household: str = "5") -> str:
    reply = server.coupons("shop", "issue", issue(coupon, household), key())
    assert reply.status == 200, reply.json
    return reply.json["code"]
