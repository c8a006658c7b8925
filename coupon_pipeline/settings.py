"""Everything that can be set from outside, in one class: environment variables with the prefix COUPON_."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of one process; each field's variable is COUPON_ and its name in capitals.

    Raises pydantic.ValidationError, naming the field, for a value that does not fit.
    """

    model_config = SettingsConfigDict(env_prefix="COUPON_", extra="ignore")

    retailer: str = "Example Grocer"
    """Who runs this pipeline; the title of its pages."""
    currency: str = "EUR"
    """Currency of the retailer's own source; a shipped source names its own."""

    source: str = "simulated"
    """Where raw tables come from."""
    source_config: Path | None = None
    """YAML file of the source; unset: `coupon_pipeline/sources/<source>.yaml`."""
    complete_journey: Path | None = None
    """Folder with the Parquet files of Complete Journey; unset: those of the installed package."""
    data: Path = Path("data")
    """Root of all files that the pipeline writes."""

    executor: Literal["in_process", "multiprocess"] = "in_process"
    """How Dagster runs the steps of a job."""
    threads: int = Field(default=2, ge=1)
    """Threads of the query engine."""
    memory_limit: str = Field(default="1GB", pattern=r"^\d+(MB|GB)$")
    """Memory of the query engine, beyond which it spills to disk."""

    test_campaign: int | None = None
    """Campaign that the redemption model is tested on; unset: the source's choice."""
    locked_from: date | None = None
    """Campaigns that start on or after this day stay out of training, tuning and gates; unset: the source's choice."""

    budget_cents: int = Field(default=10_000, ge=0)
    """The most that one cycle's coupons are expected to cost, in minor units."""
    max_coupons_per_household: int = Field(default=8, ge=1)
    """The most coupons that one household gets in a cycle."""
    assumed_face_value_cents: int = Field(default=100, ge=1)
    """Face value that costs assume for a coupon whose value is unknown."""
    issue_cost_cents: float = Field(default=0.2, ge=0)
    """What it costs to send one coupon, in minor units."""

    environment: Literal["development", "production"] = "development"
    """Where this runs: in development keys that are missing are made at random, in production they are refused."""
    ledger_url: str | None = None
    """Database of the coupon ledger, `postgresql://…` or `sqlite:///…`; unset: a SQLite file below `data`."""
    ledger_keys: Path | None = None
    """File with the keys of the ledger; unset: beside the SQLite file."""
    api_keys: Path | None = None
    """File with the digests of the bearer keys of the service; unset: development makes keys of its own."""
    liability_cents: int | None = Field(default=None, ge=0)
    """The most face value that may be outstanding or redeemed in all, in minor units; unset: no limit."""
    supplier_liability_cents: int | None = Field(default=None, ge=0)
    """The same for what one supplier pays of it; unset: no limit."""
    max_coupons_per_household_day: int | None = Field(default=None, ge=1)
    """The most coupons that one household gets on a day; unset: no limit."""
    max_issues_per_coupon: int | None = Field(default=None, ge=1)
    """How often one coupon may be issued in all; unset: no limit."""

    @property
    def mlflow_uri(self) -> str:
        """Tracking and registry store: one SQLite file for all sources."""
        return f"sqlite:///{(self.data / 'mlflow' / 'mlflow.db').absolute()}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of the artefacts of all runs."""
        return (self.data / "mlflow" / "artifacts").absolute()

    @property
    def bundles(self) -> Path:
        """Folder of the bundles that the service reads."""
        return self.data / self.source / "bundles"

    @property
    def ledger_folder(self) -> Path:
        """Folder of the source's ledger."""
        return self.data / self.source / "ledger"

    @property
    def ledger(self) -> str:
        """URL of the ledger's database."""
        return self.ledger_url or f"sqlite:///{(self.ledger_folder / 'ledger.db').absolute()}"

    @property
    def ledger_key_file(self) -> Path:
        """File with the keys of the ledger."""
        return self.ledger_keys or self.ledger_folder / "keys.json"
