"""Checks waiting rows anew, as rows of the newest week, and keeps those that pass for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.contract import KNOWN_AT, Contract
from coupon_pipeline.contracts.judging.casting import cast
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.seen import hashed
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.contracts.mending.replays import REPLAYS, with_replays
from coupon_pipeline.contracts.mending.waiting import NO_KEY, WEEK
from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.tables import Store


class RefusedReplayError(RuntimeError):
    """A week into which no row can be let; the message says why and what to do."""


@dataclass(frozen=True)
class Passing:
    """What may be let in: `rows` of weeks before, as the replays hold them, and `own`, how many of the week itself."""

    rows: pa.Table
    own: int


def passing(
    contract: Contract,
    rows: pa.Table,
    chosen: np.ndarray,
    week: str,
    landed: pa.Table,
    beside: Surroundings,
) -> Passing:
    """Which of all waiting rows of a table, where they are `chosen` (bool), pass today's contract as rows of a week.

    They are judged with what `landed` in it. Of several versions of a key the one that became known last is checked,
    chosen or not: once an older one was clean, nobody would see that the last one waits. Raises RefusedReplayError
    where the week would not be fit to use.
    """
    is_own = np.array([each == week for each in rows[WEEK].to_pylist()], bool)
    keep = chosen & ~is_own & _is_newest(contract, rows, beside) & _is_readable(contract, rows)
    again = _as_rows_of(week, beside, rows.filter(pa.array(keep)))
    own = rows.filter(pa.array(chosen & is_own))["_row"].drop_null().to_numpy()
    for _ in range(2):
        # Once more without those that fail: their share must not block the week, nor a key of theirs another row.
        verdict = _verdict(contract, week, with_replays(landed, again), beside)
        passed = verdict.keep[landed.num_rows :]
        again = again.filter(pa.array(passed)).combine_chunks()
        if passed.all():
            break
    if not verdict.passed:
        raise RefusedReplayError(f"{'; '.join(verdict.reasons)}; until that week is fit to use no row is let in")
    return Passing(again, int(verdict.keep[own].sum()))


def let_in(store: Store, table: str, week: str, rows: pa.Table) -> None:
    """Append rows to the replays of a week."""
    before = [store.read(REPLAYS, table, week)] if store.path(REPLAYS, table, week).exists() else []
    whole = pa.concat_tables([*before, rows]).replace_schema_metadata().combine_chunks()
    digest = fingerprint([[name, whole[name].to_pylist()] for name in whole.column_names])
    store.write(REPLAYS, table, week, whole, digest)


def _verdict(contract: Contract, week: str, rows: pa.Table, beside: Surroundings) -> Verdict:
    [verdict] = check_weeks(contract, [week], lambda _: rows, beside)
    return verdict


def _as_rows_of(week: str, beside: Surroundings, rows: pa.Table) -> pa.Table:
    """Waiting rows as the replays of a week hold them: cells as they came, known in the week's last microsecond."""
    cells = rows.drop_columns([name for name in rows.column_names if name.startswith("_") and name != WEEK])
    last = beside.closes_at(week) - timedelta(microseconds=1)
    instants = pa.repeat(f"{last:%Y-%m-%d %H:%M:%S.%f}", rows.num_rows)
    return cells.set_column(cells.column_names.index(KNOWN_AT), KNOWN_AT, instants)


def _is_readable(contract: Contract, rows: pa.Table) -> np.ndarray:
    """Which rows (bool) have a key and only cells that can be read, but for the instant, which is replaced.

    The others break a type anyway, and many of them would make the whole column pass for retyped.
    """
    readable = ~np.array(rows[NO_KEY].to_pylist(), bool)
    for name, places in cast(contract, rows)[1].items():
        if name != KNOWN_AT:
            readable[places] = False
    return readable


def _is_newest(contract: Contract, rows: pa.Table, beside: Surroundings) -> np.ndarray:
    """Which rows (bool) are the version of their key that became known last, at the latest when their week ended.

    Versions that say the same instant contradict each other: all are, for the key's own rule to find.
    """
    typed, _ = cast(contract, rows)
    keys = hashed(typed, contract.key)
    ends = np.array([beside.closes_at(week) for week in rows[WEEK].to_pylist()], "datetime64[us]")
    # The smaller of two instants, where one of them may be none.
    known = np.fmin(typed[KNOWN_AT].to_numpy().astype("datetime64[us]"), ends)
    order = np.lexsort((known, keys))
    last = np.searchsorted(keys[order], keys, side="right") - 1
    return known == known[order][last]
