"""Holds the list of injected faults against what the contracts have quarantined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.compiling.builtin_rules import (
    HARMLESS as IN_CLEAN_ALREADY,
)
from coupon_pipeline.contracts.compiling.named_rules import RECONCILE
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.reconciling import measured
from coupon_pipeline.contracts.judging.references import Reference
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.simulation.dirt.faults import HARMLESS, LANDING, VOLUME
from coupon_pipeline.weeks import Calendar

Caught = Counter[tuple[str, str, str]]
"""Week, rule and key of a bad row -> how often."""
Weeks = Mapping[str, pa.Table]
"""Week -> the clean rows of a table."""
NOTHING: Mapping[str, Weeks] = MappingProxyType({})
OTHERWISE = (HARMLESS, LANDING, VOLUME)
"""Instead of a rule of a contract."""


def verdicts_on(
    table: str,
    weeks: Sequence[str],
    read: Callable[[str], pa.Table],
    reference: Callable[[str, str], Reference],
    calendar: Calendar,
    clean: Mapping[str, Weeks] = NOTHING,
) -> list[Verdict]:
    """The verdicts on weeks of a table; `reference` gives the keys of a column of another table."""
    return list(check_weeks(reader.load(table), weeks, read, beside(table, reference, calendar, clean)))


def beside(
    table: str,
    reference: Callable[[str, str], Reference],
    calendar: Calendar,
    clean: Mapping[str, Weeks] = NOTHING,
    absent: frozenset[str] = frozenset(),
) -> Surroundings:
    """What the weeks of a table are judged beside, without a store and from the first week on.

    `clean` has the clean weeks of other tables, with which rows are reconciled: one that is not there leaves them all
    alone. Rules on `absent` tables do not apply.
    """
    rules = [rule for rule in reader.load(table).rules if rule.reference and rule.other not in absent]
    targets = {str(rule.reference) for rule in rules if rule.expectation != RECONCILE}
    return Surroundings(
        calendar.opens_at,
        calendar.decision_time,
        references={target: reference(*target.split(".")) for target in sorted(targets)},
        measures={
            rule.id: measured(rule, clean.get(str(rule.other), {})) for rule in rules if rule.expectation == RECONCILE
        },
        absent=absent,
    )


def clean_of(verdicts: Iterable[Verdict]) -> dict[str, pa.Table]:
    """The clean rows of the weeks that passed."""
    return {verdict.week: verdict.clean for verdict in verdicts if verdict.passed}


def key_of(clean: Mapping[str, Weeks], table: str, column: str) -> Reference:
    """The keys of a column in the clean weeks of its table, each with the week in which it became known."""
    keys = [rows.column(column).to_numpy() for rows in clean[table].values()]
    weeks = np.repeat(list(clean[table]), [len(found) for found in keys])
    unique, first = np.unique(np.concatenate([np.empty(0, np.int64), *keys]), return_index=True)
    return Reference(unique, weeks[first])


def to_block(faults: pa.Table, table: str, verdicts: Iterable[Verdict], times: int = 1) -> set[tuple[str, str]]:
    """Table and weeks that the private list says must be blocked: emptied files, or more bad rows than are allowed.

    `times` is how many rows of the table an entry stands for.
    """
    contract = reader.load(table)
    harmful = {rule.id for rule in contract.rules if rule.action == "quarantine"} - IN_CLEAN_ALREADY
    bad = Counter(week for week, rule, _ in wanted(faults, table).elements() if rule in harmful)
    entries = (entry for entry in faults.to_pylist() if entry["table"] == table and entry["rule"] == VOLUME)
    emptied = {(table, entry["delivered_in"]) for entry in entries}
    too_bad = (one.week for one in verdicts if contract.is_too_bad(bad[one.week] * times, one.rows_in))
    return emptied | {(table, week) for week in too_bad}


def wanted(faults: pa.Table, table: str) -> Caught:
    """What the contracts should find in a table, by the private list."""
    entries = (entry for entry in faults.to_pylist() if entry["table"] == table and entry["rule"] not in OTHERWISE)
    return Counter((entry["delivered_in"], entry["rule"], entry["key"]) for entry in entries)


def caught(table: str, verdicts: Iterable[Verdict], listed: Caught, zone_of: Mapping[int, int]) -> Caught:
    """What they have found, with the columns of the listed keys; `zone_of` gives the price zone of each store."""
    columns = next(([part.split("=")[0] for part in key.split(", ")] for _, _, key in listed), [])
    key = partial(_key, table, columns=columns, zone_of=zone_of)
    found = Counter(
        (verdict.week, row["_rule"], key(row)) for verdict in verdicts for row in verdict.quarantined.to_pylist()
    )
    if table != "promotions":
        return found
    # A row of the plan is one for each of its zone's stores: as often as that, it is the plan's row once.
    stores = Counter(str(zone) for zone in zone_of.values())
    times = {entry: stores[entry[2].rsplit("price_zone=", 1)[-1].split(", ")[0]] for entry in found}
    return Counter({entry: count / times[entry] if times[entry] else count for entry, count in found.items()})


def _key(table: str, row: Mapping[str, str | None], columns: Sequence[str], zone_of: Mapping[int, int]) -> str:
    zone = {"price_zone": str(zone_of.get(int(row["store_id"] or 0)))} if table == "promotions" else {}
    cells = {name: "null" if row.get(name) is None else str(row[name]) for name in columns if name not in zone} | zone
    return ", ".join(f"{name}={cells[name].removesuffix('.000000')}" for name in columns)
