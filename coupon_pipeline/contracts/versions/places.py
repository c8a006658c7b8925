"""Judges a change between two versions of a contract by where it lies: the code of its kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from coupon_pipeline.contracts.versions.changes import ABSENT, Change, Path, fits, found
from coupon_pipeline.contracts.versions.meanings import MEANINGS

COLUMN: Final[Path] = ("schema", "*", "properties", "*")
RULE: Final[Path] = ("schema", "*", "quality", "*")
OPTIONS: Final[Path] = (*COLUMN, "logicalTypeOptions")
WHOLE: Final = (
    ("schema", "*"),
    COLUMN,
    (*COLUMN, "enum"),
    (*COLUMN, "enum", "*"),
    (*COLUMN, "relationships", "*"),
    RULE,
    ("slaProperties", "*"),
)
"""Parts whose coming and going is one difference."""
LOWS: Final = frozenset(["minimum", "exclusiveMinimum", "minLength", "minItems", "min_value", "min_ratio"])
HIGHS: Final = frozenset(
    ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "max_value", "max_ratio", "max_change", "tolerance"]
)
SUFFIXES: Final = {"minLength": "length", "maxLength": "length", "pattern": "pattern"}
"""Option of a column -> the rule that it implies; the other options are its range."""
STRICTNESS: Final = ("warn", "quarantine", "block")
UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def judged(change: Change, before: Any, after: Any) -> str:
    """The code of a change between two trees of `changes.named`, a key of `MEANINGS`."""
    return next(judge for pattern, judge in JUDGES if fits(change.path, pattern))(change, before, after)


def _column(change: Change, before: Any, after: Any) -> str:
    if change.removed:
        return "column.removed"
    if not isinstance(change.new, dict):
        return "column.type"
    needed = change.new.get("required") or change.new.get("primaryKey")
    return "column.added_required" if needed else "column.added"


def _required(change: Change, before: Any, after: Any) -> str:
    if _truth(change.old) == _truth(change.new):
        return "same"
    return "column.required" if _truth(change.new) else "column.nullable"


def _unique(change: Change, before: Any, after: Any) -> str:
    if _truth(change.old) == _truth(change.new):
        return "same"
    return _eased(change, after, "unique", "column.unique" if _truth(change.new) else "column.widened")


def _flag(code: str) -> Judge:
    """Of a property that is true or not given, or that is a position."""
    return lambda change, before, after: code if _truth(change.old) or _truth(change.new) else "same"


def _option(change: Change, before: Any, after: Any) -> str:
    option = change.path[len(OPTIONS)] if len(change.path) > len(OPTIONS) else ""
    code = "column.widened" if _wider(option, change) else "column.narrowed"
    return _eased(change, after, SUFFIXES.get(option, "range"), code)


def _values(change: Change, before: Any, after: Any) -> str:
    """A list of allowed values that comes or goes as a whole."""
    return _eased(change, after, "enum", "column.widened" if change.removed else "column.narrowed")


def _value(change: Change, before: Any, after: Any) -> str:
    if change.path[-1] == "(order)":
        return "column.order"
    return "column.value_added" if change.added else _eased(change, after, "enum", "column.value_removed")


def _foreign_key(change: Change, before: Any, after: Any) -> str:
    if change.removed or change.path[-1] == "(order)":
        return "column.widened" if change.removed else "same"
    return _eased(change, after, "exists_in", "column.foreign_key")


def _warn_only(change: Change, before: Any, after: Any) -> str:
    old, new = (set(map(str, side)) if isinstance(side, list) else set() for side in (change.old, change.new))
    return "column.enforced" if old - new else "column.warned" if new - old else "same"


def _classified(change: Change, before: Any, after: Any) -> str:
    old, new = (str(side).startswith("pii") for side in (change.old, change.new))
    return "column.less_personal" if old and not new else "column.classified"


def _rule(change: Change, before: Any, after: Any) -> str:
    if change.removed:
        return "rule.removed"
    return "rule.added_warning" if _action(change.new) == "warn" else "rule.added"


def _demand(change: Change, before: Any, after: Any) -> str:
    """What a rule demands: its type, its bounds, the arguments of its expectation."""
    if _action(found(before, change.path[:4])) == _action(found(after, change.path[:4])) == "warn":
        return "rule.warning_changed"
    if _wider(change.path[-1], change):
        return "rule.loosened"
    bound = change.path[-1] in LOWS | HIGHS or change.path[-1].startswith("must")
    return "rule.tightened" if bound else "rule.changed"


def _severity(change: Change, before: Any, after: Any) -> str:
    old, new = (STRICTNESS.index(_action(found(tree, change.path[:4]))) for tree in (before, after))
    return "rule.stricter" if new > old else "rule.milder" if new < old else "rule.described"


def _promise(change: Change, before: Any, after: Any) -> str:
    """A promise that comes or goes, or one of its parts; freshness alone blocks."""
    old, new = (found(tree, change.path[:2]) for tree in (before, after))
    if not change.path[1].startswith("freshness"):
        return "promise.described"
    if old is ABSENT or new is ABSENT:
        return "promise.tightened" if old is ABSENT else "promise.loosened"
    if change.path[-1] not in ("value", "unit"):
        return "promise.described"
    most_before, most_after = _age(old), _age(new)
    if most_before is None or most_after is None or most_after < most_before:
        return "promise.tightened"
    return "same" if most_after == most_before else "promise.loosened"


def _mandatory(change: Change, before: Any, after: Any) -> str:
    return "table.mandatory" if _truth(change.new) else "table.optional" if _truth(change.old) else "same"


def _share(change: Change, before: Any, after: Any) -> str:
    if not (_is_number(change.old) and _is_number(change.new)):
        return "share.raised" if change.removed else "share.lowered"
    return "share.lowered" if change.new < change.old else "share.raised" if change.new > change.old else "same"


def _fewest(change: Change, before: Any, after: Any) -> str:
    if not (_is_number(change.old) and _is_number(change.new)):
        return "share.raised" if change.added else "share.lowered"
    return _share(change, before, after)


def _always(code: str) -> Judge:
    return lambda change, before, after: code


def _whole(added: str, removed: str, changed: str) -> Judge:
    return lambda change, before, after: added if change.added else removed if change.removed else changed


Judge = Callable[[Change, Any, Any], str]
"""Change, and both trees that it lies in -> the code of its kind."""
JUDGES: Final[tuple[tuple[Path, Judge], ...]] = (
    (("id",), _always("contract.id")),
    (("version",), _always("contract.version")),
    (("schema",), _whole("table.added", "table.removed", "table.removed")),
    (("schema", "(order)"), _always("same")),
    (("schema", "*"), _whole("table.added", "table.removed", "table.removed")),
    ((*COLUMN[:3],), _always("column.type")),
    ((*COLUMN[:3], "(order)"), _always("column.order")),
    (COLUMN, _column),
    ((*COLUMN, "logicalType"), _always("column.type")),
    ((*COLUMN, "physicalType"), _always("column.type")),
    ((*COLUMN, "required"), _required),
    ((*COLUMN, "primaryKey"), _flag("column.key")),
    ((*COLUMN, "primaryKeyPosition"), _flag("column.key")),
    ((*COLUMN, "unique"), _unique),
    ((*COLUMN, "partitioned"), _flag("column.partition")),
    ((*COLUMN, "partitionKeyPosition"), _flag("column.partition")),
    ((*COLUMN, "classification"), _classified),
    ((*OPTIONS, "**"), _option),
    ((*COLUMN, "enum"), _values),
    ((*COLUMN, "enum", "*"), _value),
    ((*COLUMN, "relationships", "**"), _foreign_key),
    ((*COLUMN, "customProperties", "warnOnly", "**"), _warn_only),
    ((*COLUMN, "customProperties", "unit", "**"), _whole("column.described", "column.described", "column.unit")),
    ((*COLUMN, "**"), _always("column.described")),
    (RULE, _rule),
    ((*RULE[:3], "(order)"), _always("same")),
    ((*RULE[:3],), _whole("rule.added", "rule.removed", "rule.changed")),
    ((*RULE, "severity"), _severity),
    ((*RULE, "customProperties", "action", "**"), _severity),
    ((*RULE, "description"), _always("rule.described")),
    ((*RULE, "dimension"), _always("rule.described")),
    ((*RULE, "businessImpact"), _always("rule.described")),
    ((*RULE, "customProperties", "**"), _always("rule.described")),
    ((*RULE, "**"), _demand),
    (("slaProperties", "*", "**"), _promise),
    (("customProperties", "tableKind", "**"), _always("table.kind")),
    (("customProperties", "mandatory", "**"), _mandatory),
    (("customProperties", "quarantineMaxPercent", "**"), _share),
    (("customProperties", "quarantineMinRows", "**"), _fewest),
    (("**",), _always("contract.described")),
)
"""Where a change lies -> how it is judged; the first pattern that fits counts."""


def _wider(option: str, change: Change) -> bool:
    """Whether a bound lets in all that it let in before."""
    if change.new in (ABSENT, None):
        return True
    old, new = change.old, change.new
    if isinstance(old, list) and isinstance(new, list) and option == "mustBeBetween":
        ends = [*old, *new]
        return len(old) == len(new) == 2 and all(map(_is_number, ends)) and new[0] <= old[0] and new[1] >= old[1]
    if not (_is_number(old) and _is_number(new)):
        return False
    low = option in LOWS or option.startswith("mustBeGreater")
    high = option in HIGHS or option.startswith("mustBeLess")
    return (low and new <= old) or (high and new >= old)


def _eased(change: Change, after: Any, suffix: str, code: str) -> str:
    """The code, or that of a warning where the column's rule of that name only warns."""
    told = found(after, (*change.path[:4], "customProperties", "warnOnly", "value"))
    return "column.warned" if isinstance(told, list) and suffix in told and MEANINGS[code].breaking else code


def _action(rule: Any) -> str:
    """What a rule leads to; the severity tells where it does not say so."""
    given = found(rule, ("customProperties", "action", "value"))
    if given in STRICTNESS:
        return given
    return "warn" if found(rule, ("severity",)) == "warning" else "quarantine"


def _age(promise: Any) -> timedelta | None:
    value, unit = promise.get("value"), UNITS.get(str(promise.get("unit")))
    return None if unit is None or not _is_number(value) else value * unit


def _truth(value: Any) -> bool:
    return value is not ABSENT and bool(value) and value is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
