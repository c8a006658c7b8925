"""The ledger is told what was known when the cycle decided: offers as instants and cents, limits, who may get any."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.issuing.shop import (
    ANNA,
    BERT,
    BREAD,
    CALENDAR,
    CAMPAIGN,
    DECIDED,
    ERASED,
    GONE,
    MONDAY,
    NO_LIMITS,
    SILENT,
    SOUP,
    SUNDAY,
    SUPPLIER,
    TEA,
    coupon,
    known,
    member,
)

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.issuing.offers import definitions
from coupon_pipeline.ledger.records import CouponTerms, Definitions
from coupon_pipeline.tables import AsOf


@pytest.fixture(scope="module")
def as_of(tmp_path_factory: pytest.TempPathFactory) -> AsOf:
    return known(tmp_path_factory.mktemp("offers"))


@pytest.fixture(scope="module")
def told(as_of: AsOf) -> Definitions:
    return definitions(as_of, NO_LIMITS)


def terms(told: Definitions) -> dict[int, CouponTerms]:
    return {one.coupon_id: one for one in told.coupons}


def test_offers_that_are_not_over_are_told_with_their_campaigns(told: Definitions) -> None:
    assert [one.coupon_id for one in told.coupons] == [SOUP, TEA, BREAD]
    [campaign] = told.campaigns
    assert (campaign.campaign_id, campaign.budget_cents, campaign.liability_cents) == (CAMPAIGN, 90_000, 500_000)
    assert campaign.is_open


def test_a_life_of_store_local_days_is_from_midnight_to_the_midnight_after_the_last_one(told: Definitions) -> None:
    soup = terms(told)[SOUP]
    assert soup.valid_from == to_epoch(CALENDAR.midnight(MONDAY)) == to_epoch(DECIDED)
    # The clocks change on the last day, which has 23 hours.
    assert soup.expires_at == to_epoch(CALENDAR.midnight(SUNDAY)) + 23 * 3_600_000


def test_the_conditions_of_an_offer_are_told(told: Definitions) -> None:
    soup = terms(told)[SOUP]
    assert (soup.value_cents, soup.min_quantity, soup.min_spend_cents, soup.product_ids) == (150, 2, 400, (101, 102))
    assert soup.category == soup.stacking_group == "soup"
    bread = terms(told)[BREAD]
    assert (bread.supplier_id, bread.supplier_share_bp, bread.min_spend_cents, bread.product_ids) == (7, 8_500, 0, ())
    assert bread.category is bread.stacking_group is None


def test_a_value_that_is_not_known_is_the_named_assumption(as_of: AsOf, told: Definitions) -> None:
    assert terms(told)[TEA].value_cents == 100
    dearer = definitions(as_of, replace(NO_LIMITS, assumed_face_value_cents=250))
    assert [one.value_cents for one in dearer.coupons] == [150, 250, 60]


def test_an_offer_worth_nothing_holds_the_least_amount(tmp_path: Path) -> None:
    free = [coupon(SOUP, MONDAY, SUNDAY, face_value_cents=0)]
    assert [one.value_cents for one in definitions(known(tmp_path, coupons=free), NO_LIMITS).coupons] == [1]


def test_everybody_is_told_of_and_only_who_consents_and_is_known_may_get_coupons(told: Definitions) -> None:
    assert told.consents == {ANNA: True, BERT: True, SILENT: False, ERASED: False, GONE: False}


def test_what_became_known_at_the_decision_or_later_is_not_told(tmp_path: Path) -> None:
    late = [member(ANNA), member(ANNA, consents=False, known_at=DECIDED - timedelta(microseconds=1))]
    assert definitions(known(tmp_path / "before", customers=late), NO_LIMITS).consents == {ANNA: False}
    as_of = known(tmp_path / "after", customers=late)
    earlier = as_of.store.as_of(DECIDED - timedelta(microseconds=1))
    assert definitions(earlier, NO_LIMITS).consents == {ANNA: True}


def test_limits_of_the_settings_are_told(as_of: AsOf, told: Definitions) -> None:
    assert (told.total_liability_cents, told.per_household_day) == (None, None)
    assert told.supplier_liability_cents == {SUPPLIER: None}
    assert told.timezone == "Europe/Berlin"
    limited = definitions(as_of, replace(NO_LIMITS, total_liability_cents=9_000, supplier_liability_cents=800))
    assert (limited.total_liability_cents, limited.supplier_liability_cents) == (9_000, {SUPPLIER: 800})
    capped = definitions(as_of, replace(NO_LIMITS, per_household_day=2, issues_per_coupon=30))
    assert (capped.per_household_day, {one.max_issues for one in capped.coupons}) == (2, {30})
