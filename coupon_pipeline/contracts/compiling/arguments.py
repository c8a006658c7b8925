"""Whether the arguments of a named rule are of a kind that can be held, before anything is judged by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from coupon_pipeline.contracts.compiling.wording import span

BOUNDS = (("min_value", "max_value"), ("min_ratio", "max_ratio"))


def wrong_arguments(kwargs: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments of an expectation, in words that follow the rule's name; None where nothing."""
    for name, value in kwargs.items():
        fits, words = ARGUMENTS[name]
        if not fits(value):
            return f"has {name} {value!r}: give {words}"
    if "column_list" in kwargs and len(kwargs["column_list"]) != len(kwargs["weights"]):
        return "must give one weight per column"
    for low, high in BOUNDS:
        if low in kwargs and high in kwargs and (problem := wrong_bounds(kwargs[low], kwargs[high])):
            return problem
    return None


def wrong_bounds(low: float | None, high: float | None) -> str | None:
    """Why nothing, or everything, lies within two bounds; None where they make sense."""
    if low is None and high is None:
        return "has no bound: give one at least"
    if low is not None and high is not None and low > high:
        return f"has bounds that nothing meets: {span(low, high)}"
    return None


def is_number(value: object) -> bool:
    """A number, which true and false are not here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\w+", value))


def _are(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(fits(each) for each in value)


def _is_bound(value: object) -> bool:
    return value is None or is_number(value)


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and is_number(value) and value >= 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 0


ARGUMENTS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "column": (_is_name, "the name of a column"),
    "column_A": (_is_name, "the name of a column"),
    "column_B": (_is_name, "the name of a column"),
    "column_list": (lambda value: _are(value, _is_name), "a list of columns"),
    "weights": (lambda value: _are(value, is_number), "a list of numbers"),
    "or_equal": (lambda value: isinstance(value, bool), "true or false"),
    "key": (_is_name, "the name of a column"),
    "other": (lambda value: bool(re.fullmatch(r"\w+\.\w+", str(value))), "one table.column, its key there"),
    "how": (lambda value: value in ("sum", "max"), "sum or max"),
    "of": (lambda value: isinstance(value, str) and bool(value.strip()), "SQL over the columns of the other table"),
    "tolerance": (_is_amount, "a number from 0"),
    "weeks_back": (_is_count, "a whole number from 0"),
    "min_value": (_is_bound, "a number, or null for none"),
    "max_value": (_is_bound, "a number, or null for none"),
    "min_ratio": (_is_amount, "a number from 0"),
    "max_ratio": (_is_amount, "a number from 0"),
    "max_change": (_is_amount, "a number from 0"),
    "max_empty": (_is_count, "a whole number from 0"),
}
"""Name of an argument -> whether a value fits, and which does."""
