"""Writes a week into all systems of the chain, and says last that it is complete."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from coupon_pipeline.files import write_text
from coupon_pipeline.simulation.feeds import bills, crm, erp, issues, pos
from coupon_pipeline.simulation.feeds.database import drop_all
from coupon_pipeline.simulation.feeds.delivery import Delivery


@dataclass(frozen=True)
class Systems:
    """Where the chain's systems keep their data; the URLs are those of PostgreSQL databases, else files in `feeds`."""

    feeds: Path
    timezone: str
    seed: int
    erp_url: str | None = None
    coupons_url: str | None = None

    @property
    def erp(self) -> Path | str:
        """The ERP's database."""
        return self.erp_url or self.feeds / "erp.db"

    @property
    def coupons(self) -> Path | str:
        """The database of issued coupons."""
        return self.coupons_url or self.feeds / issues.DATABASE

    def closed(self, week: str) -> Path:
        """The file that says that a week is complete."""
        return self.feeds / "closed" / f"{week}.json"

    def drop(self) -> None:
        """Remove what another world has left in the databases that are not files of `feeds`."""
        for url, module in ((self.erp_url, erp), (self.coupons_url, issues)):
            if url is not None:
                drop_all(url, module.METADATA)


def write_week(systems: Systems, delivery: Delivery) -> dict[str, int]:
    """Write a week, or write it again after a kill, with the same result; returns rows per table."""
    closed = systems.closed(delivery.records.week)
    closed.unlink(missing_ok=True)
    crm.write_token(systems.feeds, systems.seed)
    rows = {
        **pos.write_week(systems.feeds, delivery, systems.timezone),
        **bills.write_week(systems.feeds, delivery, systems.timezone),
        **erp.write_week(systems.erp, delivery),
        **crm.write_week(systems.feeds, delivery),
        **issues.write_week(systems.coupons, delivery),
    }
    # The drops were written without a sync each: all of them reach the disk before the week is said to be complete.
    os.sync()
    write_text(closed, json.dumps({"week": delivery.records.week, "rows": rows}, indent=1))
    return rows
