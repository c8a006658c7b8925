"""The default source, end to end: seven systems feed 16 tables, a model learns, coupons are decided and issued."""

from __future__ import annotations

import gzip
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.registry import Registry
from tests.journeys.chain import LAST, TRUTH, WEEKS, ChainRun

from coupon_pipeline.contracts import reader
from coupon_pipeline.decisions.arms import is_due, is_held_out
from coupon_pipeline.tables import read_parquet

FEED_COLUMNS = {
    "store": "id region store_format changed_at",
    "article": "article_no description brand brand_type department category subcategory vendor_no pack changed_at",
    "price": "article_no zone valid_from shelf_price unit_cost changed_at",
    "promotion_plan": "article_no zone promo_week display mailer promo_price changed_at",
    "stock_count": "store_no article_no counted_at on_hand on_order changed_at",
    "purchase_order_line": "order_no line_no vendor_no store_no article_no ordered_at due_at received_at qty_ordered "
    "qty_received unit_cost changed_at",
}
"""What an ERP may show: nothing of tastes, awareness, home stock, lost demand or luck."""
TILL_COLUMNS = b"receipt,line,store,till,card,article,kind,qty,gross,promo,coupon,match,tax,ts"


def test_the_pipeline_runs_to_its_end_without_the_truth(ran: ChainRun) -> None:
    assert not (ran.project / TRUTH).exists()
    champion = Registry(ran.settings).champion()
    assert champion is not None
    assert ran.pipeline.store.row_count("coupons", "coupon_assignments", LAST) > 0


def test_all_sixteen_tables_are_landed_and_nothing_is_lost(ran: ChainRun) -> None:
    store, weeks = ran.pipeline.store, ran.pipeline.source.calendar.weeks
    assert set(ran.pipeline.source.tables()) == set(reader.names())
    assert len(weeks) == WEEKS
    for table in reader.names():
        rows = Counter({layer: sum(store.row_count(layer, table, week) for week in weeks) for layer in LAYERS})
        assert rows["raw"] > 0, table
        assert rows["raw"] == rows["clean"] + rows["quarantine"], table


LAYERS = ("raw", "clean", "quarantine")


def test_every_fault_is_caught_by_the_rule_that_it_names_and_no_clean_row_is_lost(ran: ChainRun) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for path in (ran.data / "chain" / "private" / "faults").glob("*.parquet"):
        for fault in read_parquet(path).to_pylist():
            if fault["rule"] != "harmless" and fault["table"] != "promotions":
                expected[fault["table"], fault["rule"]] += 1
    found: Counter[tuple[str, str]] = Counter()
    store, weeks = ran.pipeline.store, ran.pipeline.source.calendar.weeks
    for table in set(reader.names()) - {"promotions"}:
        for week in weeks:
            for row in store.read("quarantine", table, week).to_pylist():
                found[table, row["_rule"]] += 1
    assert found == expected
    assert len(expected) > 5


def test_purchases_known_late_keep_the_instant_of_their_sale(ran: ChainRun) -> None:
    store, weeks = ran.pipeline.store, ran.pipeline.source.calendar.weeks
    sales = pa.concat_tables([store.read("clean", "pos_transactions", week) for week in weeks])
    late = sales["known_at"].to_numpy() - sales["sold_at"].to_numpy()
    assert (late >= 0).all()
    assert (late > late.dtype.type(86_400_000_000)).sum() > 0


def test_the_feeds_show_no_column_that_is_not_on_the_list(ran: ChainRun) -> None:
    feeds = ran.data / "chain" / "feeds"
    with closing(sqlite3.connect(feeds / "erp.db")) as erp:
        for table, columns in FEED_COLUMNS.items():
            assert [row[1] for row in erp.execute(f"pragma table_info({table})")] == columns.split()
        tables = {name for (name,) in erp.execute("select name from sqlite_master where type = 'table'")}
    assert tables == set(FEED_COLUMNS)
    heads = {gzip.decompress(path.read_bytes()).split(b"\n")[0] for path in (feeds / "pos").rglob("store-*.csv.gz")}
    assert heads == {TILL_COLUMNS}
    landed = {name for table in reader.names() for name in ran.pipeline.store.read("raw", table, LAST).column_names}
    promised = {column.name for table in reader.names() for column in reader.load(table).columns}
    assert landed <= promised


def test_only_issued_pairs_are_learned_from(ran: ChainRun) -> None:
    store, weeks = ran.pipeline.store, ran.pipeline.source.calendar.weeks
    issued = pa.concat_tables([store.read("clean", "coupon_issues", week) for week in weeks]).to_pandas()
    pairs = set(zip(issued["household_id"], issued["coupon_id"], strict=True))
    rows = [pq.read_table(path).to_pandas() for path in (store.root / "training").rglob("rows.parquet")]
    assert len(rows) >= 4
    for table in rows:
        assert set(zip(table["household_id"], table["coupon_id"], strict=True)) <= pairs
    assert sum(table["label"].sum() for table in rows) > 50


def test_nobody_held_out_or_out_of_turn_gets_a_coupon(ran: ChainRun) -> None:
    store, source = ran.pipeline.store, ran.pipeline.source
    assigned = store.read("coupons", "coupon_assignments", LAST)["household_id"].to_numpy()
    assert source.assignment is not None
    salt, percent = source.assignment.salt, source.assignment.holdout_percent
    last = source.calendar.last
    assert not is_held_out(assigned, salt, percent).any()
    assert is_due(assigned, salt, last, source.assignment.every_cycles).all()
    candidates = store.read("coupons", "candidates", LAST)
    assert {"held_out"} <= set(candidates["refused"].drop_null().to_pylist())


def test_nothing_is_left_to_do_and_then_the_chain_lives_on_with_what_was_decided(ran: ChainRun) -> None:
    again = ran.command("run")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("fresh") == 3
    lived = ran.command("simulate", "--advance")
    assert lived.returncode == 0, lived.stderr
    recorded = ran.pipeline.store.read("ledger", "issues", LAST)
    assert f"{recorded.num_rows - recorded['issue_id'].null_count:,} coupons issued" in lived.stdout
    assert "lived the week of 2025-03-24" in lived.stdout
    weeks = ran.pipeline.source.calendar.weeks
    assert weeks[-1] == "2025-03-24"
    issued = ran.pipeline.source.read("coupon_issues", weeks[-1])
    assert issued["issue_id"].to_pylist() == sorted(recorded["issue_id"].drop_null().to_pylist())
    decided = set(ran.pipeline.store.read("coupons", "coupon_assignments", LAST)["decision_id"].to_pylist())
    assert set(issued["decision_id"].to_pylist()) == decided


def test_no_pipeline_module_knows_the_chain(ran: ChainRun) -> None:
    folders = [ran.project / name for name in ("assets", "models", "serving")]
    package = ran.project / "coupon_pipeline"
    folders += [path for path in package.iterdir() if path.name not in ("simulation", "cli.py")]
    sources = [file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("*.py"))]
    chain = "coupon_pipeline.simulation"
    knowing = [file.name for file in map(Path, sources) if chain in file.read_text("utf-8")]
    assert knowing == []
