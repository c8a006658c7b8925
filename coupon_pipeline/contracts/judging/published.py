"""Reads from the store what a table's weeks are judged beside: keys and figures of what is published already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.compiling.named_rules import RECONCILE
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.reconciling import measured
from coupon_pipeline.contracts.judging.references import Reference
from coupon_pipeline.contracts.judging.seen import NO_KEYS, hashed
from coupon_pipeline.contracts.judging.surroundings import (
    WEEKS_BACK,
    Past,
    Surroundings,
)
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.files import write_text
from coupon_pipeline.tables import Store

PROFILE, JUDGED_BY = b"profile", b"contract_digest"
"""Metadata of clean and quarantine files."""
VERDICT = "verdict.json"
"""Beside the results page of a week: what was judged, by which contract, and whether the week was fit to use."""


def surroundings(store: Store, contract: Contract, weeks: Sequence[str]) -> Surroundings:
    """What a range of weeks of a table is judged beside; raises MissingWeekError for a gap in a mandatory table."""
    absent = frozenset(name for name in contract.others if not store.delivers(name))
    against = [rule for rule in contract.rules if rule.reference and rule.other not in absent]
    keys = {str(rule.reference) for rule in against if rule.expectation != RECONCILE}
    return Surroundings(
        opens_at=store.calendar.opens_at,
        closes_at=store.calendar.decision_time,
        references={target: _reference(store, *target.split("."), weeks[-1]) for target in sorted(keys)},
        measures={rule.id: _measure(store, rule, weeks) for rule in against if rule.expectation == RECONCILE},
        past=tuple(_past(store, contract, weeks[0])),
        absent=absent,
    )


def publish(store: Store, contract: Contract, verdict: Verdict, digest: str) -> None:
    """Write the clean and the quarantined rows of a week, with what later weeks and plans read of them.

    Of a week that is not fit to use the quarantine alone; and nothing where the week was published before: what is
    published stays whole, until a delivery comes that is fit. The verdict is kept in any case.
    """
    was_published = store.path("clean", contract.name, verdict.week).exists()
    judged = {JUDGED_BY: contract.digest}
    if verdict.passed or not was_published:
        store.write("quarantine", contract.name, verdict.week, _with(verdict.quarantined, judged), digest)
    if verdict.passed:
        figures = {PROFILE: json.dumps(dict(verdict.profile), sort_keys=True)}
        store.write("clean", contract.name, verdict.week, _with(verdict.clean, judged | figures), digest)
    told = {"digest": digest, "contract": contract.digest, "passed": verdict.passed}
    write_text(_verdict(store, contract.name, verdict.week), json.dumps(told) + "\n")


def is_refused(store: Store, contract: Contract, week: str, digest: str) -> bool:
    """Whether a week of this digest was found unfit to use by this very contract."""
    try:
        told = json.loads(_verdict(store, contract.name, week).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return told == {"digest": digest, "contract": contract.digest, "passed": False}


def _verdict(store: Store, table: str, week: str) -> Path:
    return store.path("results", table, week).with_name(VERDICT)


def _with(rows: pa.Table, metadata: dict[bytes, str]) -> pa.Table:
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), **metadata})


def _reference(store: Store, table: str, column: str, last: str) -> Reference:
    """The keys of a table, with the week in which each became known, up to a week."""
    weeks = list(_weeks(store, table, last))
    keys = [store.read("clean", table, week, [column])[column].to_numpy() for week in weeks]
    first = np.concatenate([np.empty(0, int), *(np.full(len(found), n) for n, found in enumerate(keys))])
    # unique() gives the position of the first occurrence, and weeks are in order.
    distinct, positions = np.unique(np.concatenate([np.empty(0, np.int64), *keys]), return_index=True)
    return Reference(distinct, np.asarray(weeks, "datetime64[D]")[first[positions]])


def _measure(store: Store, rule: Rule, weeks: Sequence[str]) -> pa.Table:
    earliest = np.datetime64(weeks[0], "D") - np.timedelta64(7 * rule.kwargs["weeks_back"], "D")
    found = [week for week in _weeks(store, str(rule.other), weeks[-1]) if np.datetime64(week, "D") >= earliest]
    return measured(rule, {week: store.read("clean", str(rule.other), week) for week in found})


def _weeks(store: Store, table: str, last: str) -> Iterator[str]:
    """The weeks of a table up to one, without the gaps that an optional one may have."""
    optional = not reader.load(table).mandatory
    for week in store.calendar.weeks:
        if week <= last and not (optional and not store.path("clean", table, week).exists()):
            yield week


def _past(store: Store, contract: Contract, first: str) -> Iterator[Past]:
    """The last clean weeks before one, oldest first."""
    before = [week for week in store.calendar.weeks if week < first]
    clean = [week for week in before if store.path("clean", contract.name, week).exists()]
    for week in clean[-WEEKS_BACK:]:
        metadata = store.metadata("clean", contract.name, week)
        keys = NO_KEYS
        if contract.kind == "fact":
            keys = hashed(store.read("clean", contract.name, week, list(contract.key)), contract.key)
        yield Past(week, json.loads(metadata.get(PROFILE, b"{}")), keys)
