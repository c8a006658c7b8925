"""Hands weeks of tables to assets that name them as inputs; assets write through the store themselves."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pyarrow as pa

from assets.pipeline import Pipeline


class ParquetInputs(dg.IOManager):
    """Loads `<source>/<layer>/<table>` as pyarrow tables by week, one for each partition of the run."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def load_input(self, context: dg.InputContext) -> dict[str, pa.Table]:
        """The tables of the input's partitions; raises MissingWeekError."""
        *_, layer, table = context.asset_key.path
        return {week: self.pipeline.store.read(layer, table, week) for week in context.asset_partition_keys}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Refuse: a file is whole only if the store wrote it, with the digest of what it was made from."""
        raise dg.Failure(
            description=f"{context.asset_key.to_user_string()} returned a value: write it through the store"
        )
