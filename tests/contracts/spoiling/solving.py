"""Finds numbers and instants that hold, or break, the rules that tie the columns of a row to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.compiling.column_rules import BETWEEN, IN_WEEK
from coupon_pipeline.contracts.compiling.promise_rules import FRESHNESS, LATENCY
from coupon_pipeline.contracts.contract import KNOWN_AT, Contract, Rule

MINUTES = {"TIMESTAMP": 1, "DATE": 24 * 60}
"""Physical type -> minutes in the unit that its values are solved in, counted from the opening of the week."""
NUMBERS = ("BIGINT", "INTEGER", "DOUBLE")
WEEK = 7 * 24 * 60
WIDTHS = (5_000, 200_000_000)
"""How far values may lie from a column's own bound, or from zero: the first that has a solution."""
SMALLEST = 1e-3


class Line(NamedTuple):
    """`low <= sum(weights * values) <= high` over the columns of a row; it is said by a rule."""

    rule: str
    weights: Mapping[str, float]
    low: float = -np.inf
    high: float = np.inf


class UnsolvableError(ValueError):
    """Rules that no row can meet together; names them."""


def lines(contract: Contract, rule: Rule) -> list[Line]:
    """What a rule demands of the numbers and instants of every row; nothing where it is about other things."""
    kwargs, named = rule.kwargs, rule.kwargs.get("column", "")
    one = {rule.columns[0]: 1.0} if rule.columns else {}
    if rule.expectation == kinds.PAIR:
        least = 0 if kwargs["or_equal"] else _step(contract, rule.columns)
        return [Line(rule.id, _difference(contract, *rule.columns), low=least)]
    if rule.expectation == kinds.WEIGHTED_SUM:
        return [Line(rule.id, dict(zip(kwargs["column_list"], kwargs["weights"], strict=True)), kwargs["min_value"])]
    if rule.expectation == FRESHNESS:
        return [Line(rule.id, one, low=WEEK - kwargs["max_age"] / timedelta(minutes=1))]
    if rule.expectation == kinds.MEAN_NEAR:
        return [_room(contract, rule)]
    if rule.expectation == BETWEEN and named == LATENCY.format(rule.columns[0]):
        return [Line(rule.id, {KNOWN_AT: 1.0, rule.columns[0]: -1.0}, high=kwargs["max_value"] * 60)]
    if rule.expectation == BETWEEN and named == IN_WEEK.format(rule.columns[0]):
        return [Line(rule.id, one, 0, WEEK - 1)]
    if rule.expectation == kinds.MEAN or (rule.expectation == BETWEEN and named == rule.columns[0]):
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        return [Line(rule.id, one, -np.inf if low is None else low, np.inf if high is None else high)]
    return []


def broken(contract: Contract, rule: Rule, mean: float = np.nan) -> dict[str, Line]:
    """How its lines may be broken, in words; `mean` is what a rule on recent weeks has seen in these."""
    (line,) = lines(contract, rule)
    if rule.expectation == kinds.MEAN_NEAR:
        line = line._replace(low=rule.kwargs["min_ratio"] * mean, high=rule.kwargs["max_ratio"] * mean)
    step = _step(contract, list(line.weights))
    below = {"below": Line(rule.id, line.weights, high=line.low - step)} if np.isfinite(line.low) else {}
    above = {"above": Line(rule.id, line.weights, low=line.high + step)} if np.isfinite(line.high) else {}
    return below | above


def solve(
    contract: Contract, demands: Sequence[Line], rng: np.random.Generator, fixed: Mapping[str, float] | None = None
) -> dict[str, float]:
    """A value per number, date and timestamp: numbers as such, others in the unit of MINUTES.

    A random corner of what the demands allow; raises UnsolvableError where they allow nothing.
    """
    types = {column.name: column.physical_type for column in contract.columns}
    names = [name for name, type_ in types.items() if type_ in (*NUMBERS, *MINUTES)]
    whole = np.array([types[name] != "DOUBLE" for name in names])
    matrix = np.array([[line.weights.get(name, 0) for name in names] for line in demands]).reshape(-1, len(names))
    tied = (
        [LinearConstraint(matrix, [line.low for line in demands], [line.high for line in demands])] if demands else []
    )
    liked = rng.integers(-9, 10, len(names)) * [MINUTES.get(types[name], 1) for name in names]
    for width in WIDTHS:
        low, high = np.transpose([_window(name, types[name], width, demands, fixed or {}) for name in names])
        found = milp(liked, integrality=whole, bounds=Bounds(low, high), constraints=tied)
        if found.success:
            values = np.where(whole, np.round(found.x), found.x)
            return dict(zip(names, values.tolist(), strict=True))
    raise UnsolvableError(
        f"{contract.name}: no row meets {', '.join(sorted({line.rule for line in demands}))} together"
    )


def _room(contract: Contract, rule: Rule) -> Line:
    """So far from a column's own bounds that its mean can be out of proportion within them.

    A share of something negative would be a bound on the wrong side.
    """
    (column,), step = rule.columns, _step(contract, rule.columns)
    own = [one.kwargs for one in contract.rules if one.id == f"{column}.range"]
    low, high = (own[0].get(f"{side}_value") if own else None for side in ("min", "max"))
    least = max(10 * step, ((low or 0) + 2 * step) / rule.kwargs["min_ratio"])
    most = np.inf if high is None else 0.9 * high / rule.kwargs["max_ratio"]
    return Line(rule.id, {column: 1.0}, least, most)


def relaxed(
    contract: Contract, demands: Sequence[Line], line: Line, count: int
) -> tuple[list[dict[str, float]], tuple[str, ...]]:
    """Rows that break a rule by `line` and as few others as possible, and the others that had to give way."""
    others = [each for each in demands if each.rule != line.rule]
    tied = {each.rule for each in others if set(each.weights) & set(line.weights)}
    shape = {each.rule for each in others if contract.rule(each.rule).expectation in (kinds.MEAN, kinds.MEAN_NEAR)}
    for given_way in [set(), *({rule} for rule in sorted(tied)), shape, tied, tied | shape]:
        dropped = tuple(sorted(given_way))
        kept = [each for each in others if each.rule not in dropped]
        try:
            rngs = [np.random.default_rng(1000 + seed) for seed in range(count)]
            return [solve(contract, [*kept, line], rng) for rng in rngs], dropped
        except UnsolvableError:
            continue
    raise UnsolvableError(f"{contract.name}: nothing can break rule {line.rule}")


def holds(line: Line, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which rows (bool) meet a line; nan meets any."""
    total = np.sum([weight * values[name] for name, weight in line.weights.items()], axis=0)
    return np.logical_not((total < line.low - SMALLEST) | (total > line.high + SMALLEST))


def _window(
    name: str, physical_type: str, width: float, demands: Iterable[Line], fixed: Mapping[str, float]
) -> tuple[float, float]:
    """Where the values of a column are looked for: beside its own bounds."""
    if name in fixed:
        return fixed[name], fixed[name]
    own = [line for line in demands if list(line.weights) == [name]]
    low = max((line.low / line.weights[name] for line in own), default=-np.inf)
    high = min((line.high / line.weights[name] for line in own), default=np.inf)
    if physical_type in MINUTES:
        reach = width * 10 / MINUTES[physical_type]
        return max(low, -reach), max(min(high, reach), max(low, -reach))
    near = min(max(0, low), high)
    return max(low, near - width / 4), max(low, min(high, near + width))


def _difference(contract: Contract, more: str, less: str) -> dict[str, float]:
    unit = {name: MINUTES.get(contract.column(name).physical_type, 1) for name in (more, less)}
    return {more: float(unit[more]), less: -float(unit[less])}


def _step(contract: Contract, columns: Sequence[str]) -> float:
    """The smallest difference that is sure to be one."""
    types = {contract.column(name).physical_type for name in columns}
    if types == {"DATE"} and len(columns) > 1:
        return MINUTES["DATE"]
    return 0.01 if "DOUBLE" in types else 1
