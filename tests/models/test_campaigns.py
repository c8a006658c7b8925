"""A model learns only from campaigns whose labels were closed before the tested one began."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.campaigns import Campaign, CampaignError, announced, closed_before, find, first_sale, refuse_locked

from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

FIRST_SALE = date(2017, 1, 1)
CALENDAR = Calendar(date(2016, 12, 26), date(2017, 1, 9), "America/New_York")


def campaign(campaign_id: int, kind: str, starts_on: str, ends_on: str) -> Campaign:
    return Campaign(campaign_id, kind, date.fromisoformat(starts_on), date.fromisoformat(ends_on))


COMPLETE_JOURNEY = (
    campaign(24, "C", "2016-11-14", "2017-01-16"),
    campaign(25, "B", "2016-12-06", "2017-02-05"),
    campaign(26, "B", "2016-12-28", "2017-02-19"),
    campaign(27, "A", "2017-02-08", "2017-03-26"),
    campaign(1, "B", "2017-03-03", "2017-04-09"),
    campaign(2, "B", "2017-03-08", "2017-04-09"),
    campaign(3, "C", "2017-03-13", "2017-05-08"),
    campaign(4, "B", "2017-03-29", "2017-04-30"),
    campaign(5, "B", "2017-04-03", "2017-05-07"),
    campaign(6, "C", "2017-04-19", "2017-05-21"),
    campaign(7, "B", "2017-04-24", "2017-05-28"),
    campaign(8, "A", "2017-05-08", "2017-06-25"),
    campaign(9, "B", "2017-05-31", "2017-07-02"),
    campaign(10, "B", "2017-06-28", "2017-07-30"),
    campaign(11, "B", "2017-07-12", "2017-08-27"),
    campaign(12, "B", "2017-07-12", "2017-08-13"),
    campaign(13, "A", "2017-08-08", "2017-09-24"),
    campaign(14, "C", "2017-09-04", "2017-11-08"),
    campaign(15, "C", "2017-09-20", "2018-02-28"),
    campaign(16, "B", "2017-10-04", "2017-11-05"),
    campaign(17, "B", "2017-10-18", "2017-11-19"),
    campaign(18, "A", "2017-10-30", "2017-12-24"),
    campaign(19, "B", "2017-11-15", "2017-12-17"),
    campaign(20, "C", "2017-11-27", "2018-02-05"),
    campaign(21, "B", "2017-12-06", "2018-01-07"),
    campaign(22, "B", "2017-12-06", "2018-01-07"),
    campaign(23, "B", "2017-12-28", "2018-02-04"),
)
BY_ID = {one.campaign_id: one for one in COMPLETE_JOURNEY}
TEST = BY_ID[13]
CLOSED = BY_ID[10]


def ids(campaigns: tuple[Campaign, ...]) -> list[int]:
    return [one.campaign_id for one in campaigns]


def test_campaign_13_of_complete_journey_learns_from_27_and_1_to_10() -> None:
    assert ids(closed_before(COMPLETE_JOURNEY, TEST.starts_on, FIRST_SALE)) == [27, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_campaigns_that_are_still_open_or_never_closed_are_left_out() -> None:
    found = ids(closed_before(COMPLETE_JOURNEY, date(2018, 1, 1), FIRST_SALE))
    assert set(BY_ID) - set(found) == {24, 25, 26, 15, 20, 21, 22, 23}


@pytest.mark.parametrize(("days_before", "closed"), [(0, False), (1, True)])
def test_a_campaign_is_closed_from_the_day_after_its_last(days_before: int, closed: bool) -> None:
    neighbour = replace(BY_ID[11], ends_on=TEST.starts_on - timedelta(days=days_before))
    assert (neighbour in closed_before([CLOSED, neighbour], TEST.starts_on, FIRST_SALE)) is closed


@pytest.mark.parametrize(("starts_on", "usable"), [(date(2017, 1, 7), False), (date(2017, 1, 8), True)])
def test_a_campaign_needs_a_week_of_sales_before_its_start(starts_on: date, usable: bool) -> None:
    early = replace(BY_ID[26], starts_on=starts_on)
    assert (early in closed_before([CLOSED, early], TEST.starts_on, FIRST_SALE)) is usable


@given(st.permutations(COMPLETE_JOURNEY))
def test_the_order_of_announcement_does_not_matter(campaigns: list[Campaign]) -> None:
    expected = closed_before(COMPLETE_JOURNEY, TEST.starts_on, FIRST_SALE)
    assert closed_before(campaigns, TEST.starts_on, FIRST_SALE) == expected


@given(st.dates(date(2017, 4, 1), date(2018, 6, 1)))
def test_nothing_that_is_learned_from_overlaps_the_test(day: date) -> None:
    found = closed_before(COMPLETE_JOURNEY, day, FIRST_SALE)
    assert all(one.ends_on < day for one in found)
    assert [(one.starts_on, one.campaign_id) for one in found] == sorted((o.starts_on, o.campaign_id) for o in found)


def test_a_test_before_any_campaign_closed_is_refused() -> None:
    with pytest.raises(CampaignError, match=r"no campaign closed before 2017-03-26 .* from 2017-01-01 on"):
        closed_before(COMPLETE_JOURNEY, date(2017, 3, 26), FIRST_SALE)


def test_an_unknown_campaign_is_refused_and_the_known_ones_are_named() -> None:
    known = {number: BY_ID[number] for number in (13, 8, 27)}
    assert find(known, 8) == BY_ID[8]
    with pytest.raises(CampaignError, match=r"^unknown campaign 99: give one of 8, 13, 27$"):
        find(known, 99)


def test_campaigns_before_the_lock_are_free() -> None:
    refuse_locked([TEST, CLOSED], TEST.starts_on + timedelta(days=1))


def test_a_campaign_that_starts_on_the_first_locked_day_is_refused() -> None:
    with pytest.raises(CampaignError, match=r"^campaign 13 starts on 2017-08-08: from 2017-08-08 on \(locked_from\)"):
        refuse_locked([CLOSED, TEST], TEST.starts_on)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two weeks in which campaign 1 is announced, then moved twice, and a first sale late on 2 January."""
    store = Store(tmp_path, CALENDAR)
    announcements = {
        "2016-12-26": [(campaign(1, "A", "2017-01-09", "2017-01-20"), datetime(2016, 12, 27))],
        "2017-01-02": [
            # Delivered out of order: what counts is when a row was known.
            (campaign(2, "B", "2017-01-11", "2017-01-12"), datetime(2017, 1, 5)),
            (campaign(1, "A", "2017-01-10", "2017-01-20"), datetime(2017, 1, 4)),
            (campaign(1, "A", "2017-01-15", "2017-01-20"), datetime(2017, 1, 3)),
        ],
    }
    sales = {"2016-12-26": [], "2017-01-02": [datetime(2017, 1, 3, 2), datetime(2017, 1, 5, 12)]}
    for week, rows in announcements.items():
        known = [{**vars(one), "is_deleted": False, "known_at": known_at} for one, known_at in rows]
        store.write("clean", "campaigns", week, pa.Table.from_pylist(known), "synthetic")
        sold_at = pa.array(sales[week], pa.timestamp("us"))
        store.write("clean", "pos_transactions", week, pa.table({"sold_at": sold_at, "known_at": sold_at}), "synthetic")
    return store


def test_campaigns_are_announced_as_they_were_last_known_before_the_instant(store: Store) -> None:
    before, after = store.as_of(datetime(2017, 1, 4)), store.as_of(datetime(2017, 1, 4, 0, 0, 0, 1))
    assert announced(before) == {1: campaign(1, "A", "2017-01-15", "2017-01-20")}
    assert announced(after) == {1: campaign(1, "A", "2017-01-10", "2017-01-20")}
    assert list(announced(store.as_of(datetime(2017, 1, 6)))) == [1, 2]


def test_the_first_sale_is_dated_by_the_stores_own_day(store: Store) -> None:
    assert first_sale(store.as_of(datetime(2017, 1, 6))) == date(2017, 1, 2)


def test_no_history_is_an_error(store: Store) -> None:
    with pytest.raises(CampaignError, match=r"no sale was known before 2017-01-03 02:00:00"):
        first_sale(store.as_of(datetime(2017, 1, 3, 2)))
