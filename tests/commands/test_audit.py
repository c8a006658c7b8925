"""The audit prints what must be 0, and ends with 1 where the books do not close."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.ledger.worlds import PLAIN
from tests.reconciling.shops import Shop

from coupon_pipeline.cli import app
from coupon_pipeline.commands.audit import show_audit


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.redeem(501, 30)
    return shop


def unbalanced(shop: Shop) -> None:
    """Make the ledger say that another coupon was redeemed."""
    issued = shop.world.issue(PLAIN, 2)
    with sqlite3.connect(shop.path) as connection:
        connection.execute("update issue set state = 'redeemed' where issue_id = ?", [issued.issue_id])
    connection.close()


def test_books_that_close_are_said_to(shop: Shop, tmp_path: Path) -> None:
    text = io.StringIO()
    assert show_audit(shop.database, Console(file=text, width=120), tmp_path)
    assert "the books close" in text.getvalue()
    written = json.loads((tmp_path / "audit.json").read_text())
    assert all(check["passed"] for check in written)
    assert set(written[0]) == {"name", "value", "cents", "passed"}


def test_what_does_not_close_is_printed_with_its_money(shop: Shop, tmp_path: Path) -> None:
    unbalanced(shop)
    text = io.StringIO()
    assert not show_audit(shop.database, Console(file=text, width=120), tmp_path)
    [line] = [line for line in text.getvalue().splitlines() if "missed" in line]
    name, *cells = line.rsplit(maxsplit=3)
    assert name.strip() == "redeemed issues without a live redemption"
    assert cells == ["1", str(PLAIN.value_cents), "missed"]
    assert "the books do not close: 1 of" in text.getvalue()
    assert shop.codes[0] not in text.getvalue()


@pytest.mark.parametrize("closes", [True, False])
def test_the_command_ends_with_1_where_they_do_not_close(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    if not closes:
        unbalanced(shop)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUPON_DATA", str(shop.settings.data))
    monkeypatch.setenv("COUPON_SOURCE", shop.settings.source)
    result = CliRunner().invoke(app, ["audit"])
    assert result.exit_code == (0 if closes else 1), result.output
    assert (tmp_path / "out" / "audit.json").exists()
