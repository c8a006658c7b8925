"""A dirty chain through connectors and contracts: faults are caught by the rules they name, no clean row is lost."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from tests.proofs import journey, random_dirt
from tests.simulation.catching import (
    caught,
    clean_of,
    key_of,
    to_block,
    verdicts_on,
    wanted,
)
from tests.simulation.crm import serving
from tests.simulation.landing import source_of

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.simulation.chain import Chain
from coupon_pipeline.simulation.dirt.dirty import Level
from coupon_pipeline.simulation.dirt.faults import HARMLESS, LANDING, VOLUME
from coupon_pipeline.simulation.spec import ChainSpec
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import SourceError

SMALL = ChainSpec(
    households=500, stores=4, products=2_000, categories=40, wave_coupons=40, warmup_weeks=52, issue_weeks=40
)
SHORT_WEEKS = 6
LEVELS: tuple[Level, ...] = ("default", "hostile")


class Delivered:
    """A dirty chain, landed table by table and checked week by week."""

    def __init__(self, data: Path, level: Level, spec: ChainSpec) -> None:
        self.chain = Chain(spec, data / "chain", level)
        list(self.chain.lived(spec.warmup_weeks))
        lists = sorted((data / "chain" / "private" / "faults").glob("*.parquet"))
        self.faults = pa.concat_tables([pq.read_table(path) for path in lists])
        self.verdicts: dict[str, list[Verdict]] = {}
        self.refused: dict[tuple[str, str], str] = {}
        """Table and week -> why landing refused it."""
        with serving(data / "chain" / "feeds") as crm:
            os.environ["COUPON_CRM_URL"] = f"http://127.0.0.1:{crm.port}"
            source = source_of(data)
            for table in source.tables():
                self.verdicts[table] = self._checked(source, table)

    def _checked(self, source: Connected, table: str) -> list[Verdict]:
        landed: dict[str, pa.Table] = {}
        for week in source.calendar.weeks:
            try:
                landed[week] = source.read(table, week)
            except SourceError as error:
                self.refused[table, week] = str(error)
        clean = {name: clean_of(verdicts) for name, verdicts in self.verdicts.items()}
        return verdicts_on(table, list(landed), landed.__getitem__, partial(key_of, clean), source.calendar, clean)

    @property
    def unread(self) -> list[dict[str, str]]:
        """The faults that leave no row for a contract to judge."""
        return [entry for entry in self.faults.to_pylist() if entry["rule"] in (LANDING, VOLUME)]

    @property
    def zones(self) -> dict[int, int]:
        """Price zone of each store."""
        return {store: int(zone) + 1 for store, zone in enumerate(self.chain.world.catalogue.store_zone, 1)}


def rows(short: bool) -> Iterator[Outcome]:
    """For both levels what was injected, caught, missed and blocked; then what real data and random dirt come to."""
    spec = replace(SMALL, warmup_weeks=SHORT_WEEKS, issue_weeks=SHORT_WEEKS - 2) if short else SMALL
    for level in LEVELS:
        with TemporaryDirectory(prefix=f"dirt-{level}-") as folder:
            yield from _held(Delivered(Path(folder), level, spec), level)
    yield from journey.rows(short)
    yield from random_dirt.rows(short)


def _held(found: Delivered, level: Level) -> Iterator[Outcome]:
    expected, missed, wrong, lost = 0, Counter[str](), Counter[str](), 0
    for table, verdicts in found.verdicts.items():
        listed = wanted(found.faults, table)
        # A week that landing refused has no rows to find a fault in.
        for entry in [entry for entry in listed if (table, entry[0]) in found.refused]:
            del listed[entry]
        quarantined = caught(table, verdicts, listed, found.zones)
        expected += listed.total()
        for names, entries in ((missed, listed - quarantined), (wrong, quarantined - listed)):
            for (_, rule, _), count in entries.items():
                names[f"{table}: {rule}"] += count
        cut = {entry["delivered_in"] for entry in found.unread if entry["table"] == table}
        lost += sum(abs(_written(found, table, one.week) - one.rows_in) for one in verdicts if one.week not in cut)
    blocked = [
        f"{table} {one.week}" for table, verdicts in found.verdicts.items() for one in verdicts if not one.passed
    ]
    rules = Counter(found.faults["rule"].to_pylist())
    yield Outcome(f"{level}: faults for a contract", expected, op=">=", bar=1)
    yield Outcome(f"{level}: not caught by their rule", missed.total(), op="<=", bar=0)
    yield Outcome(f"{level}: clean rows caught", wrong.total(), op="<=", bar=0)
    yield Outcome(f"{level}: rows not landed", lost, op="<=", bar=0)
    if level == "default":
        yield Outcome(f"{level}: blocked weeks of a table", len(blocked), op="<=", bar=0)
    else:
        yield from _blocked(found, level)
    yield Outcome(f"{level}: harmless faults", rules[HARMLESS])
    for what, names in (("not caught", missed), ("wrongly caught", wrong)):
        for name, count in names.items():
            yield Outcome(f"{level}: {what}: {name}", count)
    if blocked:
        yield Outcome(f"{level}: blocked", ", ".join(blocked))
    yield from _otherwise(found, level)


def _blocked(found: Delivered, level: Level) -> Iterator[Outcome]:
    """Whether the tables and weeks that are blocked are those that the list speaks of."""
    blocked = {(table, one.week) for table, each in found.verdicts.items() for one in each if not one.passed}
    listed: set[tuple[str, str]] = set()
    for table, verdicts in found.verdicts.items():
        # The plan of a zone comes as a row for each of its stores.
        times = len(found.zones) // 2 if table == "promotions" else 1
        listed |= to_block(found.faults, table, verdicts, times)
    # What landing refuses never comes to a contract.
    listed -= set(found.refused)
    yield Outcome(f"{level}: weeks of a table to block", len(listed))
    yield Outcome(f"{level}: blocked as listed", len(blocked & listed))
    for what, names in (("listed and not blocked", listed - blocked), ("blocked and not listed", blocked - listed)):
        yield Outcome(f"{level}: {what}", len(names), op="<=", bar=0)
        for table, week in sorted(names):
            reasons = (one.reasons for one in found.verdicts[table] if one.week == week)
            yield Outcome(f"{level}: {what}: {table} {week}", "; ".join(next(reasons, ())) or "passed")


def _written(found: Delivered, table: str, week: str) -> int:
    """Rows of a week that the systems were given, as a connector sees them."""
    rows = json.loads(found.chain.systems.closed(week).read_text(encoding="utf-8"))["rows"]
    if table != "promotions":
        return rows[table]
    return len(found.zones) // 2 * rows["promotion_plan"]


def _otherwise(found: Delivered, level: Level) -> Iterator[Outcome]:
    """The faults that landing must refuse, and the emptied files that must block their week."""
    landed = 0
    for entry in found.unread:
        cause = found.refused.get((entry["table"], entry["delivered_in"]))
        landed += cause is None and entry["rule"] == LANDING
        stopped = any(one.week == entry["delivered_in"] and not one.passed for one in found.verdicts[entry["table"]])
        landing = "landed: the week is blocked" if stopped else "landed: the week passes"
        said = landing if cause is None else "refused: " + cause.split(": ", 2)[-1][:60]
        yield Outcome(f"{level}: {entry['fault']} in {entry['delivered_in']}", said)
    days = [entry["key"].split("/")[1] for entry in found.unread if entry["rule"] == LANDING]
    unasked = [table for table, cause in found.refused.items() if not any(day in cause for day in days)]
    yield Outcome(f"{level}: bad files that landed", landed, op="<=", bar=0)
    yield Outcome(f"{level}: good weeks refused", len(unasked), op="<=", bar=0)
