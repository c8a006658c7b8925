"""A week at the tills of a small chain: a hundred households, each of which uses a coupon in a basket of its own."""

from __future__ import annotations

import os
import signal
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.ledger.ledger import Clock, Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.records import (
    Assignment,
    CampaignTerms,
    CouponTerms,
    Definitions,
)
from coupon_pipeline.simulation.records import SCHEMAS, WeekRecords
from coupon_pipeline.simulation.systems import tills
from coupon_pipeline.weeks import WEEK, Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 24), "Europe/Berlin")
ENDED_WEEK, _, FIRST, SECOND = CALENDAR.weeks
"""The coupons of the first week are over before the third one; those of the third one live for two weeks."""
OPENS, CLOSES = CALENDAR.opens_at(FIRST), CALENDAR.decision_time(FIRST)
SEED, HOUSEHOLDS = 1, 100
COUPON, OLD_COUPON = 1, 2
FACE_CENTS, PRICE_CENTS = 100, 250


def ledger(folder: Path, clock: Clock) -> Ledger:
    """The ledger of a folder."""
    return open_ledger(f"sqlite:///{folder / 'ledger.db'}", folder / "keys.json", "development", clock)


def issue_all(folder: Path) -> tuple[list[int], list[int]]:
    """Give every household a coupon of the third week, and one of the first; returns both lots of issues."""
    with ledger(folder, lambda: to_epoch(CALENDAR.opens_at(ENDED_WEEK))) as found:
        old = _issued(found, OLD_COUPON, CALENDAR.opens_at(ENDED_WEEK))
        found.claim()
    with ledger(folder, lambda: to_epoch(OPENS)) as found:
        found.expire()
        new = _issued(found, COUPON, OPENS)
        found.claim()
    return new, old


def _issued(found: Ledger, coupon: int, opens: datetime) -> list[int]:
    terms = CouponTerms(coupon, 1, FACE_CENTS, to_epoch(opens), to_epoch(opens + 2 * WEEK), product_ids=(7,))
    consents = dict.fromkeys(range(1, HOUSEHOLDS + 1), True)
    found.sync(Definitions(campaigns=(CampaignTerms(1),), coupons=(terms,), consents=consents))
    asked = [Assignment(f"decision-{coupon}-{one}", one, coupon, "app") for one in consents]
    return [outcome.issue_id or 0 for outcome in found.issue_all("pipeline", asked)]


def records(week: str, issues: list[int]) -> WeekRecords:
    """What the tills record of a week in which each household shops once, and uses its issue if there are any."""
    opens, closes = CALENDAR.opens_at(week), CALENDAR.decision_time(week)
    lines, used = [], []
    for number in range(HOUSEHOLDS):
        at = opens + timedelta(hours=9, minutes=90 * number)
        basket = 1_000_000 * (1 + CALENDAR.weeks.index(week)) + number
        place = {"basket_id": basket, "store_id": 1 + number % 4, "household_id": number + 1}
        lines += [_line(place, line, kind, at) for line, kind in ((1, "sale"), (2, "void"))]
        if issues:
            redeemed = {"issue_id": issues[number], "coupon_id": COUPON, "redeemed_at": at}
            used.append({"redemption_id": number + 1, "discount_cents": FACE_CENTS - 1, **place, **redeemed})
    tables = {"pos_lines": _table("pos_lines", lines), "redemptions": _table("redemptions", used)}
    return WeekRecords(week, opens, closes, tables)


def _line(place: dict[str, int], line: int, kind: str, at: datetime) -> dict[str, Any]:
    told = {"till_id": 3, "product_id": 7, "line_kind": kind, "quantity": 1, "gross_cents": PRICE_CENTS, "sold_at": at}
    return {**place, "line": line, **told}


def over(issues: list[int]) -> pa.Table:
    """The coupons of the first week, as coupon_issues."""
    rows = [
        {"issue_id": issue, "coupon_id": OLD_COUPON, "household_id": number + 1} for number, issue in enumerate(issues)
    ]
    return _table("coupon_issues", rows)


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = SCHEMAS[name]
    return pa.Table.from_pylist([{**dict.fromkeys(schema.names), **row} for row in rows], schema)


def tills_of(folder: Path) -> tills.Tills:
    """The tills that ask the ledger of a folder."""
    return tills.Tills(lambda clock: ledger(folder, clock), folder / "tills", SEED)


def bring_and_die(folder: Path, new: list[int], old: list[int], after: int) -> None:
    """Bring the third week, and be killed once so many calls were answered, before the last answer is noted."""
    answer, answered = tills.answer, []

    def dying(found: Ledger, call: tills.Call) -> str:
        answered.append(answer(found, call))
        if len(answered) == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answered[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tills, "answer", dying)
        tills_of(folder).bring(records(FIRST, new), over(old))


if __name__ == "__main__":
    place, count, *ids = sys.argv[1:]
    numbers = [int(one) for one in ids]
    bring_and_die(Path(place), numbers[:HOUSEHOLDS], numbers[HOUSEHOLDS:], int(count))
