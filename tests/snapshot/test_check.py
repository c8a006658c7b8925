"""Content that does not fit together is refused before it is published, by the name of the field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.snapshot.factory import content

from coupon_pipeline.snapshot.check import check
from coupon_pipeline.snapshot.content import BundleContent
from coupon_pipeline.snapshot.write import write


def changed(array: np.ndarray, at: int, value: Any) -> np.ndarray:
    copy = array.copy()
    copy[at] = value
    return copy


GOOD = content()

BAD: dict[str, BundleContent] = {
    "household_ids": content(household_ids=GOOD.household_ids[::-1].copy()),
    "household_features": content(household_features=GOOD.household_features.astype(np.float32)),
    "household_consent": content(household_consent=GOOD.household_consent[:-1]),
    "coupon_ids": content(coupon_ids=changed(GOOD.coupon_ids, 1, 10)),
    "coupon_names": content(coupon_names=GOOD.coupon_names[1:]),
    "face_value_cents": content(face_value_cents=changed(GOOD.face_value_cents, 0, -2)),
    "cost_face_cents": content(cost_face_cents=changed(GOOD.cost_face_cents, 0, np.nan)),
    "valid_to": content(valid_to=changed(GOOD.valid_to, 0, np.datetime64("NaT", "D"))),
    "pair_offsets": content(pair_offsets=changed(GOOD.pair_offsets, 1, 60)),
    "pair_coupon": content(pair_coupon=changed(GOOD.pair_coupon, 0, 9)),
    "pair_eligible": content(pair_eligible=GOOD.pair_eligible.astype(np.int8)),
    "columns": content(columns=changed(GOOD.columns, 0, 1)),
    "feature_names": content(feature_names=GOOD.feature_names[::-1]),
    "popular": content(popular=np.array([9], dtype=np.int32)),
    "canary_features": content(canary_features=GOOD.canary_features[:, :4]),
    "price": content(price=-1.0),
    "issue_cost_cents": content(issue_cost_cents=float("nan")),
    "max_per_household": content(max_per_household=0),
    "clock": content(clock="sundial"),
    "objective": content(objective="incremental_margin"),
    "decided_at": content(decided_at="2017-05-08T04:00:00+00:00"),
    "trees.left": content(trees=replace(GOOD.trees, left=changed(GOOD.trees.left, 3, 3))),
    "trees.right": content(trees=replace(GOOD.trees, right=changed(GOOD.trees.right, 0, 10_000))),
    "trees.roots": content(trees=replace(GOOD.trees, roots=changed(GOOD.trees.roots, 0, -10_000))),
    "trees.column": content(trees=replace(GOOD.trees, column=changed(GOOD.trees.column, 0, 99))),
}


def test_content_that_fits_together_is_accepted() -> None:
    check(GOOD)


@pytest.mark.parametrize("field", BAD)
def test_bad_content_is_refused_by_its_field_and_not_published(field: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=field):
        write(tmp_path, BAD[field])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(Exception, match="Mars"):
        check(content(timezone="Mars/Olympus"))
