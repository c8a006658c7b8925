"""The command goes between the pipeline's folder and the world: coupons of one world are none of another's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from coupon_pipeline.settings import Settings
from coupon_pipeline.simulation import command
from coupon_pipeline.sources.ledgered import opened, there_is_a_ledger

TINY = {
    "HOUSEHOLDS": "60",
    "STORES": "2",
    "PRODUCTS": "300",
    "CATEGORIES": "12",
    "WAVE_COUPONS": "8",
    "WARMUP_WEEKS": "1",
    "ISSUE_WEEKS": "0",
}


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the command says of a tiny chain."""
    for name, value in TINY.items():
        monkeypatch.setenv(f"COUPON_CHAIN_{name}", value)
    monkeypatch.setenv("COUPON_DATA", str(tmp_path))
    monkeypatch.setenv("COUPON_SOURCE", "simulated")
    return io.StringIO()


def make_ledger() -> None:
    with opened(Settings(), lambda: 0) as ledger:
        ledger.set_setting("origin_from", "2025-01-13")


def test_coupons_go_with_the_world_that_they_were_issued_in(said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ledger()
    command.simulate(Console(file=said))
    assert not there_is_a_ledger(Settings())
    make_ledger()
    command.simulate(Console(file=said))
    assert there_is_a_ledger(Settings())
    monkeypatch.setenv("COUPON_CHAIN_SEED", "9")
    command.simulate(Console(file=said))
    assert not there_is_a_ledger(Settings())


def test_the_ledger_of_another_source_is_none_of_its_business(
    said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUPON_SOURCE", "complete-journey")
    make_ledger()
    command.simulate(Console(file=said))
    assert there_is_a_ledger(Settings())


def test_a_week_without_a_ledger_is_lived_without_one(said: io.StringIO, tmp_path: Path) -> None:
    command.simulate(Console(file=said))
    command.advance(Console(file=said, width=120))
    assert "no coupons issued: cycle 2025-01-06 is not decided" in said.getvalue()
    assert "lived the week of 2025-01-13" in said.getvalue()
    assert "at the tills" not in said.getvalue()
    assert not there_is_a_ledger(Settings())
    assert not (tmp_path / "chain" / "private" / "tills").exists()
