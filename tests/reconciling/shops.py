"""A shop of one store with a ledger, tills and bills: a test says what each of them has of a day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from assets.pipeline import Pipeline
from tests.clean import clean_store
from tests.ledger.worlds import (
    PLAIN,
    World,
    basket,
)

from coupon_pipeline.clock import from_epoch, to_epoch
from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources import exports
from coupon_pipeline.sources.ledgered import ORIGIN_FROM, REDEMPTIONS_ABOVE
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 17), "America/New_York")
BEFORE, FIRST, NEXT = CALENDAR.weeks
DAY = date(2025, 3, 10)
"""The Monday on which the ledger begins."""
STORE, ABOVE = "7", 5_000
"""The ledger's redemptions leave it with ids above those of the system before it."""


class Systems:
    """The grocer's systems, which the store has been filled from."""

    name, currency, calendar = "shop", "EUR", CALENDAR

    def tables(self) -> tuple[str, ...]:
        return ("pos_transactions", "bills", "coupon_redemptions")


class Shop:
    """The books of the shop; `closed` writes down what the tills have."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data=folder, source="shop")
        self.pipeline = Pipeline(self.settings)
        self.pipeline.__dict__["source"] = Systems()
        self.path = self.settings.ledger_folder / "ledger.db"
        self.path.parent.mkdir(parents=True)
        self.database = open_database(self.settings.ledger)
        self.world = World(self.database)
        self.ledger, self.clock = self.world.ledger, self.world.clock
        self.ledger.set_setting(ORIGIN_FROM, FIRST)
        self.ledger.set_setting(REDEMPTIONS_ABOVE, str(ABOVE))
        self.lines: list[dict[str, Any]] = []
        self.bills: list[dict[str, Any]] = []
        self.codes: list[str] = []

    def redeem(self, number: int, cents: int, household: int = 1, key: str | None = None) -> int:
        """Redeem a coupon in a basket; returns the id that its redemption is exported with."""
        issued = self.world.issue(PLAIN, household)
        self.codes.append(issued.code)
        within = basket(store=STORE, number=str(number))
        return ABOVE + self.world.redeem(issued, within, cents, key).redemption_id

    def sell(self, number: int, cents: int, other: int = 0, known: datetime | None = None, kind: str = "sale") -> None:
        """A line of a basket with a discount of coupons, and others, at the time of the ledger's clock."""
        sold_at = from_epoch(self.clock.now)
        self.lines.append(
            {
                "basket_id": number,
                "line": len(self.lines) + 1,
                "store_id": int(STORE),
                "product_id": 1,
                "line_kind": kind,
                "coupon_discount_cents": cents,
                "retail_discount_cents": other,
                "match_discount_cents": 0,
                "sold_at": sold_at,
                "known_at": known or sold_at + timedelta(hours=1),
            }
        )

    def bill(self, number: int, cents: int) -> None:
        """A bill of a basket, with all its discounts, at the time of the ledger's clock."""
        at = from_epoch(self.clock.now)
        cells = {"bill_id": number, "store_id": int(STORE), "discount_cents": cents, "issued_at": at}
        self.bills.append(cells | {"known_at": at + timedelta(hours=1)})

    def export(self) -> None:
        """Claim what has happened, and land it in the weeks in which it is known."""
        self.ledger.claim()
        for week in CALENDAR.weeks:
            span = (to_epoch(CALENDAR.opens_at(week)), to_epoch(CALENDAR.decision_time(week)))
            found = self.ledger.exported_redemptions(*span, [1, 2, 3, 4])
            numbers = dict.fromkeys(("basket_id", "store_id"), exports.plain_numbers)
            rows = exports.redemptions(found, ABOVE, numbers)
            self.pipeline.store.write("raw", "coupon_redemptions", week, rows, "")

    def set_aside(self, week: str, *sold_at: str) -> None:
        """Lines that came in a week and wait in quarantine."""
        names = [field.name for field in arrow.schema(reader.load("pos_transactions"))]
        row = dict.fromkeys([*names, "_rule"], "1") | {"known_at": f"{week} 12:00:00", "_rule": "line_kind.enum"}
        rows = [row | {"basket_id": str(900 + number), "sold_at": at} for number, at in enumerate(sold_at)]
        self.pipeline.store.write("quarantine", "pos_transactions", week, pa.Table.from_pylist(rows), "")

    def closed(self) -> Pipeline:
        """The pipeline, with what the tills and the bills have."""
        tables = {"pos_transactions": self.lines, "bills": self.bills}
        clean_store(self.pipeline.store.root, CALENDAR, tables)
        return self.pipeline
