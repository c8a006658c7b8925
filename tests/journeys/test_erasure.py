"""One household is followed through every store: after its erasure and one cycle it is nowhere, and stays away."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from rich.console import Console

from assets.clean import publish
from assets.landing import land_week
from assets.pipeline import Pipeline
from serving.recommender import recommend
from serving.schemas import RecommendRequest
from tests.conftest import Loop

from coupon_pipeline.commands.erase import erase
from coupon_pipeline.commands.run import run
from coupon_pipeline.contracts import reader
from coupon_pipeline.erasures.households import Erasures
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.snapshot.bundle import open_bundle
from coupon_pipeline.sources.ledgered import latest, opened
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.tables import read_parquet

TABLES = ("customers", "campaign_targets", "pos_transactions", "coupon_redemptions")
"""The tables of the source that name households."""
LAYERS = ("raw", "clean", "quarantine")
HOLDERS = (
    "features/household",
    "features/pair",
    "coupons/candidates",
    "coupons/coupon_assignments",
    "ledger/issues",
    "training",
)
"""Where the household was before, beside the landed and the clean tables."""


@dataclass(frozen=True)
class Erased:
    """A copy of the whole run in which a household was erased, and a cycle went by."""

    pipeline: Pipeline
    household: int
    instance: Path
    """The folder of the Dagster instance that ran the cycle."""
    before: frozenset[str]
    """The files that held the household before."""
    at_once: int
    """Sales of it that a reader sees after the request and before the cycle."""

    def run_again(self) -> int:
        return run_again(self.pipeline, self.instance)


def run_again(pipeline: Pipeline, folder: Path) -> int:
    """Run the pipeline; returns how many jobs that took."""
    folder.mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        before = len(instance.get_runs())
        run(pipeline.settings, instance, Console(file=io.StringIO()))
        return len(instance.get_runs()) - before


@pytest.fixture(scope="module")
def erased(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    folder = tmp_path_factory.mktemp("erasure")
    shutil.copytree(loop.pipeline.settings.data, folder / "data")
    pipeline = Pipeline(loop.pipeline.settings.model_copy(update={"data": folder / "data"}))
    household = well_known(loop)
    before = frozenset(traces(folder / "data", household))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        erase(pipeline, str(household), Console(file=io.StringIO()))
        sales = pipeline.store.as_of(pipeline.store.calendar.decision_time(loop.last)).table("pos_transactions")
        at_once = sales.filter(sales.household_id == household).count().to_pyarrow().as_py()
        found = Erased(pipeline, household, folder / "dagster", before, at_once)
        assert found.run_again() == 1
        yield found


def well_known(loop: Loop) -> int:
    """A household that got a coupon, redeemed one, and is in the training rows."""
    store = loop.pipeline.store
    wanted = set(store.read("coupons", "coupon_assignments", loop.last)["household_id"].to_pylist())
    redeemed = {
        household
        for week in store.calendar.weeks
        for household in store.read("clean", "coupon_redemptions", week)["household_id"].to_pylist()
    }
    trained = {
        household
        for path in (store.root / "training").rglob("*.parquet")
        for household in read_parquet(path, ["household_id"])["household_id"].to_pylist()
    }
    return min(wanted & redeemed & trained)


def traces(data: Path, household: int) -> Iterator[str]:
    """Every file below a folder that names a household, wherever it may: relative paths."""
    named = re.compile(rb"household(_id)?\W{1,4}0*%d(?![0-9])" % household)
    # SQLite's own companions of a database come and go; what they hold is read through it.
    files = (path for path in data.rglob("*") if not path.name.endswith(("-shm", "-wal")))
    for path in sorted(path for path in files if path.is_file()):
        if any(_names(path, household, named)):
            yield str(path.relative_to(data))


def _names(path: Path, household: int, named: re.Pattern[bytes]) -> Iterator[bool]:
    if path.suffix == ".parquet":
        rows = read_parquet(path)
        yield bool(named.search(repr(rows.schema.metadata).encode()))
        for name, cells in zip(rows.column_names, rows.columns, strict=True):
            if name == "household_id":
                texts = cells.cast(pa.string()).to_pylist()
                yield any(re.fullmatch(rf"\s*\+?0*{household}([.]0*)?\s*", text) for text in texts if text)
            elif pa.types.is_string(cells.type) or pa.types.is_list(cells.type):
                yield any(named.search(text.encode()) for text in set(map(str, cells.to_pylist())))
    elif path.suffix == ".npy":
        yield path.name == "household_ids.npy" and household in np.load(path)
        yield bool(named.search(path.read_bytes()))
    elif path.suffix == ".db":
        with closing(sqlite3.connect(path)) as database:
            tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                for row in database.execute(f'select * from "{table}"'):
                    yield any(named.search(str(cell).encode()) for cell in row)
    else:
        yield bool(named.search(path.read_bytes()))


def test_it_was_in_every_store(erased: Erased) -> None:
    name = erased.pipeline.source.name
    for holder in (*HOLDERS, "raw/pos_transactions", "clean/campaign_targets", "clean/customers", "bundles"):
        assert any(path.startswith(f"{name}/{holder}/") for path in erased.before), holder


def test_no_reader_sees_it_from_the_request_on(erased: Erased) -> None:
    assert erased.at_once == 0


def test_after_one_cycle_it_is_only_where_it_says_that_it_is_erased(erased: Erased) -> None:
    name, week = erased.pipeline.source.name, erased.pipeline.store.calendar.weeks[-1]
    expected = {f"{name}/{part}/week={week}/part.parquet" for part in ("raw/customers", "clean/customers")}
    assert set(traces(erased.pipeline.settings.data, erased.household)) == expected | {
        f"{name}/erasures/households/week={week}/part.parquet"
    }
    assert not list(traces(erased.instance, erased.household))
    rows = erased.pipeline.store.read("clean", "customers", week).to_pylist()
    [kept] = [row for row in rows if row["household_id"] == erased.household]
    told = {column for column, cell in kept.items() if cell is not None}
    assert told == {"household_id", "erased_at", "marketing_consent", "known_at"}
    assert kept["marketing_consent"] is False


def test_its_sales_still_count(erased: Erased, loop: Loop) -> None:
    for week in loop.pipeline.store.calendar.weeks[::7]:
        for layer in ("raw", "clean"):
            before, after = (
                pipeline.store.read(layer, "pos_transactions", week) for pipeline in (loop.pipeline, erased.pipeline)
            )
            assert before.drop_columns(["household_id"]).equals(after.drop_columns(["household_id"]))


def test_every_row_that_came_is_still_clean_or_in_quarantine(erased: Erased) -> None:
    store = erased.pipeline.store
    for table in TABLES:
        for week in store.calendar.weeks:
            landed, clean, quarantined = (store.row_count(layer, table, week) for layer in LAYERS)
            assert landed == clean + quarantined, (table, week)


def test_the_service_does_not_know_it(erased: Erased) -> None:
    bundle = open_bundle(erased.pipeline.settings.bundles)
    assert bundle.household(erased.household) is None
    request = RecommendRequest(household_id=str(erased.household))
    assert recommend(bundle, request, bundle.decided_at)["degraded"]


def test_its_coupons_are_void_and_the_books_close(erased: Erased, loop: Loop) -> None:
    week, store = erased.pipeline.store.calendar.weeks[-1], loop.pipeline.store
    issued = store.read("ledger", "issues", week).filter(pc.field("household_id") == erased.household)
    assert issued.num_rows
    with opened(erased.pipeline.settings, latest) as ledger:
        assert not ledger.may_be_sent(erased.household)
        for number, issue in enumerate(issued["issue_id"].to_pylist()):
            assert ledger.void("office", f"erasure-{number:04}", issue_id=issue).replay
        assert all(check.passed for check in audit(ledger.database))


def test_old_weeks_come_back_without_it_byte_for_byte(erased: Erased) -> None:
    store = erased.pipeline.store
    for table in TABLES:
        held = min(path for path in erased.before if f"/raw/{table}/" in path)
        [week] = re.findall("week=([0-9-]+)", held)
        before = [store.path(layer, table, week).read_bytes() for layer in LAYERS]
        for layer in LAYERS:
            store.path(layer, table, week).unlink()
        land_week(erased.pipeline, table, week, Erasures.of(store))
        publish(erased.pipeline, reader.load(table), [week])
        for layer, content in zip(LAYERS, before, strict=True):
            assert store.path(layer, table, week).read_bytes() == content, (layer, table, week)
    assert erased.run_again() == 0


def test_only_a_household_that_is_known_can_be_erased(erased: Erased) -> None:
    for unknown in ("987654321", "K-7", ""):
        with pytest.raises(SourceError, match=f"no household '{unknown}' is in clean customers"):
            erase(erased.pipeline, unknown, Console(file=io.StringIO()))
    told = io.StringIO()
    erase(erased.pipeline, str(erased.household), Console(file=told))
    assert "was erased before" in told.getvalue()
    assert str(erased.household) not in told.getvalue()
