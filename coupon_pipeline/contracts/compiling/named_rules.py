"""The rules that a contract spells out under `quality`: each of a kind that has a meaning here, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from coupon_pipeline.contracts.compiling.arguments import wrong_arguments
from coupon_pipeline.contracts.compiling.wording import given, only
from coupon_pipeline.contracts.contract import ContractError, Rule
from coupon_pipeline.documents import Located

ROW_COUNT: Final = "expect_table_row_count_to_be_between"
ROW_COUNT_NEAR: Final = "expect_table_row_count_to_be_near_recent_weeks"
MEAN: Final = "expect_column_mean_to_be_between"
MEAN_NEAR: Final = "expect_column_mean_to_be_near_recent_weeks"
PRESENT: Final = "expect_column_proportion_of_non_null_values_to_be_between"
PRESENT_NEAR: Final = "expect_column_proportion_of_non_null_values_to_be_near_recent_weeks"
FILES: Final = "expect_delivered_files_to_have_rows"
PAIR: Final = "expect_column_pair_values_a_to_be_greater_than_b"
WEIGHTED_SUM: Final = "expect_multicolumn_weighted_sum_to_be_at_least"
RECONCILE: Final = "expect_column_values_to_reconcile"

QUALITY = "name type description dimension severity businessImpact customProperties metric engine implementation"
OPERATORS = ("mustBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo")
ACTIONS = {("row", "error"): "quarantine", ("table", "error"): "block"}
"""Scope and severity -> the action that they come to; a warning warns."""


class Kind(NamedTuple):
    """What an expectation takes, and which columns of the table it reads."""

    scope: Literal["row", "table"]
    kwargs: frozenset[str]
    columns: Callable[[Mapping[str, Any]], tuple[str, ...]]
    ignore: str | None = None
    """Which nulls leave a row alone: they are the business of `required`."""


def _no_column(_: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def _one_column(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    return (kwargs["column"],)


KINDS: Final[Mapping[str, Kind]] = {
    PAIR: Kind(
        "row",
        frozenset({"column_A", "column_B", "or_equal"}),
        lambda kwargs: (kwargs["column_A"], kwargs["column_B"]),
        "either_value_is_missing",
    ),
    WEIGHTED_SUM: Kind(
        "row",
        frozenset({"column_list", "weights", "min_value"}),
        lambda kwargs: tuple(kwargs["column_list"]),
        "any_value_is_missing",
    ),
    RECONCILE: Kind(
        "row",
        frozenset({"column", "key", "other", "how", "of", "tolerance", "weeks_back"}),
        lambda kwargs: (kwargs["key"], kwargs["column"]),
    ),
    FILES: Kind("table", frozenset({"max_empty"}), _no_column),
    ROW_COUNT_NEAR: Kind("table", frozenset({"min_ratio", "max_ratio"}), _no_column),
    MEAN: Kind("table", frozenset({"column", "min_value", "max_value"}), _one_column),
    MEAN_NEAR: Kind("table", frozenset({"column", "min_ratio", "max_ratio"}), _one_column),
    PRESENT: Kind("table", frozenset({"column", "min_value", "max_value"}), _one_column),
    PRESENT_NEAR: Kind("table", frozenset({"column", "max_change"}), _one_column),
}
"""Expectation that a contract may name -> what it must give, all of it."""


def named_rule(item: Located) -> Rule:
    """A rule under `quality`; raises ContractError for a type, metric or expectation that has no meaning here."""
    name = item.get("name")
    if not name or "dimension" not in item or item.get("severity") not in ("error", "warning"):
        raise ContractError(f"{item.at()}: rule {name!r} must have a name, a dimension and severity error or warning")
    operators = " ".join(str(key) for key in item if str(key).startswith("must"))
    only(item, f"{QUALITY} {operators}", f"rule {name}")
    for what in ("description", "businessImpact"):
        if not item.get(what):
            raise ContractError(
                f"{item.at()}: rule {name} has no {what}: say what must hold, and what goes wrong where it does not"
            )
    if item.get("type", "library") == "library" and item.get("metric") == "rowCount":
        low, high = _bounds(item)
        return _rule(item, "table", (), ROW_COUNT, {"min_value": low, "max_value": high})
    if item.get("type") == "custom" and item["engine"] == "great-expectations":
        return _custom(item)
    raise ContractError(
        f"{item.at('type')}: rule {name} is of a kind without a meaning here (type {item.get('type', 'library')}, "
        f"metric {item.get('metric')}): use the metric rowCount, or type custom with engine great-expectations"
    )


def _rule(
    item: Located, scope: Literal["row", "table"], columns: tuple[str, ...], expectation: str, kwargs: dict[str, Any]
) -> Rule:
    """The rule as the contract words it; its action must be what scope and severity come to."""
    action = given(item, "action", f"rule {item['name']}").get("action")
    wanted = ACTIONS.get((scope, item["severity"]), "warn")
    if action != wanted:
        raise ContractError(
            f"{item.at('customProperties')}: rule {item['name']} has action {action!r}: a rule of a {scope} with "
            f"severity {item['severity']} has action {wanted}"
        )
    return Rule(
        item["name"],
        scope,
        item["dimension"],
        item["severity"],
        item["description"],
        action,
        columns,
        expectation,
        MappingProxyType(kwargs),
        kwargs.get("other"),
        item["businessImpact"],
        item.line,
    )


def _bounds(item: Located) -> tuple[int | None, int | None]:
    """Inclusive bounds of a count, from whichever operator the rule gives."""
    operator, value = next((str(key), value) for key, value in item.items() if str(key).startswith("must"))
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(bound, int) and not isinstance(bound, bool) for bound in values):
        raise ContractError(
            f"{item.at(operator)}: rule {item['name']} has {operator} {value!r}: a row count is a whole number"
        )
    bounds = {
        "mustBe": (values[0], values[0]),
        "mustBeGreaterThan": (values[0] + 1, None),
        "mustBeGreaterOrEqualTo": (values[0], None),
        "mustBeLessThan": (None, values[0] - 1),
        "mustBeLessOrEqualTo": (None, values[0]),
        "mustBeBetween": (values[0], values[-1]),
    }
    if operator not in bounds:
        raise ContractError(
            f"{item.at(operator)}: rule {item['name']} has {operator}, which has no rule: use one of "
            f"{', '.join(bounds)}"
        )
    return bounds[operator]


def _custom(item: Located) -> Rule:
    name, implementation = item["name"], item["implementation"]
    type_ = implementation.get("type") if isinstance(implementation, dict) else None
    kind = KINDS.get(str(type_))
    if kind is None:
        raise ContractError(f"{item.at('implementation')}: rule {name} names {type_!r}: use one of {', '.join(KINDS)}")
    kwargs = implementation.get("kwargs")
    if not isinstance(kwargs, dict) or set(implementation) != {"type", "kwargs"} or set(kwargs) != kind.kwargs:
        raise ContractError(
            f"{implementation.at()}: rule {name} must give kwargs {', '.join(sorted(kind.kwargs))} and no others"
        )
    wrong = wrong_arguments(kwargs)
    if wrong:
        raise ContractError(f"{implementation.at('kwargs')}: rule {name} {wrong}")
    ignoring = {"ignore_row_if": kind.ignore} if kind.ignore else {}
    return _rule(item, kind.scope, kind.columns(kwargs), str(type_), {**kwargs, **ignoring})
