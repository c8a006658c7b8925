"""The moments by which a world of households is told from a real one, from its lines alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from coupon_pipeline.simulation.calibration.distribution import Distribution

SQL: Final = Path(__file__).parent / "sql"

DISTRIBUTIONS: Final = (
    "lines per basket",
    "units per basket",
    "value per basket",
    "categories per basket",
    "departments per basket",
    "days between visits",
    "trips per household-week",
    "spend per household-week",
    "spend per active week",
    "quantity per line",
    "value per line",
    "regular unit price of lines",
    "days between purchases of a category",
    "depth of price promotions",
    "products per household-year",
    "categories per household-year",
)
"""The views of `distributions.sql`; money in dollars."""


@dataclass(frozen=True)
class Moments:
    """Named distributions, scalars and tables of shares of the same lines."""

    distributions: Mapping[str, Distribution]
    scalars: Mapping[str, float]
    shares: Mapping[str, Mapping[str, float]]

    def thinned(self) -> Moments:
        """The same with few values per distribution."""
        return Moments({name: one.thinned() for name, one in self.distributions.items()}, self.scalars, self.shares)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "distributions": {name: one.facts() for name, one in self.distributions.items()},
            "scalars": dict(self.scalars),
            "shares": {name: dict(one) for name, one in self.shares.items()},
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """What `facts` wrote."""
        distributions = {name: Distribution.from_facts(one) for name, one in facts["distributions"].items()}
        return cls(distributions, facts["scalars"], facts["shares"])


def moments(lines: pa.Table, products: pa.Table, first_day: date, weeks: int, timezone: str) -> Moments:
    """Every moment of the card holders' sale lines in the store-local weeks from `first_day` on.

    Lines have the columns of `pos_lines` (till and tax are not read), products those of the catalogue, one row each.
    A scalar that the lines say nothing about is NaN; raises ValueError if a distribution has no
    value, or a product several rows.
    """
    return measured(engine(lines, products, first_day, weeks, timezone))


def engine(
    lines: pa.Table, products: pa.Table, first_day: date, weeks: int, timezone: str
) -> duckdb.DuckDBPyConnection:
    """A database with the table `sales`, the lines that count; raises ValueError if a product has several rows."""
    if len(products["product_id"].unique()) < products.num_rows:
        raise ValueError("products has several rows for one product: give the last state of each")
    found = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    found.register("lines", lines)
    found.register("products", products)
    last_day = first_day + timedelta(days=7 * weeks - 1)
    for name, value in {"first_day": first_day, "last_day": last_day, "weeks": weeks, "timezone": timezone}.items():
        found.execute(f"set variable {name} = $1", [value])
    found.execute(_text("sales"))
    return found


def measured(engine: duckdb.DuckDBPyConnection) -> Moments:
    """The moments of the table `sales`."""
    engine.execute(_text("tables"))
    engine.execute(_text("distributions"))
    shares: dict[str, dict[str, float]] = {}
    for name, label, share in engine.sql(_text("shares")).fetchall():
        shares.setdefault(name, {})[label] = share
    return Moments(
        distributions={name: _distribution(engine, name) for name in DISTRIBUTIONS},
        scalars={
            name: float("nan") if value is None else value for name, value in engine.sql(_text("scalars")).fetchall()
        },
        shares=shares,
    )


def _distribution(engine: duckdb.DuckDBPyConnection, name: str) -> Distribution:
    query = f'select x::double as x, count(*) as n from "{name}" group by all'
    columns = engine.sql(query).to_arrow_table()
    try:
        return Distribution.of(columns["x"].to_numpy(), columns["n"].to_numpy())
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _text(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
