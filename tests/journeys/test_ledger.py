"""The loop through the ledger: issued by a cycle, redeemed at the tills of the next week, read by the cycle after."""

from __future__ import annotations

import io
import json
import signal
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from rich.console import Console

from assets.issues import issued
from assets.landing import land_week
from models import dataset
from models.campaigns import announced
from tests.journeys.chain import LAST, ChainRun
from tests.simulation.chains import content

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.commands.plan import cycle_is_stale
from coupon_pipeline.definitions import build
from coupon_pipeline.erasures.households import Erasures
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.records import ExportedRedemption
from coupon_pipeline.simulation.command import advance
from coupon_pipeline.sources.ledgered import (
    EXPORTED,
    ORIGIN_FROM,
    REDEMPTIONS_ABOVE,
    latest,
    opened,
)
from coupon_pipeline.tables import Store

NEXT = "2025-03-24"
ISSUE_AND_DIE = """
import os, signal
from assets.issues import issued
from assets.pipeline import Pipeline
from coupon_pipeline.ledger import ledger
from coupon_pipeline.settings import Settings
ledger.Ledger.issue_all.__defaults__ = (None, 1_000)
issued(Pipeline(Settings()), "{week}", lambda done: done == 2_000 and os.kill(os.getpid(), signal.SIGKILL))
"""
ADVANCE_AND_DIE = """
import os, signal
from rich.console import Console
from coupon_pipeline.simulation.command import advance
from coupon_pipeline.simulation.systems import tills
answer, answered = tills.answer, []
def dying(ledger, call):
    answered.append(answer(ledger, call))
    if len(answered) == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return answered[-1]
tills.answer = dying
advance(Console())
"""


@dataclass(frozen=True)
class Lived:
    """The chain one week on: once killed on the way, once not."""

    before: ChainRun
    run: ChainRun
    """Killed in the middle of the tills' week, and brought to its end by the same command."""
    calm: ChainRun
    printed: str
    """What the command said."""

    @cached_property
    def store(self) -> Store:
        return self.run.pipeline.store

    @cached_property
    def redemptions(self) -> list[ExportedRedemption]:
        """What the ledger exports of the week."""
        calendar = self.run.pipeline.source.calendar
        span = to_epoch(calendar.opens_at(NEXT)), to_epoch(calendar.decision_time(NEXT))
        with opened(self.run.settings, latest) as ledger:
            return ledger.exported_redemptions(*span, range(1, 10_000))

    def raw(self, table: str, week: str) -> pa.Table:
        return self.store.read("raw", table, week)


@pytest.fixture(scope="module")
def lived(ran: ChainRun, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A week is lived twice, killed and not; then the cycle that reads it, on the copy whose tills were killed."""
    folder = tmp_path_factory.mktemp("ledger")
    stormy, calm = ran.copied(folder / "stormy"), ran.copied(folder / "calm")
    died = stormy.python(ADVANCE_AND_DIE)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert stormy.pipeline.source.calendar.weeks[-1] == LAST
    printed = io.StringIO()
    for run in (stormy, calm):
        with run.variables():
            advance(Console(file=printed, width=200))
    with stormy.variables(), dg.DagsterInstance.ephemeral() as instance:
        job = build(stormy.pipeline).resolve_job_def("cycle")
        assert job.execute_in_process(partition_key=NEXT, instance=instance).success
    return Lived(ran, stormy, calm, printed.getvalue())


def told_tills(run: ChainRun) -> dict[str, Any]:
    path = run.data / "chain" / "private" / "tills" / f"{NEXT}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_cycle_issues_what_it_has_assigned_through_the_ledger(ran: ChainRun) -> None:
    store = ran.pipeline.store
    recorded, decided = store.read("ledger", "issues", LAST), store.read("coupons", "coupon_assignments", LAST)
    assert recorded["decision_id"].to_pylist() == decided["decision_id"].to_pylist()
    assert recorded["issue_id"].null_count == len(recorded["reason"].drop_null()) < recorded.num_rows / 50
    with opened(ran.settings, latest) as ledger:
        assert ledger.setting(ORIGIN_FROM) == NEXT
        assert all(check.passed for check in audit(ledger.database))
    figures = json.loads((ran.project / "out" / "run.json").read_text(encoding="utf-8"))
    told = {row["name"]: row["value"] for row in figures}
    assert told["coupons issued"] == recorded.num_rows - recorded["issue_id"].null_count
    assert told["liability outstanding"] > 0


def test_killed_while_it_issues_it_ends_with_the_same_issues(ran: ChainRun, tmp_path: Path) -> None:
    elsewhere = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "ledger_keys": tmp_path / "keys.json"}
    variables = {f"COUPON_{name.upper()}": str(value) for name, value in elsewhere.items()}
    dying = replace(ran, environment={**ran.environment, **variables})
    died = dying.python(ISSUE_AND_DIE.format(week=LAST))
    assert died.returncode == -signal.SIGKILL
    pipeline = type(ran.pipeline)(ran.settings.model_copy(update=elsewhere))
    rows, told = issued(pipeline, LAST)
    assert rows.equals(ran.pipeline.store.read("ledger", "issues", LAST))
    assert told["replayed"] == 2_000
    assert issued(pipeline, LAST)[0].equals(rows)


def test_killed_while_it_lives_the_chain_ends_with_the_same_week(lived: Lived) -> None:
    feeds = [content(run.data / "chain" / "feeds") for run in (lived.run, lived.calm)]
    assert feeds[0] == feeds[1]
    assert told_tills(lived.run) == told_tills(lived.calm)
    for table in EXPORTED:
        stormy, calm = (run.pipeline.source.read(table, NEXT) for run in (lived.run, lived.calm))
        assert stormy.equals(calm), table


def test_tills_ask_twice_take_back_and_are_told_so(lived: Lived) -> None:
    kept = told_tills(lived.run)
    assert {"redeemed", "replayed", "reversed"} <= set(kept["answers"])
    assert kept["coming_back"]
    told = ", ".join(f"{count} {answer}" for answer, count in kept["answers"].items())
    assert lived.printed.count(f"at the tills: {told}") == 2


def test_the_books_close(lived: Lived) -> None:
    with opened(lived.run.settings, latest) as ledger:
        assert [check.name for check in audit(ledger.database) if not check.passed] == []


def test_the_week_landed_is_what_the_ledger_exported(lived: Lived) -> None:
    issues, recorded = lived.raw("coupon_issues", NEXT), lived.store.read("ledger", "issues", LAST)
    assert issues["issue_id"].to_pylist() == sorted(recorded["issue_id"].drop_null().to_pylist())
    with opened(lived.run.settings, latest) as ledger:
        above = int(ledger.setting(REDEMPTIONS_ABOVE) or 0)
    landed = lived.raw("coupon_redemptions", NEXT).to_pylist()
    assert [row["redemption_id"] - above for row in landed] == [one.redemption_id for one in lived.redemptions]
    assert [row["issue_id"] for row in landed] == [one.issue_id for one in lived.redemptions]
    assert [row["household_id"] for row in landed] == [one.household_id for one in lived.redemptions]
    assert sum(row["discount_cents"] for row in landed) == sum(one.discount_cents for one in lived.redemptions)
    clean = lived.store.read("clean", "coupon_redemptions", NEXT)
    assert clean.num_rows == len(landed)


def test_what_the_tills_booked_is_what_was_redeemed(lived: Lived) -> None:
    """Each use of the week is in the ledger, in its basket, with the till's own amount."""
    sales = lived.store.read("clean", "pos_transactions", NEXT).to_pylist()
    lines = {(row["basket_id"], row["coupon_discount_cents"]) for row in sales}
    found = [(int(one.basket_id), one.discount_cents) in lines for one in lived.redemptions]
    assert sum(found) > 0.95 * len(found)


def test_issues_from_before_the_ledger_are_redeemed_through_it_and_not_told_again(lived: Lived) -> None:
    before = set(lived.raw("coupon_issues", LAST)["issue_id"].to_pylist())
    assert before & {one.issue_id for one in lived.redemptions}
    assert before.isdisjoint(lived.raw("coupon_issues", NEXT)["issue_id"].to_pylist())
    older = set(lived.raw("coupon_redemptions", LAST)["issue_id"].to_pylist())
    assert older.isdisjoint(one.issue_id for one in lived.redemptions)


def test_features_and_labels_see_what_was_redeemed(lived: Lived) -> None:
    calendar = lived.store.calendar
    as_of = lived.store.as_of(calendar.decision_time(NEXT))
    used = as_of.state("coupon_redemptions").to_pyarrow()
    assert {one.issue_id for one in lived.redemptions} <= set(used["issue_id"].to_pylist())
    candidates = lived.store.read("coupons", "candidates", NEXT)
    assert candidates.num_rows > 0
    features = lived.store.read("features", "household", NEXT)
    names = ("household_id", "household__redemptions")
    counted = dict(zip(*(features[name].to_pylist() for name in names), strict=True))
    assert all(counted[one.household_id] >= 1 for one in lived.redemptions if one.household_id in counted)
    [campaign] = [one for one in announced(as_of).values() if one.ends_on.isoformat() == "2025-03-30"]
    pairs = dataset.offered(lived.store, campaign)
    labels = dataset.labels(lived.store, campaign, pairs).to_pylist()
    keys = zip(pairs["household_id"].to_pylist(), pairs["coupon_id"].to_pylist(), strict=True)
    positive = {key for key, label in zip(keys, labels, strict=True) if label}
    of_campaign = {one.coupon_id for one in lived.redemptions} & set(pairs["coupon_id"].to_pylist())
    redeemed = {(one.household_id, one.coupon_id) for one in lived.redemptions if one.coupon_id in of_campaign}
    assert redeemed
    assert redeemed <= positive


def test_a_week_lands_again_with_the_same_bytes_and_the_cycle_is_fresh(lived: Lived) -> None:
    pipeline = lived.run.pipeline
    for table in EXPORTED:
        path = pipeline.store.path("raw", table, NEXT)
        before = path.read_bytes()
        land_week(pipeline, table, NEXT, Erasures.of(pipeline.store))
        assert path.read_bytes() == before, table
    assert not cycle_is_stale(lived.run.pipeline, NEXT)


def test_the_next_cycle_issues_on_and_the_one_before_comes_too_late(lived: Lived) -> None:
    recorded = lived.store.read("ledger", "issues", NEXT)
    assert recorded["issue_id"].null_count < recorded.num_rows / 50
    before = lived.store.read("ledger", "issues", LAST)
    assert min(recorded["issue_id"].drop_null().to_pylist()) > max(before["issue_id"].drop_null().to_pylist())
    rows, told = issued(lived.run.pipeline, LAST)
    assert told["issued"] == told["replayed"] == 0
    assert rows.equals(before)
