"""A small bundle with a ledger beside it: coupons for the rules that HTTP words, codes that are past their use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.snapshot.factory import HOUSEHOLDS, UNCONSENTED, content

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.records import (
    Basket,
    CampaignTerms,
    CouponTerms,
    Definitions,
    Line,
)
from coupon_pipeline.ledger.statement import Statement
from coupon_pipeline.settings import Settings
from coupon_pipeline.snapshot.write import write

SOURCE: Final = "synthetic"
DECIDED: Final = to_epoch(datetime(2017, 5, 8, 4))
"""When the bundle's cycle was decided, which is when the service's time begins."""
DAY: Final = 86_400_000
PLAIN, FUSSY, BOUND, SOON, OVER, STACKED = 10, 20, 30, 40, 50, 60
"""Coupons: any basket; two of the products 7 and 8 for 3.00; with its household's card; later; past; once a basket."""
VALUE: Final = 150
LAST: Final = DECIDED + 14 * DAY
TERMS: Final = (
    CouponTerms(PLAIN, 1, VALUE, DECIDED - DAY, LAST),
    CouponTerms(FUSSY, 1, VALUE, DECIDED - DAY, LAST, min_quantity=2, min_spend_cents=300, product_ids=(7, 8)),
    CouponTerms(BOUND, 1, VALUE, DECIDED - DAY, LAST, is_bound=True),
    CouponTerms(SOON, 1, VALUE, DECIDED + 7 * DAY, LAST),
    CouponTerms(OVER, 1, VALUE, DECIDED - 9 * DAY, DECIDED - DAY),
    CouponTerms(STACKED, 1, VALUE, DECIDED - DAY, LAST, stacking_group="week"),
    CouponTerms(70, 2, VALUE, DECIDED - DAY, LAST),
    CouponTerms(80, 3, VALUE, DECIDED - DAY, LAST, max_issues=0),
    CouponTerms(90, 4, VALUE, DECIDED - DAY, LAST, category="bread"),
)
DEFINITIONS: Final = Definitions(
    campaigns=(CampaignTerms(1), CampaignTerms(2, is_open=False), CampaignTerms(3), CampaignTerms(4, per_household=1)),
    coupons=TERMS,
    consents={household: household != UNCONSENTED for household in range(1, HOUSEHOLDS + 1)},
    timezone="America/New_York",
)
ROLES: Final = {"store-7": "till", "store-8": "till", "guesser": "till", "shop": "app", "office": "batch"}
"""Clients and their roles."""


def token_of(client: str) -> str:
    """The token of a client of the tests."""
    return f"token-marker-of-{client}"


def settings_of(data: Path) -> Settings:
    """The settings of a service in a folder."""
    return Settings(data=data, source=SOURCE, api_keys=data / "api_keys.json")


def prepare(data: Path) -> Settings:
    """A bundle, a ledger that knows its coupons, and keys of clients."""
    settings = settings_of(data)
    write(settings.bundles, content())
    with ledger(settings, DECIDED - 2 * DAY) as opened:
        opened.sync(DEFINITIONS)
    spoilt(settings)
    entries = {
        hashlib.sha256(token_of(client).encode()).hexdigest(): {"client": client, "role": role}
        for client, role in ROLES.items()
    }
    (data / "api_keys.json").write_text(json.dumps(entries), encoding="utf-8")
    return settings


@contextmanager
def ledger(settings: Settings, now: int = DECIDED) -> Generator[Ledger]:
    """The ledger itself, beside the service."""
    with open_ledger(settings.ledger, settings.ledger_key_file, "development", lambda: now) as opened:
        yield opened


def spoilt(settings: Settings) -> dict[str, str]:
    """Codes that were issued and can no longer, or cannot yet, be used; the same ones whenever it is asked."""
    with ledger(settings, DECIDED - 2 * DAY) as opened:
        found = {
            name: opened.issue("office", f"spoilt-{name}", 1, coupon, "print").code
            for name, coupon in (("expired", OVER), ("void", PLAIN), ("redeemed", PLAIN), ("soon", SOON))
        }
    with ledger(settings) as opened:
        opened.void("office", "spoilt-void-it", code=found["void"])
        opened.redeem("store-8", "spoilt-redeem-it", found["redeemed"], Basket("8", "b", "1", (Line(1, 1, 500),)), 0)
    return found


def counted(settings: Settings) -> tuple[int, int, int, int]:
    """How many issues, redemptions, events and kept answers the ledger holds."""
    tables = ("issue", "redemption", "outbox", "request")
    asked = Statement("select " + ", ".join(f"(select count(*) from {table})" for table in tables))
    with ledger(settings) as opened:
        row = opened.database.read(lambda tx: tx.one(asked))
    assert row is not None
    return row[0], row[1], row[2], row[3]
