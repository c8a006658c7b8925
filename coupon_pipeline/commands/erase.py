"""`make erase`: takes a household's request to be erased."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader
from coupon_pipeline.erasures.households import add, last_instant
from coupon_pipeline.erasures.rule import HOUSEHOLD, Rule
from coupon_pipeline.files import check_writable
from coupon_pipeline.sources.erasing import (
    forget,
    forget_in_ledger,
    number_of,
)
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.tables import Store, read_parquet


def erase(pipeline: Pipeline, household: str, console: Console) -> None:
    """List a household, named by the grocer's own id, as erased; raises SourceError for one that nobody knows.

    It counts as known in the newest week of the calendar, since its last instant.
    """
    check_writable(pipeline.settings.data)
    store, week = pipeline.store, pipeline.source.calendar.weeks[-1]
    number = number_of(pipeline.source, household.strip())
    erased = set(store.erased().tolist())
    if not any(store.path("clean", "customers", each).exists() for each in pipeline.source.calendar.weeks):
        raise SourceError("no customers are known yet: `make run` first")
    if number is None or not (number in erased or _is_known(store, number)):
        raise SourceError(
            f"no household {household!r} is in clean customers: give the id as the systems of {pipeline.source.name} do"
        )
    add(store, week, {number: last_instant(store, week)})
    forget(pipeline.source, store.erased())
    forget_in_ledger(pipeline.settings, store, store.erased())
    told = "was erased before" if number in erased else "is erased for every reader"
    console.print(f"{told}; `make run` removes it from all files and from the service", highlight=False, soft_wrap=True)


def _is_known(store: Store, household: int) -> bool:
    keeping = [name for name in store.tables if Rule.of(reader.load(name)).keeps_erasure]
    files = (store.path("clean", name, week) for name in keeping for week in store.calendar.weeks)
    known = (read_parquet(path, [HOUSEHOLD])[HOUSEHOLD].to_numpy() for path in files if path.exists())
    return any(np.isin(household, ids) for ids in known)
