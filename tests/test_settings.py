"""Every setting has one environment variable, and a value that does not fit is refused by name."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from coupon_pipeline.settings import Settings

GIVEN: dict[str, tuple[str, object]] = {
    "retailer": ("Corner Shop", "Corner Shop"),
    "currency": ("CHF", "CHF"),
    "source": ("mine", "mine"),
    "source_config": ("/srv/mine.yaml", Path("/srv/mine.yaml")),
    "complete_journey": ("/srv/journey", Path("/srv/journey")),
    "data": ("/srv/data", Path("/srv/data")),
    "executor": ("multiprocess", "multiprocess"),
    "threads": ("4", 4),
    "memory_limit": ("512MB", "512MB"),
    "test_campaign": ("18", 18),
    "locked_from": ("2017-09-25", date(2017, 9, 25)),
    "budget_cents": ("2500", 2500),
    "max_coupons_per_household": ("3", 3),
    "assumed_face_value_cents": ("150", 150),
    "issue_cost_cents": ("0.5", 0.5),
    "environment": ("production", "production"),
    "ledger_url": ("postgresql://ledger@db/coupons", "postgresql://ledger@db/coupons"),
    "ledger_keys": ("/srv/keys.json", Path("/srv/keys.json")),
    "api_keys": ("/srv/api.json", Path("/srv/api.json")),
    "liability_cents": ("5000000", 5_000_000),
    "supplier_liability_cents": ("90000", 90_000),
    "max_coupons_per_household_day": ("4", 4),
    "max_issues_per_coupon": ("1000", 1_000),
}
"""Field -> the text of its variable, and the value that it becomes."""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("COUPON_"):
            monkeypatch.delenv(name)


def test_every_setting_can_be_given() -> None:
    assert GIVEN.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("field", GIVEN)
def test_a_variable_is_the_prefix_and_the_name_in_capitals(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = GIVEN[field]
    assert getattr(Settings(), field) != value
    monkeypatch.setenv(f"COUPON_{field.upper()}", text)
    assert getattr(Settings(), field) == value


def test_a_variable_without_the_prefix_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADS", "7")
    monkeypatch.setenv("COUPON_NO_SUCH_SETTING", "7")
    monkeypatch.setenv("DATA", "/elsewhere")
    assert Settings() == Settings(threads=2, data=Path("data"))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("executor", "celery"),
        ("threads", "0"),
        ("threads", "two"),
        ("memory_limit", "lots"),
        ("memory_limit", "1.5GB"),
        ("memory_limit", "-1GB"),
        ("test_campaign", "A"),
        ("locked_from", "25.09.2017"),
        ("budget_cents", "-1"),
        ("budget_cents", "99.5"),
        ("max_coupons_per_household", "0"),
        ("assumed_face_value_cents", "0"),
        ("issue_cost_cents", "-0.1"),
        ("issue_cost_cents", "nan"),
        ("environment", "staging"),
        ("liability_cents", "-1"),
        ("supplier_liability_cents", "1.5"),
        ("max_coupons_per_household_day", "0"),
        ("max_issues_per_coupon", "0"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(field: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"COUPON_{field.upper()}", text)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (error,) = refused.value.errors()
    assert error["loc"] == (field,)
    assert error["input"] == text


@pytest.mark.parametrize(("field", "text"), [("budget_cents", "0"), ("issue_cost_cents", "0"), ("threads", "1")])
def test_the_lowest_value_of_a_limit_is_allowed(field: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"COUPON_{field.upper()}", text)
    assert getattr(Settings(), field) == float(text)


def test_files_of_a_source_lie_below_the_data_folder() -> None:
    settings = Settings(data=Path("/srv/data"), source="mine")
    assert settings.bundles == Path("/srv/data/mine/bundles")
    assert settings.mlflow_uri == "sqlite:////srv/data/mlflow/mlflow.db"
    assert settings.mlflow_artifacts == Path("/srv/data/mlflow/artifacts")


def test_the_ledger_lies_below_the_data_folder_of_its_source_unless_it_is_given_a_place() -> None:
    settings = Settings(data=Path("/srv/data"), source="mine")
    assert settings.ledger == "sqlite:////srv/data/mine/ledger/ledger.db"
    assert settings.ledger_key_file == Path("/srv/data/mine/ledger/keys.json")
    elsewhere = Settings(ledger_url="postgresql://db/coupons", ledger_keys=Path("/run/keys.json"))
    assert elsewhere.ledger == "postgresql://db/coupons"
    assert elsewhere.ledger_key_file == Path("/run/keys.json")


def test_the_model_registry_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().mlflow_uri == f"sqlite:///{tmp_path}/data/mlflow/mlflow.db"
    assert Settings().mlflow_artifacts == tmp_path / "data" / "mlflow" / "artifacts"
