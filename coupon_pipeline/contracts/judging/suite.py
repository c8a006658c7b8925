"""Runs a contract's row rules as one Great Expectations suite, and says which rows break which rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from coupon_pipeline.contracts.compiling.column_rules import BETWEEN, UNIQUE
from coupon_pipeline.contracts.compiling.named_rules import RECONCILE
from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.judging.frame import WEEK, columns_read
from coupon_pipeline.contracts.judging.reconciling import DIFFERENCE

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation import Expectation

RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}

MANY_ROWS = 50_000
"""Rows from which on it pays to give each column a batch of its own."""


@dataclass(frozen=True)
class Finding:
    """The rows (sorted int64 positions) that break a rule, or the error for which it could not run."""

    rows: np.ndarray
    error: str | None = None


def validate(rules: Sequence[Rule], frame: pd.DataFrame) -> dict[str, Finding]:
    """Rule id -> finding, for rules with an expectation; `frame` has the index 0..n-1 and at least one row."""
    # Importing it registers our expectation.
    import coupon_pipeline.contracts.judging.expectations  # noqa: F401

    found: dict[str, Finding] = {}
    for columns, group in _by_columns(rules, len(frame)):
        found |= _validated(group, frame[list(columns)] if columns else frame)
    return found


def _by_columns(rules: Sequence[Rule], rows: int) -> Iterator[tuple[tuple[str, ...], list[Rule]]]:
    """The rules with the columns that they read: together if there are few rows, else those on the same columns.

    Great Expectations copies all columns of a batch for each rule on one of them.
    """
    if rows < MANY_ROWS:
        yield (), list(rules)
        return
    groups: dict[tuple[str, ...], list[Rule]] = {}
    for rule in rules:
        names = columns_read(rule)
        groups.setdefault((*names, WEEK) if rule.expectation == UNIQUE else names, []).append(rule)
    yield from groups.items()


def _validated(rules: Sequence[Rule], frame: pd.DataFrame) -> dict[str, Finding]:
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.validator.validator import Validator

    # A batch of a data context is hashed cell by cell, twice, for a fingerprint that nobody reads.
    engine = PandasExecutionEngine(batch_data_dict={"rows": frame})
    validator = Validator(execution_engine=engine, data_context=_quiet(), include_rendered_content=False)
    results = validator.graph_validate(
        configurations=[_expectation(rule).configuration for rule in rules],
        runtime_configuration={"result_format": RESULT_FORMAT, "catch_exceptions": True},
    )
    return {_rule_of(one): _finding(one) for one in results}


@cache
def _quiet() -> AbstractDataContext:
    """A context that draws no progress bars into the log of a run; nothing is kept in it."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _expectation(rule: Rule) -> Expectation:
    from great_expectations.expectations.registry import get_expectation_impl

    kwargs = {name: list(value) if isinstance(value, tuple) else value for name, value in rule.kwargs.items()}
    name = str(rule.expectation)
    if name == UNIQUE:
        kwargs["column_list"] = [*kwargs["column_list"], WEEK]
        kwargs["ignore_row_if"] = "any_value_is_missing"
    elif name == RECONCILE:
        within = float(rule.kwargs["tolerance"])
        name, kwargs = BETWEEN, {"column": DIFFERENCE.format(rule.id), "min_value": -within, "max_value": within}
    return get_expectation_impl(name)(meta={"rule": rule.id}, **kwargs)


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
