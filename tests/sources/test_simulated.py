"""The simulated chain's own file: all 16 tables come through the interfaces of its systems, cell by cell."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from tests.simulation.factory import CALENDAR, WEEKS, week_records

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.casting import cast
from coupon_pipeline.settings import Settings
from coupon_pipeline.simulation.feeds.delivery import on_time
from coupon_pipeline.simulation.feeds.week import Systems, write_week
from coupon_pipeline.simulation.records import WeekRecords
from coupon_pipeline.simulation.systems.crm_api import create_app
from coupon_pipeline.sources.registry import open_source
from coupon_pipeline.sources.source import Source

RECORDS = {"pos_transactions": "pos_lines", "coupon_redemptions": "redemptions"}
"""Table -> its name among the records of the world, where it is another."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, WeekRecords]]:
    data = tmp_path_factory.mktemp("world")
    feeds = data / "chain" / "feeds"
    records = week_records(WEEKS[0])
    write_week(Systems(feeds, CALENDAR.timezone, 1), on_time(records, CALENDAR.timezone))
    # As if the whole history were there, so that nothing is started.
    (feeds / "closed" / f"{WEEKS[-1]}.json").write_text("{}")
    server = uvicorn.Server(uvicorn.Config(create_app(feeds), port=0, ws="none", lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUPON_CRM_URL", f"http://127.0.0.1:{port}")
        yield data, records
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def source(world: tuple[Path, WeekRecords]) -> Source:
    return open_source(Settings(source="simulated", data=world[0]))


def test_all_sixteen_tables_are_delivered(source: Source) -> None:
    assert set(source.tables()) == set(reader.names())
    assert len(source.tables()) == 16


@pytest.mark.parametrize("table", reader.names())
def test_a_week_of_a_table_is_the_worlds(table: str, source: Source, world: tuple[Path, WeekRecords]) -> None:
    contract = reader.load(table)
    delivered, lost = cast(contract, source.read(table, WEEKS[0]))
    assert not lost
    if table == "promotions":
        # The plan is by zone, its view by store: two stores of each zone.
        assert delivered.num_rows == 2 * world[1].tables["promotion_plan"].num_rows
        return
    made = world[1].tables[RECORDS.get(table, table)]
    shared = [name for name in delivered.column_names if name in made.column_names and name != "region"]
    assert len(shared) >= len([column for column in contract.columns if column.required]) - 1
    order = [(name, "ascending") for name in contract.unique_key if name in made.column_names]
    if "changed_at" in made.column_names:
        delivered = delivered.append_column("changed_at", delivered["known_at"])
        shared.append("changed_at")
        order.append(("changed_at", "ascending"))
    for name in shared:
        cells = made.sort_by(order)[name].cast(delivered.schema.field(name).type)
        assert delivered.sort_by(order)[name].to_pylist() == cells.to_pylist(), name
