"""Old bundles with an erased household go; the one that is served stays until another takes its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.snapshot.factory import content

from coupon_pipeline.snapshot.bundle import open_bundle
from coupon_pipeline.snapshot.forgetting import forget
from coupon_pipeline.snapshot.write import write


def versions(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir()}


def test_versions_with_an_erased_household_go_but_the_current_one(tmp_path: Path) -> None:
    ids = np.arange(1, 13)
    without_seven = write(tmp_path, content(household_ids=np.where(ids >= 7, ids + 1, ids), week="2017-04-10"))
    old = write(tmp_path, content(seed=1, week="2017-04-17"))
    current = write(tmp_path, content(seed=2))
    assert versions(tmp_path) == {without_seven, old, current}
    assert forget(tmp_path, np.array([7])) == 1
    assert versions(tmp_path) == {without_seven, current}
    assert open_bundle(tmp_path).version == current
    assert forget(tmp_path, np.array([7])) == 0


def test_nobody_erased_and_nothing_published_are_no_errors(tmp_path: Path) -> None:
    assert forget(tmp_path / "none", np.array([7])) == 0
    current = write(tmp_path, content())
    assert forget(tmp_path, np.empty(0, np.int64)) == 0
    assert versions(tmp_path) == {current}
