"""Each pair of a targeted household and a live coupon is eligible, or refused by the first reason that holds."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clean import clean_store

from coupon_pipeline.decisions.arms import is_due, is_held_out
from coupon_pipeline.decisions.candidates import REFUSALS, candidates, not_due
from coupon_pipeline.sources.source import Assignment
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 1, 6), date(2025, 1, 20), "America/New_York")
CYCLE = "2025-01-20"
DECIDED = CALENDAR.decision_time(CYCLE)
BEFORE = datetime(2025, 1, 8)
NOBODY_OUT = Assignment("salt", 0, 1)
SOUP, OLD_SOUP, TEA, LAST_TEA, ENDED = 1, 2, 3, 4, 5
"""Coupons: of one category and live, of the same and held before, of another one, one that ended on Sunday."""
CATEGORIES = {SOUP: "soup", OLD_SOUP: "soup", TEA: "tea", LAST_TEA: "tea", ENDED: "soup"}
ERASED, SILENT, REDEEMER, ISSUED, HOLDER, USED, FREE, GONE = range(10, 18)


def coupon(coupon_id: int, valid_from: date, valid_to: date) -> dict[str, Any]:
    life = {"valid_from": valid_from, "valid_to": valid_to, "known_at": BEFORE}
    return {"coupon_id": coupon_id, "campaign_id": 7, "category": CATEGORIES[coupon_id], "min_quantity": 1, **life}


def event(household_id: int, coupon_id: int, known_at: datetime = BEFORE) -> dict[str, Any]:
    ids = {"redemption_id": 1_000 * household_id + coupon_id}
    return {"household_id": household_id, "coupon_id": coupon_id, "known_at": known_at, **ids}


def tables(**changed: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    everybody = [ERASED, SILENT, REDEEMER, ISSUED, HOLDER, USED, FREE]
    customers = [{"household_id": one, "marketing_consent": True, "known_at": BEFORE} for one in everybody]
    customers[0]["erased_at"], customers[1]["marketing_consent"] = BEFORE, False
    monday = date(2025, 1, 27)
    return {
        "customers": customers,
        "campaign_targets": [{"campaign_id": 7, "household_id": one, "known_at": BEFORE} for one in [*everybody, GONE]],
        "coupons": [
            coupon(SOUP, monday, monday + timedelta(days=13)),
            coupon(OLD_SOUP, date(2025, 1, 20), monday),
            coupon(TEA, monday, monday + timedelta(days=13)),
            coupon(ENDED, date(2025, 1, 13), monday - timedelta(days=1)),
        ],
        "coupon_redemptions": [event(REDEEMER, SOUP), event(USED, OLD_SOUP)],
        "coupon_issues": [event(ISSUED, SOUP), event(HOLDER, OLD_SOUP), event(USED, OLD_SOUP), event(FREE, ENDED)],
    } | changed


Refused = dict[tuple[int, int], str | None]


def refused(store: Store, assignment: Assignment | None = NOBODY_OUT) -> Refused:
    rows = candidates(store.as_of(DECIDED), assignment).to_pylist()
    return {(row["household_id"], row["coupon_id"]): row["refused"] for row in rows}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return clean_store(tmp_path_factory.mktemp("store"), CALENDAR, tables())


@pytest.fixture(scope="module")
def everybody(store: Store) -> Refused:
    """The pairs where nobody is held out and it is everybody's turn."""
    return refused(store)


@pytest.mark.parametrize(
    ("household", "coupon_id", "reason"),
    [
        (ERASED, SOUP, "erased"),
        (SILENT, SOUP, "no_marketing_consent"),
        (REDEEMER, SOUP, "already_redeemed"),
        (ISSUED, SOUP, "already_issued"),
        (HOLDER, SOUP, "live_coupon_in_category"),
        (HOLDER, TEA, None),
        (USED, SOUP, None),
        (USED, OLD_SOUP, "already_redeemed"),
        (FREE, SOUP, None),
    ],
)
def test_a_pair_is_refused_by_name_or_eligible(
    everybody: Refused, household: int, coupon_id: int, reason: str | None
) -> None:
    """A redeemed issue and one that ended the day before hold no category."""
    assert everybody[household, coupon_id] == reason


def test_a_coupon_that_ended_the_day_before_is_no_candidate(everybody: Refused) -> None:
    assert {coupon_id for _, coupon_id in everybody} == {SOUP, OLD_SOUP, TEA}


def test_a_household_that_is_no_longer_known_is_no_candidate(everybody: Refused) -> None:
    assert GONE not in {household for household, _ in everybody}


def test_held_out_households_stay_and_are_refused(store: Store, everybody: Refused) -> None:
    found = refused(store, Assignment("salt", 60, 1))
    ids = np.array([REDEEMER, ISSUED, HOLDER, USED, FREE])
    out = ids[is_held_out(ids, "salt", 60)]
    assert 0 < len(out) < len(ids)
    assert found.keys() == everybody.keys()
    assert {household for (household, _), reason in found.items() if reason == "held_out"} == set(out.tolist())
    assert found[ERASED, SOUP] == "erased"


def test_households_whose_turn_it_is_not_are_no_candidates(store: Store, everybody: Refused) -> None:
    turns = Assignment("salt", 0, 2)
    ids = np.arange(ERASED, GONE)
    due = ids[is_due(ids, "salt", date.fromisoformat(CYCLE), 2)]
    assert 0 < len(due) < len(ids)
    found = refused(store, turns)
    assert {household for household, _ in found} == set(due.tolist())
    assert found.items() <= everybody.items()
    waiting = [pair for pair in everybody if pair[0] not in due]
    # The household that is gone has pairs as well, whose turn nobody asks for.
    targeted_only = 0 if is_due(np.array([GONE]), "salt", date.fromisoformat(CYCLE), 2)[0] else 3
    assert not_due(store.as_of(DECIDED), turns) == len(waiting) + targeted_only


def test_without_an_assignment_everybody_is_decided(store: Store, everybody: Refused) -> None:
    assert refused(store, None) == everybody


def test_a_source_without_issues_refuses_for_none(tmp_path: Path) -> None:
    given = {name: rows for name, rows in tables().items() if name != "coupon_issues"}
    found = refused(clean_store(tmp_path, CALENDAR, given), None)
    assert set(found.values()) == {"erased", "no_marketing_consent", "already_redeemed", None}


def test_an_issue_that_is_known_at_the_decision_or_later_says_nothing(tmp_path: Path) -> None:
    late = [event(FREE, SOUP, DECIDED - timedelta(microseconds=1))]
    assert (
        refused(clean_store(tmp_path / "known", CALENDAR, tables(coupon_issues=late)))[FREE, SOUP] == "already_issued"
    )
    longer = Calendar(CALENDAR.first, CALENDAR.last + timedelta(days=7), CALENDAR.timezone)
    later = clean_store(tmp_path / "later", longer, tables(coupon_issues=[event(FREE, SOUP, DECIDED)]))
    assert refused(later)[FREE, SOUP] is None


def test_a_redemption_that_the_till_took_back_is_none_any_more(tmp_path: Path) -> None:
    back = event(REDEEMER, SOUP, BEFORE + timedelta(hours=1)) | {"is_deleted": True}
    issued = [event(REDEEMER, SOUP)]
    redeemed = tables(coupon_redemptions=[event(REDEEMER, SOUP)], coupon_issues=issued)
    assert refused(clean_store(tmp_path / "used", CALENDAR, redeemed))[REDEEMER, SOUP] == "already_redeemed"
    returned = tables(coupon_redemptions=[event(REDEEMER, SOUP), back], coupon_issues=issued)
    assert refused(clean_store(tmp_path / "returned", CALENDAR, returned))[REDEEMER, SOUP] == "already_issued"


def test_the_first_reason_wins_in_the_order_of_the_list(tmp_path: Path) -> None:
    """One household has every reason; taken away one by one, they come in order."""
    held = tables(
        customers=[{"household_id": FREE, "marketing_consent": False, "erased_at": BEFORE, "known_at": BEFORE}],
        coupon_redemptions=[event(FREE, SOUP)],
        coupon_issues=[event(FREE, SOUP), event(FREE, OLD_SOUP)],
    )
    steps: list[tuple[str, list[dict[str, Any]]]] = [
        ("customers", [{"household_id": FREE, "marketing_consent": False, "known_at": BEFORE}]),
        ("customers", [{"household_id": FREE, "marketing_consent": True, "known_at": BEFORE}]),
        ("", []),
        ("coupon_redemptions", []),
        ("coupon_issues", [event(FREE, OLD_SOUP)]),
    ]
    everybody_out, seen = Assignment("salt", 99.999, 1), []
    for number in range(len(steps) + 1):
        out = everybody_out if number < 3 else NOBODY_OUT
        seen.append(refused(clean_store(tmp_path / str(number), CALENDAR, held), out)[FREE, SOUP])
        if number < len(steps) and steps[number][0]:
            held[steps[number][0]] = steps[number][1]
    assert tuple(seen) == REFUSALS
