"""Who is erased is known from the customers' own system or from a request; landing lets none of them in again."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from assets.erasures import carry_out, erasures
from assets.graph import Graph
from assets.landing import landed
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.erasures import rewriting
from coupon_pipeline.erasures.households import add, listed
from coupon_pipeline.settings import Settings
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 10), "Europe/Berlin")
OLD, NEW = CALENDAR.weeks
ERASED_AT = datetime(2025, 3, 4, 10)


class Delivering:
    """A source of customers: 7, which its own system calls erased in the first week, and 8."""

    name, calendar = "delivering", CALENDAR
    tables = staticmethod(lambda: ("customers",))

    def read(self, table: str, week: str) -> pa.Table:
        rows = [{"household_id": "7", "age_band": "35-44"}, {"household_id": "8", "age_band": "45-54"}]
        names = [column.name for column in reader.load(table).columns]
        return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})

    def fingerprint(self, table: str, week: str) -> str:
        return week


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    found = Pipeline(Settings(data=tmp_path, source="delivering"))
    found.__dict__["source"] = Delivering()
    schema = arrow.schema(reader.load("customers"))
    for week in CALENDAR.weeks:
        said = {"household_id": 7, "marketing_consent": False, "erased_at": ERASED_AT, "known_at": ERASED_AT}
        rows = [{name: said.get(name) for name in schema.names}] if week == OLD else []
        found.store.write("clean", "customers", week, pa.Table.from_pylist(rows, schema), "")
    return found


def materialised(pipeline: Pipeline, *weeks: str) -> dg.ExecuteInProcessResult:
    graph = Graph("delivering", dg.StaticPartitionsDefinition(list(CALENDAR.weeks)), ("customers",))
    first, last = weeks[0], weeks[-1]
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    with pytest.warns(dg.BetaWarning):
        assets = [erasures(graph), landed(graph, "customers")]
    definitions = dg.Definitions(
        assets=assets, jobs=[dg.define_asset_job("all", "*")], resources={"pipeline": pipeline}
    )
    return definitions.resolve_job_def("all").execute_in_process(tags=tags)


def test_what_the_customers_system_says_and_what_a_person_asked_for_end_in_one_list(pipeline: Pipeline) -> None:
    add(pipeline.store, NEW, {8: datetime(2025, 3, 12)})
    assert materialised(pipeline, OLD, NEW).success
    assert listed(pipeline.store, OLD) == {7: ERASED_AT}
    assert listed(pipeline.store, NEW) == {8: datetime(2025, 3, 12)}


def test_a_row_of_an_erased_household_that_is_delivered_again_is_not_landed(pipeline: Pipeline) -> None:
    add(pipeline.store, OLD, {7: ERASED_AT})
    result = materialised(pipeline, NEW)
    assert pipeline.store.read("raw", "customers", NEW)["household_id"].to_pylist() == ["8"]
    [told] = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if "erased_rows" in event.materialization.metadata
    ]
    assert (told["erased_rows"].value, told["dagster/row_count"].value) == (1, 1)


def test_a_run_with_nothing_to_do_reads_no_table(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    add(pipeline.store, OLD, {7: ERASED_AT})
    pipeline.store.write("coupons", "candidates", OLD, pa.table({"household_id": [7, 8]}), "")
    assert carry_out(pipeline) > 0
    monkeypatch.setattr("assets.erasures.rewrite", None)
    assert carry_out(pipeline) == 0


def test_work_that_was_not_finished_is_taken_up_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    add(pipeline.store, OLD, {7: ERASED_AT})
    pipeline.store.write("coupons", "candidates", OLD, pa.table({"household_id": [7, 8]}), "")
    with monkeypatch.context() as patch:
        patch.setattr(rewriting, "write_parquet", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            carry_out(pipeline)
    assert carry_out(pipeline) > 0
    assert pipeline.store.read("coupons", "candidates", OLD)["household_id"].to_pylist() == [8]
