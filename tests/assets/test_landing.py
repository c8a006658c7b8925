"""A week is landed with the digest of exactly what was read."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from assets.landing import read_settled
from assets.pipeline import Pipeline

from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.source import SourceError


class Arriving:
    """A source to which files keep arriving: one for each of the first readings."""

    name = "arriving"

    def __init__(self, arrivals: int) -> None:
        self.rows, self.arrivals = 0, arrivals

    def read(self, table: str, week: str) -> pa.Table:
        found = pa.table({"row": list(range(self.rows))})
        if self.arrivals:
            self.arrivals -= 1
            self.rows += 1
        return found

    def fingerprint(self, table: str, week: str) -> str:
        return str(self.rows)


def pipeline_on(source: Any) -> Pipeline:
    found = Pipeline(Settings())
    found.__dict__["source"] = source
    return found


def test_a_file_that_arrives_while_a_week_is_read_is_read_too() -> None:
    source = Arriving(1)
    rows, digest = read_settled(pipeline_on(source), "sales", "2025-01-06")
    assert rows.num_rows == source.rows == 1
    assert digest == read_settled(pipeline_on(source), "sales", "2025-01-06")[1]


def test_a_week_that_never_holds_still_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match="sales of week 2025-01-06 changes while it is read"):
        read_settled(pipeline_on(Arriving(9)), "sales", "2025-01-06")
