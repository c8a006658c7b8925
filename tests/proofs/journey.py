"""Complete Journey, real data, under the contracts: nothing of it is blocked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from tests.simulation.catching import beside, key_of

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.sources.complete_journey.source import (
    CompleteJourney,
)

LARGE = ("pos_transactions", "promotions")
SHORT_WEEKS = 12
UNREAD = ("promotions",)
"""Tables that no other is held against: 20 million rows need not stay in memory."""


def rows(short: bool) -> Iterator[Outcome]:
    """Weeks that are judged and blocked, rows in and set aside; the short form takes the last weeks of large tables."""
    source = CompleteJourney()
    absent = frozenset(reader.names()) - set(source.tables())
    clean: dict[str, dict[str, pa.Table]] = {}
    blocked: list[Verdict] = []
    weeks = rows_in = set_aside = 0
    for table in source.tables():
        chosen = source.calendar.weeks[-SHORT_WEEKS if short and table in LARGE else 0 :]
        surroundings = beside(table, partial(key_of, clean), source.calendar, clean, absent)
        clean[table] = {}
        for verdict in check_weeks(reader.load(table), chosen, partial(source.read, table), surroundings):
            weeks, rows_in, set_aside = weeks + 1, rows_in + verdict.rows_in, set_aside + verdict.quarantined.num_rows
            if not verdict.passed:
                blocked.append(verdict)
            elif table not in UNREAD:
                clean[table][verdict.week] = verdict.clean
    yield Outcome("complete journey: weeks of a table", weeks)
    yield Outcome("complete journey: rows", rows_in)
    yield Outcome("complete journey: rows in quarantine", set_aside)
    yield Outcome("complete journey: blocked weeks of a table", len(blocked), op="<=", bar=0)
    for verdict in blocked:
        yield Outcome("complete journey: blocked", "; ".join(verdict.reasons))
