"""Runs a contract's row rules as one Great Expectations suite, and says which rows break which rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from coupon_pipeline.contracts.column_rules import UNIQUE
from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.frame import WEEK

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


@dataclass(frozen=True)
class Finding:
    """The rows (sorted int64 positions) that break a rule, or the error for which it could not run."""

    rows: np.ndarray
    error: str | None = None


def validate(rules: Sequence[Rule], frame: pd.DataFrame) -> dict[str, Finding]:
    """Rule id -> finding, for rules with an expectation; `frame` has the index 0..n-1 and at least one row."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    import coupon_pipeline.contracts.expectations  # noqa: F401 - importing it registers the expectation

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="contract", expectations=[_expectation(rule) for rule in rules])
    result = batch.validate(suite, result_format=RESULT_FORMAT)
    return {_rule_of(one): _finding(one) for one in result.results}


def _expectation(rule: Rule) -> Expectation:
    from great_expectations.expectations.registry import get_expectation_impl

    kwargs = {name: list(value) if isinstance(value, tuple) else value for name, value in rule.kwargs.items()}
    if rule.expectation == UNIQUE:
        kwargs["column_list"] = [*kwargs["column_list"], WEEK]
        kwargs["ignore_row_if"] = "any_value_is_missing"
    return get_expectation_impl(str(rule.expectation))(meta={"rule": rule.id}, **kwargs)


def _rule_of(result: ExpectationValidationResult) -> str:
    config = result.expectation_config
    if config is None or config.meta is None:
        raise ValueError("Great Expectations gave a result without the rule that it belongs to")
    return config.meta["rule"]


def _finding(result: ExpectationValidationResult) -> Finding:
    error = _error(result.exception_info)
    rows = [] if error else result.result.get("unexpected_index_list") or []
    return Finding(np.sort(np.asarray(rows, np.int64)), error)


def _error(info: Mapping[str, Any]) -> str | None:
    # Flat where nothing was raised, keyed by metric where something was.
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [str(entry["exception_message"]) for entry in entries if entry["raised_exception"]]
    return raised[0] if raised else None
