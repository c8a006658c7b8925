"""A week in all systems: the same bytes each time, nothing half, bills equal to till lines, closed last."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.simulation.delivering import deliver, systems
from tests.simulation.factory import CALENDAR, SMALL, WEEKS, week_records
from tests.simulation.reading import bills, content, rows_of, till_lines

from coupon_pipeline.simulation.feeds import pos
from coupon_pipeline.simulation.feeds.delivery import check_records, on_time
from coupon_pipeline.simulation.feeds.issues import read
from coupon_pipeline.simulation.feeds.week import write_week


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    deliver(folder, 2)
    return folder


def test_writes_the_same_again(chain: Path, tmp_path: Path) -> None:
    first = content(chain)
    deliver(tmp_path, 2)
    assert content(tmp_path) == first
    stray = tmp_path / "feeds" / "pos" / WEEKS[1] / ".store-001.csv.gz.1.ab.tmp"
    stray.write_bytes(b"left by a kill")
    deliver(tmp_path, 2)
    assert content(tmp_path) == first


def test_finishes_after_a_kill(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from tests.simulation.delivering import deliver; "
    code += "deliver(Path(sys.argv[1]), 30)"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed")], cwd=Path.cwd())
    second = tmp_path / "killed" / "feeds" / "pos" / WEEKS[1]
    end = time.monotonic() + 30
    while not second.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    killed_in = max(path.name for path in (tmp_path / "killed" / "feeds" / "pos").iterdir())
    weeks = next(number for number, week in enumerate(WEEKS) if week > killed_in)
    deliver(tmp_path / "killed", weeks)
    deliver(tmp_path / "whole", weeks)
    assert content(tmp_path / "killed" / "feeds") == content(tmp_path / "whole" / "feeds")


def test_closes_a_week_last(chain: Path, tmp_path: Path) -> None:
    closed = json.loads((chain / "feeds" / "closed" / f"{WEEKS[1]}.json").read_text(encoding="utf-8"))
    lines = [line for line in till_lines(chain / "feeds") if line["path"] >= f"pos/{WEEKS[1]}"]
    assert closed["week"] == WEEKS[1]
    assert closed["rows"]["pos_transactions"] == len(lines)
    target = systems(tmp_path)
    write_week(target, on_time(week_records(WEEKS[0]), CALENDAR.timezone))
    (target.feeds / "coupons.db").unlink()
    (target.feeds / "coupons.db").mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        write_week(target, on_time(week_records(WEEKS[0]), CALENDAR.timezone))
    assert not target.closed(WEEKS[0]).exists()


def test_bills_equal_till_lines_to_the_cent(chain: Path) -> None:
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    seen = set()
    for line in till_lines(chain / "feeds"):
        if "resend" in line["path"] or (line["receipt"], line["line"]) in seen:
            continue
        seen.add((line["receipt"], line["line"]))
        sign = 1 if line["kind"] == "sale" else -1
        gross, tax = int(line["gross"]), int(line["tax"])
        off = sum(int(line[name]) for name in ("promo", "coupon", "match"))
        for position, amount in enumerate((gross, off, tax, gross - off + tax)):
            sums[line["receipt"]][position] += sign * amount
    carried = pq.read_table(chain / "private" / "carried" / "pos_lines.parquet")
    late = set(carried.column("basket_id").to_pylist())
    checked = 0
    for bill in bills(chain / "feeds"):
        found = [round(float(bill[name]) * 100) for name in ("gross", "discount", "tax", "total")]
        if bill["bill"] not in late:
            assert found == sums[str(bill["bill"])], bill
            checked += 1
    assert checked > 600


def test_sends_late_rows_with_the_next_week(chain: Path) -> None:
    monday = WEEKS[1]
    late = [line for line in till_lines(chain / "feeds") if ".late-" in line["path"]]
    assert late
    for line in late:
        day, business = line["path"].split("/")[1], line["path"].split(".late-")[1][:10]
        assert line["ts"][:10] == business < day
    assert any(line["path"] >= f"pos/{monday}" and line["ts"] < monday for line in late)


def test_keeps_issues_that_the_pipeline_made(tmp_path: Path) -> None:
    target = systems(tmp_path)
    records = week_records(WEEKS[0])
    write_week(target, on_time(records, CALENDAR.timezone))
    issues = records.tables["coupon_issues"]
    assert read(target.feeds / "coupons.db", records.opens_at, records.closes_at).equals(issues)
    tables = {**records.tables, "coupon_issues": issues.slice(0, 0)}
    write_week(target, on_time(replace(records, tables=tables), CALENDAR.timezone))
    assert rows_of(target.feeds / "coupons.db", "select count(*) from coupon_issue") == [(SMALL.issues,)]


def test_refuses_records_of_another_week() -> None:
    records = week_records(WEEKS[1])
    with pytest.raises(ValueError, match=r"pos_lines.sold_at must lie within the week"):
        check_records(
            replace(records, opens_at=CALENDAR.opens_at(WEEKS[2]), closes_at=CALENDAR.decision_time(WEEKS[2]))
        )
    broken = {**records.tables, "bills": records.tables["bills"].drop_columns(["tender"])}
    with pytest.raises(ValueError, match="bills has the columns"):
        check_records(replace(records, tables=broken))
    del broken["bills"]
    with pytest.raises(ValueError, match="the tables bills are missing"):
        check_records(replace(records, tables=broken))


def test_writes_no_lines_as_files_of_redemptions_alone(tmp_path: Path) -> None:
    records = week_records(WEEKS[0])
    empty = {name: table.slice(0, 0) for name, table in records.tables.items()}
    pos.write_week(tmp_path, on_time(replace(records, tables=empty), CALENDAR.timezone), CALENDAR.timezone)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"pos/2025-01-{day:02d}/redemptions.csv.gz" for day in range(6, 13)]
