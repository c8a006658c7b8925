"""Holds the list of injected faults against what the contracts have quarantined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import pyarrow as pa

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.check import check_weeks
from coupon_pipeline.contracts.references import Reference
from coupon_pipeline.contracts.verdict import Verdict
from coupon_pipeline.simulation.dirt.faults import HARMLESS, LANDING, VOLUME
from coupon_pipeline.weeks import Calendar

Caught = Counter[tuple[str, str, str]]
"""Week, rule and key of a bad row -> how often."""
OTHERWISE = (HARMLESS, LANDING, VOLUME)
"""Instead of a rule of a contract."""


def verdicts_on(
    table: str,
    weeks: Sequence[str],
    read: Callable[[str], pa.Table],
    reference: Callable[[str, str], Reference],
    calendar: Calendar,
) -> list[Verdict]:
    """The verdicts on weeks of a table; `reference` gives the keys of a column of another table."""
    contract = reader.load(table)
    references = {target: reference(*target.split(".")) for target in contract.references.values()}
    return list(check_weeks(contract, weeks, read, references, calendar.opens_at, calendar.decision_time))


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
