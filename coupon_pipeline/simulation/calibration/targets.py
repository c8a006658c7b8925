"""What the chain is held to: moments and category marginals of Complete Journey, kept as two small JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from coupon_pipeline.files import write_text
from coupon_pipeline.simulation.calibration import moments as measures
from coupon_pipeline.simulation.calibration.moments import Moments
from coupon_pipeline.sources.complete_journey.source import CompleteJourney

FOLDER: Final = Path(__file__).parent
TARGETS: Final = FOLDER / "targets.json"
CATEGORIES: Final = FOLDER / "categories.json"

KEPT_CATEGORIES: Final = 150
DIGITS: Final = 4
"""Significant digits kept: moments are compared at one part in a hundred."""
VALUE_DIGITS: Final = 8
"""Those of the values of a distribution, which must stay equal to values of lines."""


def load_targets() -> Moments:
    """The moments of the real households."""
    return Moments.from_facts(json.loads(TARGETS.read_text(encoding="utf-8")))


def load_categories() -> list[dict[str, Any]]:
    """The largest real categories, by lines: name, department, and the marginals of `categories.sql`."""
    return json.loads(CATEGORIES.read_text(encoding="utf-8"))["categories"]


def load_departments() -> dict[str, float]:
    """Department -> its share of the real value, largest first."""
    return json.loads(CATEGORIES.read_text(encoding="utf-8"))["departments"]


def real(source: CompleteJourney) -> tuple[pa.Table, pa.Table]:
    """All lines and products of the real data set, as its source delivers them; raises SourceError."""
    weeks = source.calendar.weeks
    lines = pa.concat_tables([source.read("pos_transactions", week) for week in weeks])
    return lines, source.read("products", weeks[0])


def categories(engine: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The content of `categories.json` before rounding, from the table `sales` of `moments.engine`."""
    engine.execute("set variable categories = $1", [KEPT_CATEGORIES])
    rows = engine.sql((measures.SQL / "categories.sql").read_text(encoding="utf-8")).to_arrow_table().to_pylist()
    return [row | {"subcategories": _shares(row["subcategories"])} for row in rows]


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """A JSON value with its numbers at so many significant digits, whole ones without a fraction."""
    if isinstance(value, Mapping):
        return {name: rounded(part, VALUE_DIGITS if name == "values" else digits) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part, digits) for part in value]
    if isinstance(value, float):
        short = float(f"{value:.{digits}g}")
        return int(short) if short.is_integer() else short
    return value


def text(content: Any) -> str:
    """A file's content: rounded, in one line."""
    return json.dumps(rounded(content), separators=(",", ":"), ensure_ascii=False) + "\n"


def write(source: CompleteJourney, folder: Path = FOLDER) -> None:
    """Make both files anew from the package's data; raises SourceError."""
    lines, products = real(source)
    calendar = source.calendar
    engine = measures.engine(lines, products, calendar.first, len(calendar.weeks), calendar.timezone)
    found = measures.measured(engine)
    marginals = {"departments": found.shares["department value shares"], "categories": categories(engine)}
    write_text(folder / TARGETS.name, text(found.thinned().facts()))
    write_text(folder / CATEGORIES.name, text(marginals))


def _shares(counts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    total = sum(one["n"] for one in counts)
    return {one["name"]: one["n"] / total for one in counts}


if __name__ == "__main__":
    write(CompleteJourney())
