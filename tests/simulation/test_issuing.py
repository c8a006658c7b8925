"""Random issues of the warm-up: who may get one, with which probability, and what the tills refuse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.stats import chi2

from tests.simulation.worlds import spec, state_at, weeks

from coupon_pipeline.decisions.arms import is_due, is_held_out
from coupon_pipeline.simulation.issuing import accepted, of_record, random_issues
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.population import size_at
from coupon_pipeline.simulation.records import SCHEMAS

WORLD = World(spec(households=3_000))


def test_coupons_are_issued_in_the_last_weeks_of_the_warm_up_only() -> None:
    assert [random_issues(WORLD, week).num_rows > 0 for week in range(7)] == [
        False,
        False,
        True,
        True,
        True,
        True,
        False,
    ]


def test_only_due_consenting_households_that_are_not_held_out_get_coupons() -> None:
    for week in (2, 3):
        ids = np.unique(random_issues(WORLD, week)["household_id"].to_numpy())
        cycle = WORLD.spec.monday(week - 1)
        assert not is_held_out(ids, WORLD.spec.salt, 10).any()
        assert is_due(ids, WORLD.spec.salt, cycle, 2).all()
        assert WORLD.people(size_at(WORLD.spec, week)).contactable(week - 1)[ids - 1].all()
        assert len(ids) > 0.8 * 0.5 * 0.9 * 0.85 * 3_000


def test_a_household_gets_at_most_one_coupon_of_a_category_and_each_issue_has_its_own_number() -> None:
    issues, wave = random_issues(WORLD, 3), WORLD.wave(3)
    category = wave.category[issues["coupon_id"].to_numpy() - wave.coupon_ids[0]]
    pairs = issues["household_id"].to_numpy() * 1_000 + category
    assert len(np.unique(pairs)) == issues.num_rows
    assert len(issues["issue_id"].unique()) == issues.num_rows
    assert len(issues["decision_id"].unique()) == issues.num_rows


def test_logged_propensities_are_the_shares_that_are_issued() -> None:
    observed, expected = np.zeros(40), np.zeros(40)
    for week in range(2, 6):
        issues, wave = random_issues(WORLD, week), WORLD.wave(week)
        coupon = issues["coupon_id"].to_numpy() - wave.coupon_ids[0]
        drawn = np.bincount(coupon, minlength=40)
        by_coupon = np.zeros(40)
        by_coupon[coupon] = issues["propensity"].to_numpy()
        observed += drawn
        expected += by_coupon * len(np.unique(issues["household_id"].to_numpy()))
    statistic = float(((observed - expected) ** 2 / expected).sum())
    assert statistic < chi2.ppf(0.999, 40)


def test_tills_refuse_row_by_row_with_a_reason() -> None:
    state = state_at(WORLD, 3)
    good = random_issues(WORLD, 3).slice(0, 4)
    rows = good.to_pylist()
    without_consent = int(np.flatnonzero(~WORLD.people(len(state.active)).contactable(3))[0]) + 1
    stranger = {**rows[0], "issue_id": 1, "household_id": 10**6}
    refusing = {**rows[0], "issue_id": 2, "household_id": without_consent}
    old = {**rows[0], "issue_id": 3, "coupon_id": 999}
    again = {**rows[0], "issue_id": 10**15}
    issues = pa.Table.from_pylist([*rows, stranger, refusing, old, again], schema=SCHEMAS["coupon_issues"])
    taken, refused = accepted(WORLD, state, issues)
    assert sorted(taken["issue_id"]) == sorted(good["issue_id"].to_pylist())
    assert refused == {"unknown_household": 1, "no_consent": 1, "unknown_coupon": 1, "category_taken": 1}


def test_what_the_ledger_issued_becomes_issues_of_the_week_with_what_was_decided() -> None:
    drawn = random_issues(WORLD, 4).slice(0, 50)
    decided = drawn.drop_columns(["issue_id", "channel", "issued_at"])
    ids = [None, *range(1_000, 1_049)]
    recorded = drawn.select(["decision_id", "household_id", "coupon_id"]).append_column("issue_id", pa.array(ids))
    issues = of_record(WORLD, 4, recorded.take(pa.array(range(49, -1, -1))), decided)
    assert issues.schema == SCHEMAS["coupon_issues"]
    assert issues["issue_id"].to_pylist() == ids[1:]
    given = drawn.slice(1)
    for name in ("household_id", "coupon_id", "decision_id", "propensity", "policy", "arm", "channel", "issued_at"):
        assert issues[name].to_pylist() == given[name].to_pylist(), name
    taken, refused = accepted(WORLD, state_at(WORLD, 4), issues)
    assert len(taken) + sum(refused.values()) == 49
    assert len(taken) >= 47


def test_an_issue_whose_decision_is_gone_is_an_issue_all_the_same() -> None:
    drawn = random_issues(WORLD, 4).slice(0, 3)
    decided = drawn.drop_columns(["issue_id", "channel", "issued_at"]).slice(1)
    issues = of_record(WORLD, 4, drawn.select(["issue_id", "decision_id", "household_id", "coupon_id"]), decided)
    assert issues.num_rows == 3
    assert issues["policy"].null_count == 1


def test_the_world_s_lives_react_to_what_was_issued() -> None:
    redeemed = [week.records.tables["redemptions"].num_rows for week in weeks(WORLD, until=5)]
    assert redeemed[:2] == [0, 0]
    assert all(count > 0 for count in redeemed[2:])
