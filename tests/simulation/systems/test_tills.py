"""Tills bring every use to the ledger once, whatever befalls them, and keep what they were told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.simulation.systems.week import (
    CALENDAR,
    CLOSES,
    FACE_CENTS,
    FIRST,
    HOUSEHOLDS,
    OPENS,
    SECOND,
    issue_all,
    ledger,
    over,
    records,
    tills_of,
)

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.records import ExportedRedemption

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Brought:
    """A ledger to which a week was brought."""

    folder: Path
    new: list[int]
    old: list[int]

    @property
    def told(self) -> dict[str, int]:
        return tills_of(self.folder).told(FIRST) or {}

    def exported(self, week: str = FIRST) -> list[ExportedRedemption]:
        span = to_epoch(CALENDAR.opens_at(week)), to_epoch(CALENDAR.decision_time(week))
        with ledger(self.folder, lambda: 0) as found:
            return found.exported_redemptions(*span, range(HOUSEHOLDS + 1))


def issued(folder: Path) -> Brought:
    folder.mkdir()
    return Brought(folder, *issue_all(folder))


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Brought:
    found = issued(tmp_path_factory.mktemp("tills") / "whole")
    tills_of(found.folder).bring(records(FIRST, found.new), over(found.old))
    return found


def test_every_use_is_redeemed_once(brought: Brought) -> None:
    exported = brought.exported()
    assert sorted(one.issue_id for one in exported) == sorted(brought.new)
    assert {one.discount_cents for one in exported} == {FACE_CENTS - 1}
    households = dict(zip(brought.new, range(1, HOUSEHOLDS + 1), strict=True))
    assert all(one.household_id == households[one.issue_id] for one in exported)


def test_some_ask_twice_some_take_it_back_and_some_come_too_late(brought: Brought) -> None:
    told = brought.told
    assert set(told) == {"expired", "redeemed", "replayed", "reversed"}
    assert told["redeemed"] == HOUSEHOLDS + told["reversed"]
    with ledger(brought.folder, lambda: 0) as found:
        assert all(check.passed for check in audit(found.database))


def test_each_use_has_the_worlds_own_instant_but_for_a_till_that_was_offline(brought: Brought) -> None:
    sold = {
        row["issue_id"]: to_epoch(row["redeemed_at"])
        for row in records(FIRST, brought.new).tables["redemptions"].to_pylist()
    }
    delays = [one.redeemed_at - sold[one.issue_id] for one in brought.exported()]
    assert set(delays) == {0, 6 * 60_000, 5 * 3_600_000}
    assert delays.count(0) > HOUSEHOLDS / 2


def test_what_happened_in_a_week_is_known_at_its_last_instant(brought: Brought) -> None:
    assert {one.known_at for one in brought.exported()} == {to_epoch(CLOSES) - 1}
    with ledger(brought.folder, lambda: 0) as found:
        last = found.batches(to_epoch(OPENS), to_epoch(CLOSES))[-1]
    assert last.known_at == to_epoch(CLOSES) - 1


def test_a_week_that_was_brought_is_left_alone(brought: Brought) -> None:
    before = brought.told, brought.exported()
    tills_of(brought.folder).bring(records(FIRST, brought.new), over(brought.old))
    assert (brought.told, brought.exported()) == before


def test_some_of_it_comes_back_in_the_week_after(brought: Brought) -> None:
    kept = json.loads((brought.folder / "tills" / f"{FIRST}.json").read_text(encoding="utf-8"))
    back = {int(one["undoes"].split("-")[1]) for one in kept["coming_back"]}
    assert 0 < len(back) < HOUSEHOLDS / 5
    tills_of(brought.folder).bring(records(SECOND, []), over([]))
    assert tills_of(brought.folder).told(SECOND) == {"reversed": len(back)}
    again = brought.exported(SECOND)
    assert {one.issue_id for one in again} == back
    assert all(one.is_deleted for one in again)


@pytest.mark.parametrize("after", [1, 60])
def test_killed_between_an_answer_and_its_note_the_tills_go_on_and_end_the_same(
    brought: Brought, tmp_path: Path, after: int
) -> None:
    found = issued(tmp_path / "killed")
    assert (found.new, found.old) == (brought.new, brought.old)
    ids = [str(one) for one in (*found.new, *found.old)]
    line = [sys.executable, "-m", "tests.simulation.systems.week", str(found.folder), str(after), *ids]
    died = subprocess.run(line, cwd=ROOT, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert found.told == {}
    tills_of(found.folder).bring(records(FIRST, found.new), over(found.old))
    assert (found.told, found.exported()) == (brought.told, brought.exported())
    assert not list(found.folder.glob("tills/*.journal"))
