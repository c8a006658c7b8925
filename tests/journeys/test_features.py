"""Features of real pairs keep what their declarations promise."""

from __future__ import annotations

from models.campaigns import announced
from models.dataset import offered
from tests.conftest import Loop

from coupon_pipeline.features.compute import blocks
from coupon_pipeline.features.sets import REDEMPTION


def test_a_feature_that_is_never_null_never_is(loop: Loop) -> None:
    store = loop.pipeline.store
    as_of = store.as_of(store.calendar.decision_time(loop.last))
    found = blocks(as_of, offered(store, announced(as_of)[14]), REDEMPTION)
    for feature in REDEMPTION.features:
        table = {"household": found.households, "coupon": found.coupons, "pair": found.pairs}[feature.family]
        if feature.null == "never null":
            assert table[feature.name].null_count == 0, feature.name
