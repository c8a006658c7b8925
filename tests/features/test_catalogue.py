"""Every feature is declared once, documented, and computed under its declared name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coupon_pipeline.features import coupon, household, pair
from coupon_pipeline.features.feature import Feature, FeatureSet
from coupon_pipeline.features.sets import REDEMPTION


def test_names_are_unique_and_start_with_their_family() -> None:
    assert len(set(REDEMPTION.names)) == len(REDEMPTION.names)
    for family, module in (("household", household), ("coupon", coupon), ("pair", pair)):
        assert {feature.family for feature in module.FEATURES} == {family}


def test_every_feature_says_what_it_is_in_which_unit_and_window_and_what_null_means() -> None:
    for feature in REDEMPTION.features:
        assert feature.doc.endswith("."), feature.name
        assert feature.unit, feature.name
        assert feature.window, feature.name
        assert feature.null, feature.name


@pytest.mark.parametrize("change", [{"version": 2}, {"window": "7 days"}, {"null": "0"}, {"name": "household__other"}])
def test_the_hash_follows_the_meaning_of_each_feature(change: dict[str, object]) -> None:
    first, *others = REDEMPTION.features
    changed = FeatureSet(REDEMPTION.name, (replace(first, **change), *others))
    assert changed.hash != REDEMPTION.hash


def test_the_hash_follows_the_order_but_not_the_words_of_the_docs() -> None:
    reordered = FeatureSet(REDEMPTION.name, REDEMPTION.features[::-1])
    reworded = FeatureSet(REDEMPTION.name, tuple(replace(f, doc="Other words.") for f in REDEMPTION.features))
    assert reordered.hash != REDEMPTION.hash
    assert reworded.hash == REDEMPTION.hash


def test_a_set_lists_the_names_of_a_family_in_model_order() -> None:
    one, two = Feature("pair__b", "B.", "count", "ever", "never"), Feature("pair__a", "A.", "count", "ever", "never")
    assert FeatureSet("small", (one, two)).of("pair") == ("pair__b", "pair__a")
