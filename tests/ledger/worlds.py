"""A small world for the tests of the ledger: two campaigns, a coupon for every rule, a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.keys import CodeKey, Keys
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import (
    Basket,
    CampaignTerms,
    CouponTerms,
    Definitions,
    Held,
    Issued,
    Line,
    Redeemed,
    Reversed,
    Synced,
)
from coupon_pipeline.ledger.statement import Database, Statement

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW = 1_741_597_200_000
"""Monday 2025-03-10, 09:00 UTC."""
KEYS = Keys(
    codes=(CodeKey(1, b"code" * 8, b"look" * 8),),
    pseudonym=b"pseu" * 8,
    suppression=b"supp" * 8,
    request=b"requ" * 8,
    is_development=True,
)
APP, TILL, OTHER_TILL, OFFICE = "app", "store-7", "store-8", "office"
HOUSEHOLDS = (1, 2, 3, 4)
SILENT = 9
"""A household that has not agreed to be sent coupons."""
SPRING, DAIRY_WEEK = 1, 2
SUPPLIER = 5
BREAD_PRODUCTS, CAKE_PRODUCTS, OTHER_PRODUCT = (10, 11), (12,), 99

PLAIN = CouponTerms(1, SPRING, 100, NOW - DAY, NOW + 3 * DAY)
BREAD = CouponTerms(
    2, SPRING, 150, NOW - DAY, NOW + 3 * DAY, category="bakery", min_quantity=2, product_ids=BREAD_PRODUCTS
)
CAKE = CouponTerms(
    3, DAIRY_WEEK, 101, NOW - DAY, NOW + 2 * DAY, category="bakery", min_spend_cents=500, product_ids=CAKE_PRODUCTS
)
BOUND = CouponTerms(4, DAIRY_WEEK, 250, NOW - DAY, NOW + 3 * DAY, is_bound=True)
STACKED = CouponTerms(5, SPRING, 120, NOW - DAY, NOW + 3 * DAY, stacking_group="week")
STACKED_TOO = CouponTerms(6, DAIRY_WEEK, 130, NOW - DAY, NOW + 3 * DAY, stacking_group="week")
FUNDED = CouponTerms(7, DAIRY_WEEK, 101, NOW - DAY, NOW + 3 * DAY, supplier_id=SUPPLIER, supplier_share_bp=3_333)
OVER = CouponTerms(8, DAIRY_WEEK, 100, NOW - 9 * DAY, NOW - DAY)
SOON = CouponTerms(9, DAIRY_WEEK, 100, NOW + 2 * HOUR, NOW + 2 * DAY)
BRIEF = CouponTerms(10, SPRING, 100, NOW - HOUR, NOW + HOUR, category="snacks", stacking_group="week")
SCARCE = CouponTerms(11, DAIRY_WEEK, 100, NOW - DAY, NOW + 3 * DAY, max_issues=2)
COUPONS = (PLAIN, BREAD, CAKE, BOUND, STACKED, STACKED_TOO, FUNDED, OVER, SOON, BRIEF, SCARCE)
FUNDED_CENTS = 34
"""The supplier's part of FUNDED: 33.66 cents, rounded up."""
DEFINITIONS = Definitions(
    campaigns=(CampaignTerms(SPRING), CampaignTerms(DAIRY_WEEK)),
    coupons=COUPONS,
    consents=dict.fromkeys(HOUSEHOLDS, True) | {SILENT: False},
)
FITTING = (Line(10, 1, 150), Line(11, 1, 150), Line(12, 1, 600), Line(OTHER_PRODUCT, 1, 1_000))
"""Lines with which every coupon can be redeemed."""
NUMBERS = count(1)


class SettableClock:
    """Epoch milliseconds, as set."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def tick(self, milliseconds: int) -> None:
        """Go on, or back."""
        self.now += milliseconds


def basket(
    lines: tuple[Line, ...] | None = FITTING, household: int | None = None, store: str = TILL, number: str | None = None
) -> Basket:
    """A basket of its own, unless it is given a number."""
    return Basket(store, number or f"basket-{next(NUMBERS)}", "till-1", lines, household)


def fresh_key() -> str:
    """A key that no request has had."""
    return f"key-{next(NUMBERS):08}"


def opened(url: str, clock: SettableClock | None = None, keys: Keys = KEYS) -> Ledger:
    """A ledger at `url` that knows the definitions above."""
    ledger = Ledger(open_database(url), keys, clock or SettableClock())
    ledger.sync(DEFINITIONS)
    return ledger


@contextmanager
def refused(reason: Reason) -> Generator[None]:
    """What is done within must be refused for this reason."""
    with pytest.raises(RefusalError) as caught:
        yield
    assert caught.value.reason is reason


class World:
    """A ledger with its clock and its database, and short ways to ask it."""

    def __init__(self, database: Database, definitions: Definitions = DEFINITIONS) -> None:
        self.clock, self.database = SettableClock(), database
        self.ledger = Ledger(database, KEYS, self.clock)
        self.ledger.sync(definitions)

    def sync(self, *campaigns: CampaignTerms, **changes: Any) -> Synced:
        """Change campaigns, or any other field of the definitions; the rest stays as it is."""
        return self.ledger.sync(replace(Definitions(campaigns=campaigns), **changes))

    def issue(
        self, coupon: CouponTerms = PLAIN, household: int = 1, key: str | None = None, client: str = APP
    ) -> Issued:
        """Issue under a fresh key."""
        return self.ledger.issue(client, key or fresh_key(), household, coupon.coupon_id, "app")

    def hold(
        self,
        issued: Issued,
        within: Basket | None = None,
        key: str | None = None,
        client: str = TILL,
        seconds: int = 300,
    ) -> Held:
        """Hold for a basket that fits."""
        return self.ledger.hold(client, key or fresh_key(), issued.code, within or basket(), seconds)

    def redeem(
        self,
        issued: Issued,
        within: Basket | None = None,
        discount: int = 50,
        key: str | None = None,
        client: str = TILL,
    ) -> Redeemed:
        """Redeem with a basket that fits."""
        return self.ledger.redeem(client, key or fresh_key(), issued.code, within or basket(), discount)

    def reverse(self, redeem_key: str, key: str | None = None, client: str = TILL) -> Reversed:
        """Undo what was redeemed with `redeem_key`."""
        return self.ledger.reverse(client, key or fresh_key(), redeem_key)

    def rows(self, text: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a query finds in the database."""
        return self.database.read(lambda transaction: transaction.all(Statement(text), **values))

    def state(self, issued: Issued) -> str:
        """State of an issue."""
        return self.rows("select state from issue where issue_id = :wanted", wanted=issued.issue_id)[0][0]

    def reserved(self, scope: str, scope_id: int) -> int:
        """What is reserved in a scope, over all its shards."""
        wanted = "select coalesce(sum(reserved), 0) from escrow where scope = :wanted and scope_id = :wanted_id"
        return int(self.rows(wanted, wanted=scope, wanted_id=scope_id)[0][0])

    def topics(self) -> list[str]:
        """Topics of all events, oldest first."""
        return [topic for (topic,) in self.rows("select topic from outbox order by event_id")]

    def wrong(self) -> list[str]:
        """The audit's checks that fail: none where the books close."""
        return [check.name for check in audit(self.database) if not check.passed]
