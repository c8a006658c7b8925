"""Answers are computed from the bundle: who may get what, in which order, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.recommender import recommend, score
from serving.schemas import Offer, Pair, RecommendAnswer, RecommendRequest, ScoreRequest
from tests.snapshot.factory import COUPONS, HOUSEHOLDS, UNCONSENTED, WITHOUT_PAIRS, booster, content

from coupon_pipeline.snapshot.bundle import Bundle
from coupon_pipeline.snapshot.identity import decision_id

BUNDLE = Bundle("2017-05-01-0123456789ab", content())
NOW = BUNDLE.decided_at


def ask(household: object, bundle: Bundle = BUNDLE, now: datetime = NOW, limit: int = 10) -> dict[str, Any]:
    return recommend(bundle, RecommendRequest(household_id=str(household), limit=limit), now)


def expected_offers(household: int, limit: int) -> list[tuple[str, float]]:
    """The offers by LightGBM and plain sorting, straight from the definition."""
    made, rows = BUNDLE.content, BUNDLE.pairs_of(household - 1)
    probabilities = np.asarray(booster().predict(BUNDLE.features(rows), num_threads=1))
    scored = []
    for row, probability in zip(rows, probabilities, strict=True):
        coupon = made.pair_coupon[row]
        value = probability - made.price * (probability * made.cost_face_cents[coupon] + made.issue_cost_cents)
        if made.pair_eligible[row] and value > 0:
            scored.append((-value, int(made.coupon_ids[coupon])))
    return [(str(coupon), -value) for value, coupon in sorted(scored)[:limit]]


@given(household=st.integers(1, HOUSEHOLDS), limit=st.integers(1, 10))
def test_a_household_gets_its_eligible_offers_by_value_less_price_times_cost(household: int, limit: int) -> None:
    answer = ask(household, limit=limit)
    found = [(offer["coupon_id"], offer["score"]) for offer in answer["offers"]]
    expected = (
        [] if household == UNCONSENTED else expected_offers(household, min(limit, BUNDLE.content.max_per_household))
    )
    assert [coupon for coupon, _ in found] == [coupon for coupon, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], rtol=1e-12)
    assert not answer["degraded"]


def test_the_answer_fits_its_schema() -> None:
    for household in (1, 99, UNCONSENTED, WITHOUT_PAIRS):
        RecommendAnswer.model_validate({"request_id": "r"} | ask(household), strict=True)


def test_an_offer_carries_the_decision_of_the_cycle_and_what_the_coupon_is() -> None:
    offer = Offer(**ask(1)["offers"][0])
    made = BUNDLE.content
    assert offer.decision_id == decision_id(made.source, made.week, 1, int(offer.coupon_id), made.policy_version)
    assert offer.name == f"Coupon {int(offer.coupon_id) // 10 - 1}"
    assert (offer.valid_to, offer.value_cents) == ("2017-05-21", None)


def test_an_unknown_face_value_is_null() -> None:
    bundle = Bundle("v", content(face_value_cents=np.full(COUPONS, -1)))
    assert {offer["face_value_cents"] for offer in ask(1, bundle)["offers"]} == {None}


@pytest.mark.parametrize("household", ["99", "0", "-1", "01", "1.0", "one", " 1", "9" * 64])
def test_an_unknown_household_gets_the_popular_coupons_degraded(household: str) -> None:
    answer = ask(household)
    assert answer["degraded"]
    assert [offer["coupon_id"] for offer in answer["offers"]] == ["50", "30", "10"]
    assert {(offer["score"], offer["decision_id"]) for offer in answer["offers"]} == {(None, None)}


def test_a_household_without_consent_gets_nothing_and_is_told_why() -> None:
    answer = ask(UNCONSENTED)
    assert (answer["offers"], answer["degraded"], answer["reason"]) == ([], False, "no_marketing_consent")


def test_a_household_without_candidates_gets_nothing() -> None:
    answer = ask(WITHOUT_PAIRS)
    assert (answer["offers"], answer["degraded"], "reason" in answer) == ([], False, False)


def test_an_offer_lasts_to_the_end_of_its_last_day_in_the_stores() -> None:
    first_instant_after = datetime(2017, 5, 22, 4)
    for household in (1, 99):
        assert ask(household, now=first_instant_after - timedelta(microseconds=1))["offers"]
        assert not ask(household, now=first_instant_after)["offers"]


def test_a_price_that_nothing_is_worth_leaves_no_offer() -> None:
    assert ask(1, Bundle("v", content(price=1.0)))["offers"] == []


def test_store_and_basket_do_not_change_the_offers() -> None:
    full = {"household_id": "1", "store_id": "s", "basket": [{"product_id": "p", "quantity": 2}]}
    assert recommend(BUNDLE, RecommendRequest.model_validate(full), NOW) == ask(1)


def test_a_group_of_features_without_influence_is_never_a_reason() -> None:
    """With one household and one coupon each of their features is typical: only the pair can make a difference."""
    made = content()
    flat = Bundle(
        "v",
        content(
            household_features=np.repeat(made.household_features[:1], HOUSEHOLDS, axis=0),
            coupon_features=np.repeat(made.coupon_features[:1], COUPONS, axis=0),
        ),
    )
    found = {
        reason for household in (1, 2, 5, 6) for offer in ask(household, flat)["offers"] for reason in offer["reasons"]
    }
    assert found == {"fit_of_household_and_coupon"}


def test_scores_are_lightgbm_probabilities_in_the_order_of_the_pairs_and_null_where_unknown() -> None:
    asked = [("2", 20), ("99", 20), ("1", 77), ("x", 20), *(("5", coupon * 10) for coupon in range(1, 10))]
    pairs = [Pair(household_id=household, coupon_id=str(coupon)) for household, coupon in asked]
    found = score(BUNDLE, ScoreRequest(pairs=pairs))["scores"]
    rows = BUNDLE.find_pairs(np.array([2, 0, 0, 0] + [5] * 9), np.array([coupon for _, coupon in asked]))
    assert [one is None for one in found] == (rows < 0).tolist()
    assert 0 < sum(one is None for one in found[4:]) < 9
    expected = np.asarray(booster().predict(BUNDLE.features(rows[rows >= 0]), num_threads=1))
    np.testing.assert_allclose([one for one in found if one is not None], expected, rtol=0, atol=2e-16)


def test_a_full_batch_scores_like_its_parts() -> None:
    pairs = [Pair(household_id=str(1 + n % 14), coupon_id=str(10 * (1 + n % 11))) for n in range(10_000)]
    whole = score(BUNDLE, ScoreRequest(pairs=pairs))["scores"]
    assert whole[9_990:] == score(BUNDLE, ScoreRequest(pairs=pairs[9_990:]))["scores"]
