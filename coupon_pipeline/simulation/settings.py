"""What can be set about the simulated chain from outside: environment variables with the prefix COUPON_CHAIN_."""

from __future__ import annotations

from datetime import date

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from coupon_pipeline.settings import Settings
from coupon_pipeline.simulation.chain import Chain, Databases
from coupon_pipeline.simulation.dirt.dirty import Level
from coupon_pipeline.simulation.spec import ChainSpec, Form


class ChainSettings(BaseSettings):
    """The chain's size and habits, which no pipeline reads. Raises pydantic.ValidationError, naming the field."""

    model_config = SettingsConfigDict(env_prefix="COUPON_CHAIN_", extra="ignore")

    seed: int = 1
    households: int = Field(default=2_500, ge=1)
    stores: int = Field(default=20, ge=1, le=999)
    products: int = Field(default=20_000, ge=1)
    categories: int = Field(default=150, ge=1, le=150)
    wave_coupons: int = Field(default=100, ge=1, le=999)
    first_week: date = date(2025, 1, 6)
    warmup_weeks: int = Field(default=52, ge=1)
    issue_weeks: int = Field(default=16, ge=0)
    form: Form = "logit"
    """How households respond to a coupon: logit, stockpile or fatigue."""
    dirt: Level = "default"
    """How dirty the feeds are: none, default or hostile."""

    @property
    def spec(self) -> ChainSpec:
        """The world that these settings describe; raises ValueError where they do not fit together."""
        return ChainSpec(**self.model_dump(exclude={"dirt"}))


class ErpSettings(BaseSettings):
    """Where the chain's databases are: the same variables that the source's YAML file names."""

    model_config = SettingsConfigDict(env_prefix="COUPON_", extra="ignore")

    erp_url: str | None = None
    issues_url: str | None = None


def open_chain() -> Chain:
    """The chain of the settings, below the pipeline's data folder."""
    chosen, databases = ChainSettings(), ErpSettings()
    return Chain(
        chosen.spec, Settings().data / "chain", chosen.dirt, Databases(databases.erp_url, databases.issues_url)
    )
