"""The record says for each assigned coupon who decided and why, and for each household what it could have got."""

from __future__ import annotations

from datetime import date, datetime
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest

from tests.decisions.offers import Offer, candidates

from coupon_pipeline.decisions.policy import OBJECTIVE, POLICY, Decisions, Terms, decide
from coupon_pipeline.decisions.record import Stamp, assignments, contexts
from coupon_pipeline.snapshot.identity import decision_id

STAMP = Stamp(
    source="complete-journey",
    cycle=date(2017, 5, 1),
    decided_at=datetime(2017, 5, 8, 4),
    for_week=date(2017, 5, 8),
    policy_version="0123456789ab",
    prices_version="ba9876543210",
    model_version="7",
    feature_hash="f" * 64,
    assumptions=("assumed_consent",),
)
TERMS = Terms(budget_cents=10_000, max_coupons_per_household=2, assumed_face_value_cents=100, issue_cost_cents=0.25)
OFFERED = candidates(
    Offer(1, 10, 200),
    Offer(1, 20, None),
    Offer(1, 30, 50, started=True),
    Offer(2, 10, 200, refused="no_marketing_consent"),
    Offer(2, 30, 50, started=True, refused="no_marketing_consent"),
    Offer(3, 20, None, started=True),
    Offer(3, 30, 50, refused="already_redeemed"),
)
PROBABILITY = np.array([0.5, 0.3, 0.1, 0.9, 0.9, 0.2, 0.9])
ASSIGNED = [(1, 10), (1, 20), (3, 20)]


@pytest.fixture(scope="module")
def decided() -> Decisions:
    return decide(OFFERED, PROBABILITY, TERMS)


@pytest.fixture(scope="module")
def assigned(decided: Decisions) -> pa.Table:
    return assignments(OFFERED, decided, STAMP)


@pytest.fixture(scope="module")
def context(decided: Decisions) -> pa.Table:
    return contexts(OFFERED, decided, STAMP)


def test_assignments_have_the_columns_of_the_decision_record(assigned: pa.Table) -> None:
    text, number = pa.string(), pa.float64()
    assert dict(zip(assigned.schema.names, assigned.schema.types, strict=True)) == {
        "decision_id": text,
        "cycle": pa.date32(),
        "household_id": pa.int64(),
        "coupon_id": pa.int64(),
        "arm": text,
        "policy": text,
        "policy_version": text,
        "propensity": number,
        "propensity_none": number,
        "score": number,
        "redemption_probability": number,
        "d_units_coupon": number,
        "d_units_category": number,
        "value_cents": number,
        "cost_cents": number,
        "objective": text,
        "prices_version": text,
        "model_version": text,
        "feature_hash": text,
        "reasons": pa.list_(text),
        "decided_at": pa.timestamp("us"),
        "for_week": pa.date32(),
    }


def test_contexts_have_the_columns_of_the_decision_context(context: pa.Table) -> None:
    assert dict(zip(context.schema.names, context.schema.types, strict=True)) == {
        "cycle": pa.date32(),
        "household_id": pa.int64(),
        "arm": pa.string(),
        "epsilon": pa.float64(),
        "eligible_hash": pa.string(),
        "eligible": pa.list_(pa.int64()),
        "policy_choice": pa.list_(pa.int64()),
        "prices_version": pa.string(),
    }


def test_each_assigned_pair_has_one_row_in_the_order_of_household_and_coupon(assigned: pa.Table) -> None:
    assert [(row["household_id"], row["coupon_id"]) for row in assigned.to_pylist()] == ASSIGNED


def test_a_decision_has_the_id_that_the_service_gives_it(assigned: pa.Table) -> None:
    expected = [decision_id("complete-journey", "2017-05-01", *pair, "0123456789ab") for pair in ASSIGNED]
    assert assigned["decision_id"].to_pylist() == expected
    assert len(set(expected)) == len(expected)


def test_every_row_says_which_policy_model_and_cycle_decided(assigned: pa.Table) -> None:
    expected = {
        "cycle": date(2017, 5, 1),
        "arm": "policy",
        "policy": POLICY,
        "policy_version": "0123456789ab",
        "objective": OBJECTIVE,
        "prices_version": "ba9876543210",
        "model_version": "7",
        "feature_hash": "f" * 64,
        "decided_at": datetime(2017, 5, 8, 4),
        "for_week": date(2017, 5, 8),
    }
    assert [{name: row[name] for name in expected} for row in assigned.to_pylist()] == [expected] * len(ASSIGNED)


def test_nothing_was_drawn_at_random_so_there_is_no_propensity(assigned: pa.Table) -> None:
    for column in ("propensity", "propensity_none"):
        assert assigned[column].null_count == assigned.num_rows


def test_what_this_policy_does_not_estimate_is_null_and_not_zero(assigned: pa.Table) -> None:
    for column in ("value_cents", "d_units_coupon", "d_units_category"):
        assert assigned[column].null_count == assigned.num_rows


def test_figures_are_those_of_the_assigned_candidates(assigned: pa.Table, decided: Decisions) -> None:
    rows = [0, 1, 5]
    assert assigned["redemption_probability"].to_pylist() == [0.5, 0.3, 0.2]
    assert assigned["cost_cents"].to_pylist() == decided.cost_cents[rows].tolist()
    assert assigned["score"].to_pylist() == decided.score[rows].tolist()


def test_reasons_name_the_assumptions_in_use_and_a_window_that_has_begun(assigned: pa.Table) -> None:
    assert assigned["reasons"].to_pylist() == [
        ["assumed_consent"],
        ["assumed_consent", "assumed_face_value_cents"],
        ["assumed_consent", "assumed_face_value_cents", "probability_for_whole_window"],
    ]


def test_a_known_value_in_a_window_that_has_begun_has_one_caveat() -> None:
    offered = candidates(Offer(1, 30, 50, started=True))
    made = assignments(offered, decide(offered, np.array([0.5]), TERMS), STAMP)
    assert made["reasons"].to_pylist() == [["assumed_consent", "probability_for_whole_window"]]


def test_each_household_with_a_candidate_has_one_context(context: pa.Table) -> None:
    assert context["household_id"].to_pylist() == [1, 2, 3]
    assert set(context["arm"].to_pylist()) == {"policy"}
    assert set(context["epsilon"].to_pylist()) == {0.0}
    assert set(context["cycle"].to_pylist()) == {date(2017, 5, 1)}
    assert set(context["prices_version"].to_pylist()) == {"ba9876543210"}


def test_a_context_lists_what_was_eligible_and_what_was_chosen(context: pa.Table) -> None:
    assert context["eligible"].to_pylist() == [[10, 20, 30], [], [20]]
    assert context["policy_choice"].to_pylist() == [[10, 20], [], [20]]


def test_the_hash_of_a_context_is_that_of_its_eligible_coupons(context: pa.Table) -> None:
    expected = [sha256(text).hexdigest() for text in (b"10,20,30", b"", b"20")]
    assert context["eligible_hash"].to_pylist() == expected


def test_eligible_coupons_are_ascending_in_whatever_order_they_come(decided: Decisions) -> None:
    backwards = np.arange(OFFERED.num_rows)[::-1]
    turned = decide(OFFERED.take(pa.array(backwards)), PROBABILITY[backwards], TERMS)
    assert contexts(OFFERED.take(pa.array(backwards)), turned, STAMP).equals(contexts(OFFERED, decided, STAMP))


def test_the_chosen_coupons_of_the_contexts_are_the_assignments(assigned: pa.Table, context: pa.Table) -> None:
    chosen = [(row["household_id"], coupon) for row in context.to_pylist() for coupon in row["policy_choice"]]
    assert chosen == [(row["household_id"], row["coupon_id"]) for row in assigned.to_pylist()]


def test_the_record_of_no_candidates_is_empty_and_has_all_columns(assigned: pa.Table, context: pa.Table) -> None:
    nothing = candidates()
    decided = decide(nothing, np.empty(0), TERMS)
    for empty, full in ((assignments(nothing, decided, STAMP), assigned), (contexts(nothing, decided, STAMP), context)):
        assert empty.num_rows == 0
        assert empty.schema.equals(full.schema)


def test_where_nothing_is_assigned_contexts_are_still_recorded() -> None:
    offered = candidates(Offer(1, 10, refused="erased"))
    decided = decide(offered, np.array([0.5]), TERMS)
    assert assignments(offered, decided, STAMP).num_rows == 0
    assert contexts(offered, decided, STAMP)["eligible"].to_pylist() == [[]]
