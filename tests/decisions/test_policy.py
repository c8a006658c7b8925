"""The policy assigns eligible candidates alone, under its terms, and its version names all that decided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decisions.offers import Offer, candidates

from coupon_pipeline.decisions.policy import Terms, decide, face_to_expect

TERMS = Terms(budget_cents=10_000, max_coupons_per_household=8, assumed_face_value_cents=100, issue_cost_cents=0.25)
OFFERS = st.lists(
    st.builds(
        Offer,
        household_id=st.integers(1, 4),
        coupon_id=st.integers(1, 6).map(lambda n: n * 10),
        face_value_cents=st.none() | st.integers(20, 500),
        refused=st.none() | st.sampled_from(["erased", "no_marketing_consent", "already_redeemed"]),
    ),
    unique_by=lambda offer: offer[:2],
    max_size=16,
).map(lambda offers: candidates(*offers))


def probabilities(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.01, 0.5, n)


@given(offered=OFFERS, seed=st.integers(0, 50), budget=st.integers(0, 600), limit=st.integers(1, 3))
def test_decisions_keep_all_limits_and_never_assign_a_refused_pair(
    offered: pa.Table, seed: int, budget: int, limit: int
) -> None:
    terms = replace(TERMS, budget_cents=budget, max_coupons_per_household=limit)
    made = decide(offered, probabilities(offered.num_rows, seed), terms)
    refused = offered["refused"].is_valid().to_numpy()
    np.testing.assert_array_equal(made.eligible, ~refused)
    assert not (made.assigned & refused).any()
    assert made.spent_cents == pytest.approx(made.cost_cents[made.assigned].sum())
    assert made.spent_cents <= budget
    assigned_to = offered["household_id"].to_numpy()[made.assigned]
    assert np.unique(assigned_to, return_counts=True)[1].max(initial=0) <= limit


@given(offered=OFFERS, seed=st.integers(0, 50))
def test_without_a_tight_budget_each_household_gets_its_most_likely_coupons(offered: pa.Table, seed: int) -> None:
    probability = probabilities(offered.num_rows, seed)
    made = decide(offered, probability, replace(TERMS, max_coupons_per_household=2))
    households = offered["household_id"].to_numpy()
    assert made.price == 0
    for household in np.unique(households):
        own = np.flatnonzero((households == household) & made.eligible)
        best = own[np.argsort(-probability[own])][:2]
        assert set(np.flatnonzero(made.assigned & (households == household))) == set(best)


def test_refusals_between_eligible_pairs_do_not_shift_what_is_assigned() -> None:
    offered = candidates(
        Offer(1, 10, refused="already_redeemed"),
        Offer(1, 20),
        Offer(2, 10, refused="no_marketing_consent"),
        Offer(2, 20, refused="no_marketing_consent"),
        Offer(3, 10),
        Offer(3, 20, refused="erased"),
        Offer(3, 30),
    )
    probability = np.array([0.9, 0.1, 0.9, 0.9, 0.2, 0.9, 0.3])
    made = decide(offered, probability, replace(TERMS, max_coupons_per_household=1))
    assert made.assigned.tolist() == [False, True, False, False, False, False, True]


def test_value_is_the_probability_and_cost_the_expected_face_value_plus_sending() -> None:
    offered = candidates(Offer(1, 10, 200), Offer(1, 20, None), Offer(2, 10, 40, refused="erased"))
    made = decide(offered, np.array([0.5, 0.25, 0.125]), TERMS)
    assert made.probability.tolist() == made.value.tolist() == [0.5, 0.25, 0.125]
    assert made.cost_cents.tolist() == [100.25, 25.25, 5.25]
    assert made.spent_cents == 125.5


def test_the_score_is_the_value_less_the_price_of_the_cost() -> None:
    offered = candidates(Offer(1, 10, 100), Offer(1, 20, 400))
    made = decide(offered, np.array([0.4, 0.5]), replace(TERMS, budget_cents=100))
    assert made.price > 0
    assert made.score.tolist() == [0.4 - made.price * 40.25, 0.5 - made.price * 200.25]
    assert made.assigned.tolist() == [True, False] == (made.score > 0).tolist()


def test_an_unknown_face_value_is_the_named_assumption_and_a_known_one_is_kept() -> None:
    faces = candidates(Offer(1, 10, None), Offer(1, 20, 35))["face_value_cents"]
    found = face_to_expect(faces, replace(TERMS, assumed_face_value_cents=150))
    assert found.dtype == np.float64
    assert found.tolist() == [150.0, 35.0]


def test_no_candidates_are_no_decisions() -> None:
    made = decide(candidates(), np.empty(0), TERMS)
    assert [len(rows) for rows in (made.value, made.cost_cents, made.eligible, made.assigned, made.score)] == [0] * 5
    assert (made.price, made.spent_cents) == (0.0, 0.0)


def test_candidates_that_are_all_refused_are_all_left_out() -> None:
    made = decide(candidates(Offer(1, 10, refused="erased"), Offer(2, 10, refused="erased")), probabilities(2), TERMS)
    assert made.assigned.tolist() == [False, False]
    assert made.spent_cents == 0.0


def test_a_probability_that_is_not_a_number_is_an_error_and_not_an_empty_cycle() -> None:
    offered = candidates(Offer(1, 10), Offer(1, 20))
    with pytest.raises(ValueError, match="cost"):
        decide(offered, np.array([0.5, np.nan]), replace(TERMS, budget_cents=10))


def test_a_version_is_twelve_hex_digits_and_the_same_each_time() -> None:
    version = TERMS.version("features", "model")
    assert len(version) == 12
    assert set(version) <= set("0123456789abcdef")
    assert replace(TERMS).version("features", "model") == version


@pytest.mark.parametrize(
    "change",
    [
        {"budget_cents": 10_001},
        {"max_coupons_per_household": 7},
        {"assumed_face_value_cents": 101},
        {"issue_cost_cents": 0.3},
    ],
)
def test_a_version_changes_with_each_term(change: dict[str, int | float]) -> None:
    assert replace(TERMS, **change).version("features", "model") != TERMS.version("features", "model")


def test_a_version_changes_with_the_features_and_with_the_model() -> None:
    pairs = [("features", "model"), ("others", "model"), ("features", "another"), ("model", "features")]
    assert len({TERMS.version(*pair) for pair in pairs}) == len(pairs)
