"""Reads JSON as its standard has it: no duplicate names, no NaN, no odd encodings."""

from __future__ import annotations

import json
import math
from typing import Any


class MalformedError(ValueError):
    """A body that is not strict JSON; `field` says where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse(body: bytes) -> Any:
    """The value of a UTF-8 JSON text; raises MalformedError, naming the field where there is one."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object)
    except MalformedError:
        raise
    except UnicodeDecodeError as error:
        raise MalformedError("body", "is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise MalformedError("body", f"is not JSON: {error.msg} at character {error.pos}") from error
    except (RecursionError, ValueError) as error:
        raise MalformedError("body", "is nested too deeply, or holds a number with too many digits") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not name.isprintable() or len(name) > 64:
            raise MalformedError("body", "has a field name that is too long or not printable")
        if name in found:
            raise MalformedError(name, "is given twice")
        if isinstance(value, float) and not math.isfinite(value):
            raise MalformedError(name, "is not a finite number")
        found[name] = value
    return found
