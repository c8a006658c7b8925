"""A day's differences are printed and written with their money; nothing that is printed tells who or which code."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.reconciling.shops import CALENDAR, FIRST, NEXT, Shop

from coupon_pipeline.cli import app
from coupon_pipeline.commands.reconcile import SHOWN, show_day
from coupon_pipeline.reconciling.day import KINDS
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.weeks import UnknownWeekError

DAY = FIRST


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def shown(shop: Shop, folder: Path, day: str = DAY) -> tuple[int, str, dict[str, Any]]:
    """How many differences there are, what is printed, and what is written."""
    text = io.StringIO()
    count = show_day(shop.closed(), day, Console(file=text, width=200), folder)
    return count, text.getvalue(), json.loads((folder / "reconcile.json").read_text())


def test_every_difference_is_printed_with_its_money_and_written(shop: Shop, tmp_path: Path) -> None:
    shop.redeem(501, 30)
    shop.redeem(502, 40, household=2)
    shop.sell(502, 35)
    shop.export()
    shop.set_aside(NEXT, "2025-03-10 13:00:00")
    count, text, written = shown(shop, tmp_path)
    assert count == 2
    assert "redeemed_without_discount" in text
    assert "ledger 0.70 EUR, tills 0.35: the 2 differences" in text
    assert "1 till lines of the day wait in quarantine" in text
    assert [row["basket_id"] for row in written["differences"]] == [501, 502]
    assert {kind["kind"]: kind["cents"] for kind in written["kinds"] if kind["count"]} == {
        "redeemed_without_discount": 30,
        "amounts_differ": 5,
    }
    assert (written["day"], written["waiting_lines"]) == (DAY, 1)
    assert written["known_before"] == CALENDAR.decision_time(NEXT).isoformat()
    assert written["totals_cents"]["ledger"] - written["totals_cents"]["till"] == 35


def test_books_that_agree_say_so(shop: Shop, tmp_path: Path) -> None:
    shop.redeem(501, 30)
    shop.sell(501, 30)
    shop.export()
    count, text, written = shown(shop, tmp_path)
    assert (count, written["differences"]) == (0, [])
    assert "ledger and tills agree on 0.30 EUR" in text


def test_neither_a_code_nor_its_owner_is_shown_or_written(shop: Shop, tmp_path: Path) -> None:
    shop.redeem(501, 30, household=3)
    _, text, written = shown(shop, tmp_path)
    for told in (text, json.dumps(written)):
        assert shop.codes[0] not in told
        assert "household" not in told


def test_of_a_kind_the_largest_differences_are_printed_and_the_rest_counted(shop: Shop, tmp_path: Path) -> None:
    for number in range(SHOWN + 3):
        shop.sell(1_000 + number, 10 + number)
    shop.redeem(501, 1)
    shop.export()
    count, text, written = shown(shop, tmp_path)
    assert count == len(written["differences"]) == SHOWN + 4
    assert "3 more in" in text
    printed = [line.split()[1] for line in text.splitlines() if line.startswith(tuple(KINDS)) and " 7 " in line]
    assert printed == ["501", *(str(1_000 + number) for number in range(SHOWN + 2, 2, -1))]


@pytest.mark.parametrize("day", ["yesterday", "2025-02-30", "2019-01-01", "2025-03-09", ""])
def test_a_day_that_is_none_is_told_in_one_line(shop: Shop, tmp_path: Path, day: str) -> None:
    with pytest.raises(UnknownWeekError, match=r"day|week") as caught:
        shown(shop, tmp_path, day)
    assert "\n" not in str(caught.value)


def test_without_a_ledger_it_says_what_makes_one(shop: Shop, tmp_path: Path) -> None:
    shop.database.close()
    shop.path.unlink()
    with pytest.raises(SourceError, match="there is no ledger of shop yet"):
        shown(shop, tmp_path)


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--strict"], 1)])
def test_differences_end_the_command_with_1_if_it_is_strict(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    shop.redeem(501, 30)
    pipeline = shop.closed()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("assets.pipeline.Pipeline", lambda settings: pipeline)
    result = CliRunner().invoke(app, ["reconcile", "--day", DAY, *words])
    assert result.exit_code == code, result.output
    assert (tmp_path / "out" / "reconcile.json").exists()


def test_the_command_ends_with_2_and_one_line_where_there_is_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUPON_DATA", str(tmp_path / "data"))
    for words in (["audit"], ["reconcile", "--day", "2025-12-29"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [
            "there is no ledger of simulated yet: `make run` makes it with its first coupons"
        ]
