"""The service keeps a good bundle, whatever is published next."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from serving.snapshots import Snapshots, open_snapshots, snapshots
from tests.serving.conftest import until
from tests.snapshot.factory import content

from coupon_pipeline.clock import BusinessClock
from coupon_pipeline.snapshot.write import write


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


def test_a_process_without_a_folder_is_told_which_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.snapshots._opened", [])
    monkeypatch.delenv("COUPON_BUNDLES", raising=False)
    with pytest.raises(RuntimeError, match="COUPON_BUNDLES"):
        snapshots()
    monkeypatch.setitem(os.environ, "COUPON_BUNDLES", str(tmp_path))
    assert snapshots().root == tmp_path
    assert open_snapshots(tmp_path / "other") is snapshots()
