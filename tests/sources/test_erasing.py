"""A source lets go of a household in what it keeps itself: the numbers of text ids, and dumps that arrived."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from assets.erasures import carry_out
from assets.landing import land_week
from assets.pipeline import Pipeline
from tests.sources.grocer import HASTY, WEEKS, Api, opened, serving

from coupon_pipeline.commands.erase import erase
from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.erasures.households import Erasures
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.erasing import forget, number_of
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.tables import read_parquet

JANE, JOHN = {"card": "K-jane", "age": "35-44"}, {"card": "K-john", "age": "45-54"}
ARRIVING = {"system": "crm", "known_at": {"arrival": True}, "delivery": "full"}


def of_club(folder: Path, api: Api) -> Connected:
    """Members with text ids in dumps that have no dates, and coupons that were issued to them."""
    card = {"column": "card", "id": "household"}
    tables = {
        "customers": {
            **ARRIVING,
            "endpoint": "/members",
            "columns": {"household_id": card, "marketing_consent": {"constant": "true"}, "age_band": "age"},
        },
        "coupon_issues": {
            **ARRIVING,
            "endpoint": "/issues",
            "columns": {
                "issue_id": "issue",
                "coupon_id": "coupon",
                "household_id": card,
                "channel": {"constant": "app"},
                "issued_at": "at",
            },
        },
    }
    return opened(folder, {"crm": {"kind": "rest", "url": api.url, "retry": HASTY}}, tables)


@pytest.fixture
def club(tmp_path: Path) -> Connected:
    issued = {"coupon": 3, "at": "2025-03-04T10:00:00"}
    issues = [{"issue": 1, "card": "K-jane", **issued}, {"issue": 2, "card": "K-john", **issued}]
    with serving(Api({"/members": [JANE, JOHN], "/issues": issues})) as api:
        source = of_club(tmp_path, api)
        for table in ("customers", "coupon_issues"):
            source.read(table, WEEKS[0])
    return source


def texts(folder: Path) -> list[str]:
    """All cells of all dumps."""
    return [str(cell) for path in folder.rglob("*.parquet") for cells in read_parquet(path) for cell in cells]


def test_dumps_and_numbers_let_go_and_a_text_that_comes_again_has_the_same_number(club: Connected) -> None:
    assert (number_of(club, "K-jane"), number_of(club, "K-john"), number_of(club, "K-jill")) == (1, 2, None)
    for _ in range(2):
        forget(club, np.array([1]))
    assert "K-jane" not in texts(club.state.root)
    assert "35-44" not in texts(club.state.root)
    assert b"K-jane" not in club.identifiers.path.read_bytes()
    assert club.read("customers", WEEKS[0])["household_id"].to_pylist() == [2]
    issues = club.read("coupon_issues", WEEKS[0])
    assert (issues["issue_id"].to_pylist(), issues["household_id"].to_pylist()) == (["1", "2"], [None, 2])
    assert number_of(club, "K-jane") == 1


def pipeline_on(source: Connected, folder: Path) -> Pipeline:
    found = Pipeline(Settings(data=folder / "data", source=source.name))
    found.__dict__["source"] = source
    return found


def test_a_person_is_erased_by_the_grocers_own_id_and_does_not_come_back(club: Connected, tmp_path: Path) -> None:
    pipeline = pipeline_on(club, tmp_path)
    store, told = pipeline.store, io.StringIO()
    customers = [{"household_id": 1, "marketing_consent": True, "known_at": store.calendar.opens_at(WEEKS[0])}]
    schema = arrow.schema(reader.load("customers"))
    rows = [{name: row.get(name) for name in schema.names} for row in customers]
    store.write("clean", "customers", WEEKS[0], pa.Table.from_pylist(rows, schema), "")
    with pytest.raises(SourceError, match=r"no household 'K-jill' is in clean customers: give the id as .* grocer do"):
        erase(pipeline, "K-jill", Console(file=told))
    erase(pipeline, "K-jane", Console(file=told))
    assert store.erased().tolist() == [1]
    assert b"K-jane" not in club.identifiers.path.read_bytes()
    carry_out(pipeline)
    assert store.row_count("clean", "customers", WEEKS[0]) == 0
    with serving(Api({"/members": [JOHN, JANE]})) as api:
        again = pipeline_on(of_club(tmp_path, api), tmp_path)
        land_week(again, "customers", WEEKS[1], Erasures.of(store))
        assert "K-jane" in texts(club.state.root)
        assert store.row_count("raw", "customers", WEEKS[1]) == 0
        carry_out(again)
    assert "K-jane" not in texts(club.state.root)
    erase(pipeline, "K-jane", Console(file=told))
    assert "was erased before" in told.getvalue()
    assert "jane" not in told.getvalue()
