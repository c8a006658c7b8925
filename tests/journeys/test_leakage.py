"""Nothing that became known at or after an instant moves a feature, a label or a candidate for it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from models import dataset
from models.campaigns import announced
from tests.conftest import Loop
from tests.journeys.future import MICROSECOND, copy_known, plant, scramble

from coupon_pipeline.decisions.candidates import candidates
from coupon_pipeline.features.compute import compute
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.sources.complete_journey.source import READS
from coupon_pipeline.tables import AsOf, Store

CAMPAIGN, STARTS_ON = 9, date(2017, 5, 31)
"""It starts on a Wednesday, so that its week holds both sides of the cut."""

UNREAD = {"promotions", "stores"}
"""Tables that no feature reads of this source: their past moves nothing either."""


@pytest.fixture(scope="module")
def instant(loop: Loop) -> datetime:
    return loop.pipeline.source.calendar.midnight(STARTS_ON)


@pytest.fixture
def store(loop: Loop, tmp_path: Path, instant: datetime) -> Store:
    """The clean weeks known before the campaign: every later week is missing."""
    return copy_known(loop.pipeline.store, tmp_path, instant)


def seen(store: Store, instant: datetime) -> pa.Table:
    as_of = store.as_of(instant)
    return compute(as_of, dataset.offered(store, announced(as_of)[CAMPAIGN]), REDEMPTION)


def decided(store: Store, instant: datetime) -> pa.Table:
    return candidates(store.as_of(instant), None)


@pytest.fixture(scope="module")
def honest(loop: Loop, instant: datetime) -> tuple[pa.Table, pa.Table]:
    """Features and candidates from the whole store, later weeks included."""
    return seen(loop.pipeline.store, instant), decided(loop.pipeline.store, instant)


def test_features_and_candidates_survive_a_scrambled_and_deleted_future(
    store: Store, instant: datetime, honest: tuple[pa.Table, pa.Table]
) -> None:
    assert scramble(store, instant) > 1_000
    assert seen(store, instant).equals(honest[0])
    assert decided(store, instant).equals(honest[1])


def test_rows_known_at_the_instant_or_a_microsecond_later_move_nothing_in_any_table(
    store: Store, instant: datetime, honest: tuple[pa.Table, pa.Table]
) -> None:
    for table in store.tables:
        plant(store, table, instant, CAMPAIGN)
        plant(store, table, instant + MICROSECOND, CAMPAIGN)
    assert seen(store, instant).equals(honest[0])
    assert decided(store, instant).equals(honest[1])


@pytest.mark.parametrize("table", sorted(READS.keys() - UNREAD))
def test_rows_known_a_microsecond_before_do_move_something(
    table: str, store: Store, instant: datetime, honest: tuple[pa.Table, pa.Table]
) -> None:
    """So the tests above can fail: what they plant is what features and candidates look at."""
    plant(store, table, instant - MICROSECOND, CAMPAIGN)
    moved = not decided(store, instant).equals(honest[1]) or not seen(store, instant).equals(honest[0])
    assert moved, table


def test_a_cut_that_is_off_by_one_day_is_caught(
    store: Store, instant: datetime, honest: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No metric shows this leak; the scrambled future does."""
    known = AsOf._known

    def late(self: AsOf, name: str) -> ibis.Table:
        day_later = AsOf(self.store, self.instant.replace(day=self.instant.day) + 86_400_000_000 * MICROSECOND)
        day_later.connection = self.connection
        return known(day_later, name)

    monkeypatch.setattr(AsOf, "_known", late)
    leaking = seen(store, instant)
    scramble(store, instant)
    assert not seen(store, instant).equals(leaking)
