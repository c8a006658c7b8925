"""Since its first week the ledger is the origin of issues and redemptions; all else comes from the grocer's systems."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.landing import land_week
from assets.pipeline import Pipeline
from tests.clean import clean_store
from tests.sources.grocer import opened as opened_grocer

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.erasures.households import Erasures, add
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.records import (
    Assignment,
    Basket,
    CampaignTerms,
    CouponTerms,
    Definitions,
    Line,
)
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.erasing import forget_in_ledger
from coupon_pipeline.sources.ledgered import (
    ORIGIN_FROM,
    REDEMPTIONS_ABOVE,
    Ledgered,
    opened,
    systems_of,
)
from coupon_pipeline.sources.source import Clock, EvaluationPlan, SourceError
from coupon_pipeline.tables import MissingWeekError, Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 17), "Europe/Berlin")
BEFORE, FIRST, SECOND = CALENDAR.weeks
OPENS, CLOSES = (CALENDAR.opens_at(week) for week in (FIRST, SECOND))
ANNA, BERT, NEW = 1, 2, 3
SOUP, TEA = 11, 12
TABLES = ("customers", "coupon_issues", "coupon_redemptions")
BOTH = ("coupon_issues", "coupon_redemptions")


class Systems:
    """A grocer's systems, whose rows name themselves."""

    name, currency, calendar = "shop", "EUR", CALENDAR
    clock: Clock = "source"

    def __init__(self, tables: tuple[str, ...] = TABLES) -> None:
        self._tables = tables
        self.assumptions: Mapping[str, str] = {}
        self.plan, self.assignment = EvaluationPlan(), None

    def tables(self) -> tuple[str, ...]:
        return self._tables

    def read(self, table: str, week: str) -> pa.Table:
        return pa.table({"from": [f"systems: {table} of {week}"]})

    def fingerprint(self, table: str, week: str) -> str:
        return f"{table} of {week}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(data=tmp_path, source="shop")
    members = [{"household_id": one, "marketing_consent": True, "known_at": OPENS} for one in (ANNA, BERT)]
    clean_store(found.data / "shop", CALENDAR, {"customers": members})
    return found


def source_of(settings: Settings, tables: tuple[str, ...] = TABLES) -> Ledgered:
    return Ledgered(Systems(tables), settings)


@contextmanager
def ledger_at(settings: Settings, instant: datetime) -> Generator[Ledger]:
    with opened(settings, lambda: to_epoch(instant)) as ledger:
        yield ledger


def begin(settings: Settings, above: int = 0) -> list[int]:
    """Two coupons for Anna and one for Bert and somebody new, known as the first week of the ledger begins."""
    life = (to_epoch(OPENS), to_epoch(OPENS + timedelta(days=14)))
    offers = tuple(CouponTerms(one, 1, 100, *life) for one in (SOUP, TEA))
    consents = {ANNA: True, BERT: True, NEW: True}
    wanted = ((ANNA, SOUP), (ANNA, TEA), (BERT, SOUP), (NEW, SOUP))
    asked = [Assignment(f"decision-{who}-{what}", who, what, "app", "policy", "budgeted", 0.5) for who, what in wanted]
    with ledger_at(settings, OPENS) as ledger:
        ledger.sync(Definitions(campaigns=(CampaignTerms(1),), coupons=offers, consents=consents))
        ledger.set_setting(REDEMPTIONS_ABOVE, str(above))
        ledger.set_setting(ORIGIN_FROM, FIRST)
        outcomes = ledger.issue_all("pipeline", asked)
        ledger.claim()
    return [outcome.issue_id or 0 for outcome in outcomes]


def use(settings: Settings, issue_id: int, at: datetime, basket: str = "4711", store: str = "7") -> None:
    with ledger_at(settings, at) as ledger:
        [code] = ledger.codes([issue_id])
        found = Basket(store, basket, "1", (Line(1, 1, 250),))
        ledger.redeem("store-7", f"first-{issue_id:06}", code, found, 80)


def take_back(settings: Settings, issue_id: int, at: datetime) -> None:
    with ledger_at(settings, at) as ledger:
        ledger.reverse("store-7", f"back-{issue_id:06}", f"first-{issue_id:06}")


def claim(settings: Settings, at: datetime) -> None:
    with ledger_at(settings, at) as ledger:
        ledger.claim()


END = timedelta(milliseconds=1)


def test_without_a_ledger_the_systems_tell_everything_and_no_file_is_made(settings: Settings) -> None:
    source = source_of(settings)
    for table in TABLES:
        assert source.read(table, FIRST)["from"].to_pylist() == [f"systems: {table} of {FIRST}"]
        assert source.fingerprint(table, FIRST) == f"{table} of {FIRST}"
    assert not settings.ledger_folder.exists()


def test_a_ledger_that_is_not_the_origin_yet_changes_nothing(settings: Settings) -> None:
    with ledger_at(settings, OPENS) as ledger:
        ledger.sync(Definitions())
    assert "from" in source_of(settings).read("coupon_issues", FIRST).column_names


def test_it_is_the_origin_of_two_tables_from_its_first_week_on(settings: Settings) -> None:
    source = source_of(settings)
    assert not source.is_origin("coupon_issues", FIRST)
    begin(settings)
    found = {(table, week): source.is_origin(table, week) for table in TABLES for week in CALENDAR.weeks}
    assert {key for key, is_origin in found.items() if is_origin} == {
        (table, w) for table in BOTH for w in (FIRST, SECOND)
    }
    assert source.read("customers", FIRST)["from"].to_pylist() == [f"systems: customers of {FIRST}"]
    assert source.read("coupon_issues", BEFORE)["from"].to_pylist() == [f"systems: coupon_issues of {BEFORE}"]


def test_a_table_that_the_systems_do_not_deliver_stays_away(settings: Settings) -> None:
    begin(settings)
    assert source_of(settings, ("customers", "coupon_redemptions")).tables() == ("customers", "coupon_redemptions")
    assert source_of(settings, ("customers", "coupon_redemptions")).exported == ("coupon_redemptions",)


def test_issues_come_in_the_contracts_columns_with_households_that_are_known(settings: Settings) -> None:
    ids = begin(settings)
    rows = source_of(settings).read("coupon_issues", FIRST)
    expected = arrow.schema(reader.load("coupon_issues"))
    assert (rows.schema.names, rows.schema.types) == (expected.names, expected.types)
    assert Lineage.of(rows).runs == (("ledger: outbox", None, 4),)
    assert rows["issue_id"].to_pylist() == ids
    assert rows["household_id"].to_pylist() == [ANNA, ANNA, BERT, None]
    assert rows["decision_id"].to_pylist() == ["decision-1-11", "decision-1-12", "decision-2-11", None]
    assert set(rows["issued_at"].to_pylist()) == set(rows["known_at"].to_pylist()) == {OPENS}
    [first, *_] = rows.to_pylist()
    assert (first["channel"], first["arm"], first["policy"], first["propensity"]) == ("app", "policy", "budgeted", 0.5)
    assert source_of(settings).read("coupon_issues", SECOND).num_rows == 0


def test_a_redemption_is_told_in_the_week_in_which_it_was_claimed(settings: Settings) -> None:
    first, second, third, _ = begin(settings, above=1_000)
    use(settings, first, OPENS + timedelta(hours=9))
    use(settings, second, CLOSES - timedelta(hours=1), basket="4712")
    claim(settings, CLOSES - END)
    use(settings, third, CLOSES + timedelta(hours=9))
    claim(settings, CLOSES + timedelta(hours=10))
    source = source_of(settings)
    rows = source.read("coupon_redemptions", FIRST).to_pylist()
    assert [row["issue_id"] for row in rows] == [first, second]
    assert [row["redemption_id"] for row in rows] == [1_001, 1_002]
    assert [(row["basket_id"], row["store_id"], row["discount_cents"]) for row in rows] == [
        (4711, 7, 80),
        (4712, 7, 80),
    ]
    assert rows[0]["redeemed_at"] == OPENS + timedelta(hours=9)
    assert {row["known_at"] for row in rows} == {CLOSES - END}
    assert {row["is_deleted"] for row in rows} == {False}
    assert source.read("coupon_redemptions", SECOND)["household_id"].to_pylist() == [BERT]


def test_a_use_that_is_taken_back_is_told_again_as_deleted_unless_nobody_has_heard_of_it(settings: Settings) -> None:
    first, second, *_ = begin(settings)
    use(settings, first, OPENS + timedelta(hours=9))
    use(settings, second, OPENS + timedelta(hours=10), basket="4712")
    take_back(settings, second, OPENS + timedelta(hours=11))
    claim(settings, CLOSES - END)
    take_back(settings, first, CLOSES + timedelta(hours=9))
    claim(settings, CLOSES + timedelta(hours=10))
    source = source_of(settings)
    [told] = source.read("coupon_redemptions", FIRST).to_pylist()
    [again] = source.read("coupon_redemptions", SECOND).to_pylist()
    assert (told["issue_id"], told["is_deleted"]) == (first, False)
    assert again | {"is_deleted": False, "known_at": told["known_at"]} == told
    assert again["is_deleted"]


@pytest.mark.parametrize("basket", ["B-17", "", " 17", "1٢", "9" * 20])
def test_a_basket_that_is_no_number_of_the_grocers_is_not_told(settings: Settings, basket: str) -> None:
    first, *_ = begin(settings)
    use(settings, first, OPENS + timedelta(hours=9), basket=basket or "-", store="Berlin")
    claim(settings, CLOSES - END)
    [row] = source_of(settings).read("coupon_redemptions", FIRST).to_pylist()
    assert (row["basket_id"], row["store_id"], row["issue_id"]) == (None, None, first)


def test_a_week_changes_with_what_was_claimed_in_it_and_not_with_who_is_known(settings: Settings) -> None:
    ids = begin(settings)
    before = {(table, week): source_of(settings).fingerprint(table, week) for table in BOTH for week in (FIRST, SECOND)}
    assert len(set(before.values())) == 4
    add(Store(settings.data / "shop", CALENDAR), FIRST, {ANNA: OPENS})
    assert source_of(settings).fingerprint("coupon_issues", FIRST) == before["coupon_issues", FIRST]
    use(settings, ids[0], OPENS + timedelta(hours=9))
    assert source_of(settings).fingerprint("coupon_redemptions", FIRST) == before["coupon_redemptions", FIRST]
    claim(settings, CLOSES - END)
    after = {key: source_of(settings).fingerprint(*key) for key in before}
    assert {key for key in before if before[key] != after[key]} == {(table, FIRST) for table in BOTH}


def test_an_erased_household_is_told_as_nobody(settings: Settings) -> None:
    begin(settings)
    add(Store(settings.data / "shop", CALENDAR), FIRST, {ANNA: OPENS})
    rows = source_of(settings).read("coupon_issues", FIRST)
    assert rows["household_id"].to_pylist() == [None, None, BERT, None]
    assert rows["decision_id"].to_pylist() == [None, None, "decision-2-11", None]


def test_without_customers_nobody_is_known_and_it_says_what_to_run(settings: Settings) -> None:
    begin(settings)
    for week in CALENDAR.weeks:
        Store(settings.data / "shop", CALENDAR).path("clean", "customers", week).unlink()
    with pytest.raises(MissingWeekError, match="clean/customers has no week yet: run the job `backfill`"):
        source_of(settings).read("coupon_issues", FIRST)


def pipeline_of(settings: Settings) -> Pipeline:
    found = Pipeline(settings)
    found.__dict__["source"] = source_of(settings)
    return found


def done(settings: Settings) -> list[bool]:
    """Whether each batch may be trimmed: what was not done stays."""
    with ledger_at(settings, CLOSES) as ledger:
        ledger.trim(2**62)
        return [batch.is_trimmed for batch in ledger.batches(0, 2**62)]


def test_a_week_that_has_landed_whole_need_not_be_kept_and_stays_fresh(settings: Settings) -> None:
    begin(settings)
    pipeline = pipeline_of(settings)
    erasures = Erasures.of(pipeline.store)
    land_week(pipeline, "coupon_issues", FIRST, erasures)
    assert done(settings) == [False]
    before = pipeline.source.fingerprint("coupon_issues", FIRST)
    land_week(pipeline, "coupon_redemptions", FIRST, erasures)
    assert done(settings) == [True]
    assert source_of(settings).fingerprint("coupon_issues", FIRST) == before


def test_a_week_lands_with_the_same_bytes_again(settings: Settings) -> None:
    begin(settings)
    for table in BOTH:
        pipeline = pipeline_of(settings)
        path = pipeline.store.path("raw", table, FIRST)
        contents = []
        for _ in range(2):
            land_week(pipeline, table, FIRST, Erasures.of(pipeline.store))
            contents.append(path.read_bytes())
        assert contents[0] == contents[1]


def test_a_trimmed_week_that_is_asked_for_again_says_what_to_do(settings: Settings) -> None:
    begin(settings)
    pipeline = pipeline_of(settings)
    for table in BOTH:
        land_week(pipeline, table, FIRST, Erasures.of(pipeline.store))
    done(settings)
    with pytest.raises(SourceError, match=r"the ledger of shop: .* trimmed .* backup"):
        source_of(settings).read("coupon_issues", FIRST)


@pytest.mark.parametrize("ask", [Ledgered.read, Ledgered.fingerprint])
def test_a_week_outside_the_calendar_is_refused(settings: Settings, ask: Callable[..., Any]) -> None:
    begin(settings)
    with pytest.raises(ValueError, match="outside the calendar"):
        ask(source_of(settings), "coupon_issues", "2025-06-02")


def test_an_erased_household_loses_its_open_coupons_and_gets_no_more(settings: Settings) -> None:
    begin(settings)
    store = Store(settings.data / "shop", CALENDAR)
    for _ in range(2):
        forget_in_ledger(settings, store, np.array([ANNA]))
    with ledger_at(settings, CLOSES) as ledger:
        assert [ledger.may_be_sent(one) for one in (ANNA, BERT)] == [False, True]
        ledger.sync(Definitions(consents={ANNA: True}))
        assert not ledger.may_be_sent(ANNA)
        ledger.claim()
        assert all(check.passed for check in audit(ledger.database))
    rows = source_of(settings).read("coupon_issues", FIRST)
    assert rows["household_id"].to_pylist() == [None, None, BERT, None]


def test_without_a_ledger_nobody_has_to_be_forgotten_there(settings: Settings) -> None:
    forget_in_ledger(settings, Store(settings.data / "shop", CALENDAR), np.array([ANNA]))
    assert not settings.ledger_folder.exists()


def test_texts_are_numbered_where_the_grocers_systems_number_them(settings: Settings, tmp_path: Path) -> None:
    columns = {"redemption_id": "id", "basket_id": {"column": "receipt", "id": "receipt"}, "store_id": "store"}
    columns |= {"coupon_id": "coupon", "household_id": "card", "redeemed_at": "at"}
    table = {"system": "tills", "endpoint": "/uses", "known_at": {"column": "at"}, "columns": columns}
    grocer = opened_grocer(
        tmp_path, {"tills": {"kind": "rest", "url": "http://127.0.0.1:1"}}, {"coupon_redemptions": table}
    )
    begin(settings)
    source = source_of(settings)
    source.inner = grocer
    found = [source._numbers(name)(["R-1", "R-2", "R-1", "7"]) for name in ("basket_id", "store_id")]
    assert found == [[1, 2, 1, 3], [None, None, None, 7]]
    assert grocer.identifiers.found("receipt", ["R-2"]) == [2]


def test_the_systems_behind_it_are_found(settings: Settings) -> None:
    systems = Systems()
    assert systems_of(Ledgered(systems, settings)) is systems
    assert systems_of(systems) is systems
