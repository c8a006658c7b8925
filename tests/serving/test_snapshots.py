"""The service keeps a good bundle, whatever is published next."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from serving.snapshots import Snapshots
from tests.serving.conftest import until
from tests.snapshot.factory import content

from coupon_pipeline.clock import BusinessClock, to_epoch
from coupon_pipeline.snapshot.write import write

FACT = to_epoch(datetime(2017, 5, 10, 12))
"""Two days after the decision of the bundle."""


def served(held: Snapshots) -> str:
    assert held.current is not None
    return held.current.version


def test_no_bundle_at_the_start_is_no_error_and_the_first_one_is_picked_up(tmp_path: Path) -> None:
    held = Snapshots(tmp_path)
    held.start()
    try:
        assert held.current is None
        version = write(tmp_path, content())
        assert until(lambda: held.current).version == version
    finally:
        held.stop()


def test_a_bad_new_bundle_is_refused_and_logged_once_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = write(tmp_path, content())
    held = Snapshots(tmp_path)
    held.refresh()
    bad = write(tmp_path, content(price=0.25))
    (tmp_path / bad / "popular.npy").write_bytes(b"damage")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            held.refresh()
    assert served(held) == good
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "popular.npy: the file is damaged" in caplog.text
    write(tmp_path, content(price=0.25))
    held.refresh()
    assert served(held) == bad


def test_an_older_bundle_made_current_again_is_switched_to(tmp_path: Path) -> None:
    old = write(tmp_path, content())
    write(tmp_path, content(price=0.25))
    held = Snapshots(tmp_path)
    held.refresh()
    (tmp_path / "current.json").write_text(json.dumps({"version": old}))
    held.refresh()
    assert served(held) == old


def test_the_clock_of_a_shipped_source_starts_at_the_decision_time(tmp_path: Path) -> None:
    write(tmp_path, content())
    held = Snapshots(tmp_path)
    held.refresh()
    assert held.current is not None
    decided = datetime(2017, 5, 8, 4)
    assert decided <= held.now(held.current) < decided + timedelta(minutes=1)


def test_the_clock_of_a_grocers_own_source_is_that_of_the_system(tmp_path: Path) -> None:
    write(tmp_path, content(clock="system"))
    held = Snapshots(tmp_path)
    held.refresh()
    assert held.current is not None
    assert abs(held.now(held.current) - BusinessClock(None).now()) < timedelta(minutes=1)


def test_time_is_never_before_the_decision_of_the_bundle_that_answers(tmp_path: Path) -> None:
    write(tmp_path, content())
    held = Snapshots(tmp_path)
    held.refresh()
    write(tmp_path, content(week="2017-05-08", decided_at="2017-05-15T04:00:00"))
    held.refresh()
    assert held.current is not None
    assert held.now(held.current) >= datetime(2017, 5, 15, 4)


def test_without_bundle_and_facts_nothing_tells_the_time(tmp_path: Path) -> None:
    held = Snapshots(tmp_path)
    held.refresh()
    assert not held.begin(0)
    assert held.milliseconds() == 0


def test_without_a_bundle_time_runs_on_from_the_latest_fact_of_the_ledger(tmp_path: Path) -> None:
    held = Snapshots(tmp_path)
    assert held.begin(FACT)
    first, second = held.milliseconds(), held.milliseconds()
    assert FACT <= first <= second < FACT + 60_000


@pytest.mark.parametrize("facts_first", [True, False])
def test_time_starts_at_the_later_of_decision_and_latest_fact(tmp_path: Path, facts_first: bool) -> None:
    write(tmp_path, content())
    held = Snapshots(tmp_path)
    if facts_first:
        held.begin(FACT)
    held.refresh()
    held.begin(FACT)
    assert FACT <= held.milliseconds() < FACT + 60_000
    later = Snapshots(tmp_path)
    later.begin(FACT - 30 * 86_400_000)
    later.refresh()
    assert later.current is not None
    assert to_epoch(later.current.decided_at) <= later.milliseconds() < FACT


def test_the_clock_of_the_system_does_not_care_for_facts(tmp_path: Path) -> None:
    held = Snapshots(tmp_path)
    held.begin(FACT)
    write(tmp_path, content(clock="system"))
    held.refresh()
    held.begin(FACT)
    assert abs(held.milliseconds() - BusinessClock(None).milliseconds()) < 60_000


def test_a_later_decision_takes_the_clock_with_it(tmp_path: Path) -> None:
    write(tmp_path, content())
    held = Snapshots(tmp_path)
    held.refresh()
    write(tmp_path, content(week="2017-05-08", decided_at="2017-05-15T04:00:00"))
    held.refresh()
    first, second = held.milliseconds(), held.milliseconds()
    assert to_epoch(datetime(2017, 5, 15, 4)) <= first <= second
