"""Where no campaign is fixed for it, the newest closed ones test a model together; rows are what was issued."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models import dataset, training
from models.campaigns import Campaign, CampaignError
from tests.clean import clean_store

from coupon_pipeline.sources.source import EvaluationPlan
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import WEEK, Calendar

CALENDAR = Calendar(date(2025, 1, 6), date(2025, 3, 3), "America/New_York")
MONDAYS = [date.fromisoformat(week) for week in CALENDAR.weeks]
"""Campaign n starts on MONDAYS[n] and lives for two weeks; the first one has no week of sales before it."""
SILENT = 3
"""A campaign that issues nothing."""
PLAN = EvaluationPlan(latest_campaigns=2)
LATE = timedelta(hours=6)


def world() -> dict[str, list[dict[str, Any]]]:
    """Per campaign two coupons for the households 1 to 4, of whom 1 and 2 get one each, and 2 redeems it."""
    starts = {number: CALENDAR.midnight(monday) for number, monday in enumerate(MONDAYS)}
    announced_at = CALENDAR.midnight(MONDAYS[0])
    campaigns: list[dict[str, Any]] = []
    coupons, targets, issues, redemptions = [], [], [], []
    for number, monday in enumerate(MONDAYS):
        ends = monday + 2 * WEEK - timedelta(days=1)
        campaigns.append({"campaign_id": number, "kind": "W", "starts_on": monday, "ends_on": ends})
        coupons += [{"coupon_id": 10 * number + n, "campaign_id": number} for n in (1, 2)]
        targets += [{"campaign_id": number, "household_id": household} for household in (1, 2, 3, 4)]
        if number == SILENT:
            continue
        issued = {"known_at": starts[number] + LATE, "issued_at": starts[number] + LATE}
        issues += [{"household_id": one, "coupon_id": 10 * number + one, **issued} for one in (1, 2)]
        redeemed = {"known_at": starts[number] + 2 * LATE, "redeemed_at": starts[number] + 2 * LATE}
        redemptions.append({"redemption_id": number, "household_id": 2, "coupon_id": 10 * number + 2, **redeemed})
    for row in (*campaigns, *coupons, *targets):
        row["known_at"] = announced_at
    sale = {"sold_at": announced_at, "known_at": announced_at}
    return {
        "campaigns": campaigns,
        "coupons": coupons,
        "campaign_targets": targets,
        "coupon_issues": issues,
        "coupon_redemptions": redemptions,
        "pos_transactions": [sale],
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return clean_store(tmp_path_factory.mktemp("store"), CALENDAR, world())


def campaign_of(number: int) -> Campaign:
    monday = MONDAYS[number]
    return Campaign(number, "W", monday, monday + 2 * WEEK - timedelta(days=1))


def test_the_newest_campaigns_closed_before_the_last_week_test_together(store: Store) -> None:
    """Of nine weeks the last one is decided in: campaign 6 closes with the one before it, and 5 is the next newest."""
    parts = training.development_split(store, PLAN)
    assert parts.test_ids == [5, 6]
    assert [one.campaign_id for one in parts.training] == [1, 2]


def test_a_campaign_that_issued_nothing_is_neither_learned_from_nor_tested_on(store: Store) -> None:
    parts = training.development_split(store, replace(PLAN, latest_campaigns=1))
    assert parts.test_ids == [6]
    assert [one.campaign_id for one in parts.training] == [1, 2, 4]
    assert training.development_split(store, replace(PLAN, latest_campaigns=3)).test_ids == [4, 5, 6]


def test_locked_campaigns_are_passed_over(store: Store) -> None:
    parts = training.development_split(store, replace(PLAN, locked_from=MONDAYS[6]))
    assert parts.test_ids == [4, 5]
    with pytest.raises(CampaignError, match=r"every campaign that closed before .* is locked"):
        training.development_split(store, replace(PLAN, locked_from=MONDAYS[0]))


def test_more_test_campaigns_than_there_are_leave_nothing_to_learn_from(store: Store) -> None:
    with pytest.raises(CampaignError, match="nothing to train on"):
        training.development_split(store, replace(PLAN, latest_campaigns=99))


def test_a_fixed_campaign_goes_before_the_newest(store: Store) -> None:
    parts = training.development_split(store, replace(PLAN, test_campaign=4))
    assert parts.test_ids == [4]
    assert [one.campaign_id for one in parts.training] == [1, 2]


def test_a_plan_that_names_no_campaign_says_what_to_set(store: Store) -> None:
    with pytest.raises(CampaignError, match="set COUPON_TEST_CAMPAIGN, or latest_campaigns"):
        training.development_split(store, EvaluationPlan())


def test_rows_are_the_pairs_that_were_issued_and_labels_their_redemptions(store: Store) -> None:
    pairs = dataset.offered(store, campaign_of(5))
    assert pairs.to_pydict() == {"household_id": [1, 2], "coupon_id": [51, 52]}
    assert dataset.labels(store, campaign_of(5), pairs).to_pylist() == [0, 1]


def test_an_issue_that_is_known_after_the_close_and_a_second_one_of_a_pair_add_no_row(tmp_path: Path) -> None:
    changed = world()
    late = datetime(2025, 2, 24, 6)
    assert late > CALENDAR.midnight(campaign_of(5).ends_on + timedelta(days=1))
    [first] = [row for row in changed["coupon_issues"] if row["coupon_id"] == 51]
    changed["coupon_issues"] += [first | {"channel": "app"}, first | {"household_id": 3, "known_at": late}]
    pairs = dataset.offered(clean_store(tmp_path, CALENDAR, changed), campaign_of(5))
    assert pairs["household_id"].to_pylist() == [1, 2]


def test_without_issues_everybody_targeted_was_offered_every_coupon(tmp_path: Path) -> None:
    given = {name: rows for name, rows in world().items() if name != "coupon_issues"}
    pairs = dataset.offered(clean_store(tmp_path, CALENDAR, given), campaign_of(5))
    assert pairs.num_rows == 4 * 2


def test_rows_follow_the_issues_they_are_made_from(store: Store) -> None:
    """`coupon_issues` counts where it is delivered, and is not missed where it is not."""
    assert "coupon_issues" in dataset.inputs(store.tables)
    assert "coupon_issues" not in dataset.inputs([name for name in store.tables if name != "coupon_issues"])
