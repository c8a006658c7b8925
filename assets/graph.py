"""Names and partitions that all assets of one source share, and how a failure reads in the UI."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa

from models.campaigns import CampaignError
from models.redemption import TrainingError
from models.registry import RegistryError

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import ContractError
from coupon_pipeline.ledger.keys import KeysError
from coupon_pipeline.ledger.locations import OpeningError
from coupon_pipeline.ledger.reasons import RefusalError, UnavailableError
from coupon_pipeline.snapshot.bundle import BadBundleError
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.tables import (
    ERASURES,
    MissingTableError,
    MissingWeekError,
    Store,
)
from coupon_pipeline.weeks import UnknownWeekError

Weekly = Mapping[str, pa.Table]
"""An input of an asset: a table by week."""

PLAIN_ERRORS = (
    BadBundleError,
    CampaignError,
    ContractError,
    KeysError,
    MissingTableError,
    MissingWeekError,
    OpeningError,
    OSError,
    RefusalError,
    RegistryError,
    SourceError,
    TrainingError,
    UnavailableError,
    UnknownWeekError,
)
"""Errors whose message tells a person what is wrong and what to do."""


@dataclass(frozen=True)
class Graph:
    """The asset graph of one source."""

    source: str
    weeks: dg.StaticPartitionsDefinition
    """The source's calendar: one partition per week, named by its Monday."""
    tables: tuple[str, ...]
    """The tables that the source delivers, referenced tables first."""

    def key(self, layer: str, table: str) -> dg.AssetKey:
        """The key of a table in a layer."""
        return dg.AssetKey([self.source, layer, table])

    @property
    def erasures(self) -> dg.AssetKey:
        """The key of the erased households: nothing is computed from clean tables before they are removed."""
        return self.key(*ERASURES)

    def judged(self, table: str) -> dg.AssetKey:
        """The key to wait for where a table is read: `clean`, without which nothing works where it is mandatory.

        A blocked week of an optional table has no clean rows, and whoever waited for them would be skipped.
        """
        return self.key("clean" if reader.load(table).mandatory else "quarantine", table)


def facts(store: Store, layer: str, table: str, week: str, rows: int) -> dict[str, Any]:
    """Metadata of a week of a table."""
    return {"dagster/row_count": rows, "dagster/uri": str(store.path(layer, table, week))}


@contextmanager
def plain_failures() -> Generator[None]:
    """Turn errors that speak for themselves into a failed step with that one line."""
    try:
        yield
    except PLAIN_ERRORS as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
