"""The one expectation that Great Expectations lacks: a weighted sum of columns, row by row, has a lower bound."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)


class MulticolumnWeightedSum(MulticolumnMapMetricProvider):
    """Whether `sum(weights * columns) >= min_value`."""

    condition_metric_name = "multicolumn_values.weighted_sum"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("weights", "min_value")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, weights: list[float], min_value: float, **_: Any) -> pd.Series:  # noqa: N805
        # Floats do not wrap around where a hostile amount would overflow an integer sum.
        total = column_list.to_numpy(dtype="float64") @ [float(weight) for weight in weights]
        return pd.Series(total >= min_value, index=column_list.index)


class ExpectMulticolumnWeightedSumToBeAtLeast(MulticolumnMapExpectation):
    """`sum(weights * columns) >= min_value` in every row without a null; `weights` follow `column_list`."""

    weights: list[float]
    min_value: float
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "any_value_is_missing"

    map_metric: ClassVar[str | None] = "multicolumn_values.weighted_sum"
    success_keys: ClassVar[tuple[str, ...]] = ("weights", "min_value", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "weights", "min_value")
