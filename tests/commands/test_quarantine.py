"""What waits is shown with what to do; what comes again leaves by itself, what passes by now is let in once."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from rich.console import Console
from typer.testing import CliRunner

from assets.clean import publish
from assets.landing import read_settled
from assets.pipeline import Pipeline
from tests.contracts.deliveries import CALENDAR, WEEKS, as_delivery, coupon, coupons

from coupon_pipeline.cli import app
from coupon_pipeline.commands.failed import FailedRunError
from coupon_pipeline.commands.quarantine import Wanted, quarantine, replay
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import ContractError
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.settings import Settings
from coupon_pipeline.weeks import UnknownWeekError

LAST = WEEKS[-1]
GOOD = 150
"""Good coupons a week: beside so many, one bad row is within what the contract allows."""
EVERYTHING = Wanted()


class Publisher:
    """A source of campaigns and their coupons; a test adds coupons to a week, or campaigns."""

    name = "publisher"
    calendar = CALENDAR

    def __init__(self) -> None:
        self.coupons: dict[str, list[Mapping[str, str | None]]] = {
            week: [coupon(week, coupon_id=str(1000 * at + number)) for number in range(1, GOOD + 1)]
            for at, week in enumerate(WEEKS, start=1)
        }
        self.campaigns = {"1": WEEKS[0]}

    def tables(self) -> tuple[str, ...]:
        return ("campaigns", "coupons")

    def fingerprint(self, table: str, week: str) -> str:
        return fingerprint(self.read(table, week).to_pylist())

    def read(self, table: str, week: str) -> pa.Table:
        rows = coupons(*self.coupons[week]) if table == "coupons" else self._campaigns(week)
        return Lineage(((f"{table}/{week}.csv", 1, rows.num_rows),)).attached(rows)

    def _campaigns(self, week: str) -> pa.Table:
        usual = {"kind": "A", "starts_on": "2025-03-03", "ends_on": "2025-04-30", "known_at": f"{week} 09:00:00"}
        empty = dict.fromkeys(("budget_cents", "liability_cents", "is_deleted"))
        rows = [{"campaign_id": one, **empty, **usual} for one, known in self.campaigns.items() if known == week]
        return as_delivery(rows, ["campaign_id", *empty, *usual])


class Office:
    """The pipeline of the publisher, and what the command prints."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.pipeline = Pipeline(Settings(data=folder / "data", source="publisher"))
        self.source = Publisher()
        self.pipeline.__dict__["source"] = self.source
        self.instance = instance
        self.out = folder / "out"
        self.text = io.StringIO()
        self.console = Console(file=self.text, width=100)

    def take_in(self, first: str = WEEKS[0], last: str = LAST) -> None:
        """Land and judge a range of weeks, as a backfill does."""
        weeks = CALENDAR.between(first, last)
        for table in self.source.tables():
            for week in weeks:
                rows, digest = read_settled(self.pipeline, table, week)
                self.pipeline.store.write("raw", table, week, rows, digest)
            publish(self.pipeline, reader.load(table), weeks)

    def show(self, wanted: Wanted = EVERYTHING, limit: int = 20) -> list[dict[str, Any]]:
        quarantine(self.pipeline, wanted, limit, self.console, self.out)
        return json.loads((self.out / "quarantine.json").read_text())

    def replay(self, wanted: Wanted = EVERYTHING) -> int:
        return replay(self.pipeline, wanted, self.instance, self.console)

    def digests(self, until: str = LAST) -> dict[str, str]:
        """SHA-256 of every weekly file of the weeks up to one."""
        files = sorted(self.pipeline.store.root.rglob("week=*/part.parquet"))
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.parent.name.removeprefix("week=") <= until
        }

    def clean(self, week: str) -> list[int]:
        return self.pipeline.store.read("clean", "coupons", week)["coupon_id"].to_pylist()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Office(tmp_path, instance)


def early(office: Office) -> None:
    """Coupon 77 comes in the second week, its campaign in the last."""
    office.source.coupons[WEEKS[1]].append(coupon(WEEKS[1], coupon_id="77", campaign_id="9"))
    office.source.campaigns["9"] = LAST


def test_nothing_that_waits_is_said_as_such(office: Office) -> None:
    office.take_in()
    assert office.show() == []
    assert "Nothing waits" in office.text.getvalue()


def test_a_row_waits_with_its_place_and_leaves_when_its_correction_arrives(office: Office) -> None:
    office.source.coupons[WEEKS[0]].append(coupon(WEEKS[0], coupon_id="77", discount_kind="gift"))
    office.source.coupons[WEEKS[2]].append(coupon(WEEKS[2], coupon_id="77"))
    office.take_in(WEEKS[0], WEEKS[1])
    [pile] = office.show()
    expected = {
        "table": "coupons",
        "rule": "discount_kind.enum",
        "rows": 1,
        "no_key": 0,
        "share": 1 / (GOOD + 1),
        "first_week": WEEKS[0],
        "last_week": WEEKS[0],
        "example": "discount_kind=gift",
        "source_file": f"coupons/{WEEKS[0]}.csv",
        "source_row": GOOD + 1,
    }
    assert {name: pile[name] for name in expected} == expected
    assert "discount_kind must be one of" in pile["todo"]
    office.take_in(WEEKS[2], WEEKS[2])
    assert office.show() == []


def test_the_table_keeps_within_100_columns_and_names_the_next_command(office: Office) -> None:
    office.source.coupons[WEEKS[0]].append(coupon(WEEKS[0], coupon_id="77", discount_kind="gift"))
    office.source.coupons[WEEKS[1]].append(coupon(WEEKS[1], coupon_id=None))
    office.take_in(WEEKS[0], WEEKS[1])
    office.show(Wanted(table="coupons"), limit=1)
    printed = office.text.getvalue()
    assert max(map(len, printed.splitlines()[:-3])) <= 100
    assert "1 more: LIMIT=2" in printed
    assert "1 no key" in printed
    assert "2 rows wait" in printed
    assert "make quarantine TABLE=coupons REPLAY=1" in printed


def test_rows_can_be_chosen_by_table_rule_and_week(office: Office) -> None:
    office.source.coupons[WEEKS[0]].append(coupon(WEEKS[0], coupon_id="77", discount_kind="gift", funding="nobody"))
    office.take_in(WEEKS[0], WEEKS[1])
    assert {pile["rule"] for pile in office.show()} == {"discount_kind.enum", "funding.enum"}
    assert [pile["rule"] for pile in office.show(Wanted(rule="funding.enum"))] == ["funding.enum"]
    assert office.show(Wanted(table="campaigns")) == []
    assert office.show(Wanted(week=WEEKS[1])) == []


def test_what_is_not_there_is_named_with_what_is(office: Office) -> None:
    with pytest.raises(ContractError, match=r"no table 'nix': give one of campaigns, coupons$"):
        office.show(Wanted(table="nix"))
    with pytest.raises(ContractError, match=r"no rule 'nix' .*: give one of .*discount_kind\.enum"):
        office.show(Wanted(rule="nix"))
    with pytest.raises(UnknownWeekError, match=f"give a Monday from {WEEKS[0]}"):
        office.show(Wanted(week="2025-03-04"))


def test_the_command_line_ends_with_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        ["quarantine", "--table", "nix"],
        env={"COUPON_SOURCE": "complete-journey", "COUPON_DATA": str(tmp_path)},
    )
    assert result.exit_code == 2
    assert "no table 'nix'" in result.stderr


def test_a_row_that_passes_by_now_is_let_into_the_newest_week_once(office: Office) -> None:
    early(office)
    office.take_in()
    before = office.digests(WEEKS[2])
    assert [pile["rule"] for pile in office.show()] == ["campaign_id.exists_in"]
    assert office.replay() == 1
    assert office.clean(LAST)[-1] == 77
    assert office.show() == []
    assert office.digests(WEEKS[2]) == before
    events = office.instance.fetch_materializations(dg.AssetKey(["publisher", "clean", "coupons"]), limit=1).records
    assert events[0].partition_key == LAST
    after = office.digests()
    assert office.replay() == 0
    assert "No waiting row passes" in office.text.getvalue()
    office.take_in(LAST, LAST)
    assert office.digests() == after


def test_only_the_rows_that_are_chosen_are_let_in(office: Office) -> None:
    early(office)
    office.source.coupons[WEEKS[0]].append(coupon(WEEKS[0], coupon_id="78", campaign_id="9"))
    office.take_in()
    assert office.replay(Wanted(rule="discount_kind.enum")) == 0
    assert office.replay(Wanted(week=WEEKS[0])) == 1
    assert office.clean(LAST)[-1] == 78
    assert office.replay() == 1
    assert office.clean(LAST)[-2:] == [78, 77]


def test_a_newest_week_that_is_not_landed_or_is_blocked_takes_none_in(office: Office) -> None:
    early(office)
    office.take_in(WEEKS[0], WEEKS[2])
    with pytest.raises(FailedRunError, match=rf"^coupons: week {LAST} is not landed, .*`make run`"):
        office.replay()
    office.source.coupons[LAST] = [coupon(LAST, discount_kind="gift")]
    office.take_in(LAST, LAST)
    with pytest.raises(FailedRunError, match=rf"week {LAST}: 1 of 1 rows .* discount_kind.enum 1"):
        office.replay()


def test_a_week_that_was_not_fit_to_use_is_tried_again(office: Office) -> None:
    """A correction in place within a database shows in no digest, so that nothing else would look at it again."""
    office.source.coupons[LAST] = [coupon(LAST, discount_kind="gift")]
    office.take_in(WEEKS[0], LAST)
    assert not office.pipeline.store.path("clean", "coupons", LAST).exists()
    office.source.coupons[LAST] = [coupon(LAST)]
    office.replay()
    assert office.pipeline.store.read("clean", "coupons", LAST).num_rows == 1
