"""The whole loop on a real slice: from landing to an answer over HTTP."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from models.registry import Registry
from tests.conftest import Loop


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.parquet")}


def count(loop: Loop, layer: str, table: str) -> int:
    return sum(loop.pipeline.store.row_count(layer, table, week) for week in loop.pipeline.source.calendar.weeks)


def test_every_row_that_came_is_clean_or_in_quarantine(loop: Loop) -> None:
    for table in loop.pipeline.source.tables():
        for week in loop.pipeline.source.calendar.weeks:
            landed, clean, quarantined = (
                loop.pipeline.store.row_count(layer, table, week) for layer in ("raw", "clean", "quarantine")
            )
            assert landed == clean + quarantined, (table, week)


def test_only_the_known_dirt_is_quarantined(loop: Loop, slice_folder: Path) -> None:
    with duckdb.connect() as engine:
        for path in slice_folder.glob("*.parquet"):
            engine.read_parquet(str(path)).create_view(path.stem)
        [(unknown,)] = engine.sql("select count(*) from transactions anti join products using (product_id)").fetchall()
        [(surplus, strangers)] = engine.sql(
            """select count(*) - count(distinct (coupon_upc, product_id, campaign_id)),
                count(*) filter (product_id not in (select product_id from products)) from coupons"""
        ).fetchall()
        [(rivals,)] = engine.sql(
            "select sum(n) from (select count(*) n from promotions group by week, product_id, store_id having n > 1)"
        ).fetchall()
    expected = {"pos_transactions": unknown, "coupon_products": surplus + strangers, "promotions": rivals}
    assert unknown
    assert surplus
    for table in loop.pipeline.source.tables():
        assert count(loop, "quarantine", table) == expected.get(table, 0), table


def test_what_was_printed_names_rows_model_cost_and_the_next_command(loop: Loop) -> None:
    for text in (
        "quarantined",
        "/ observed",
        "expected cost",
        "peak memory",
        "assumed_consent",
        "make serve",
    ):
        assert text in loop.printed
    figures = json.loads((loop.pipeline.settings.data.parent / "out" / "run.json").read_text(encoding="utf-8"))
    assert set(figures[0]) == {"name", "value", "unit", "baseline", "op", "bar", "passed"}


def test_the_champion_is_registered_with_metrics_plots_and_a_signature(loop: Loop) -> None:
    registry = Registry(loop.pipeline.settings)
    champion = registry.champion()
    assert champion is not None
    run = registry.client.get_run(champion.run_id)
    assert {"auc", "predicted_over_observed", "popularity/auc", "habit/ap", "affinity/ndcg_at_16"} <= set(
        run.data.metrics
    )
    assert run.data.tags["data_fingerprint"]
    files = {item.path for item in registry.client.list_artifacts(champion.run_id)}
    assert {"reliability.png", "gains.png", "comparison.png", "data.json"} <= files
    tags = registry.client.get_model_version(registry.name, champion.version).tags
    assert all(value.startswith("passed") for key, value in tags.items() if key.startswith("gate."))


def test_the_decisions_keep_every_limit(loop: Loop) -> None:
    store, terms = loop.pipeline.store, loop.pipeline.terms
    assigned = store.read("coupons", "coupon_assignments", loop.last).to_pandas()
    candidates = store.read("coupons", "candidates", loop.last).to_pandas()
    assert len(assigned)
    assert assigned["cost_cents"].sum() <= terms.budget_cents
    assert assigned.groupby("household_id").size().max() <= terms.max_coupons_per_household
    pairs = assigned.merge(candidates, on=["household_id", "coupon_id"], how="left", validate="one_to_one")
    assert pairs["refused"].isna().all()
    assert assigned["propensity"].isna().all()
    assert set(candidates["refused"].dropna()) == {"already_redeemed"}


def test_deleted_weeks_come_back_byte_for_byte_and_a_further_run_does_nothing(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    store, root = loop.pipeline.store, loop.pipeline.store.root
    before = digests(root)
    weeks = loop.pipeline.source.calendar.weeks
    for layer, table, week in (
        ("raw", "pos_transactions", weeks[17]),
        ("clean", "coupon_products", weeks[18]),
        ("quarantine", "pos_transactions", weeks[19]),
        ("raw", "promotions", loop.last),
        ("features", "pair", loop.last),
        ("coupons", "coupon_assignments", loop.last),
    ):
        store.path(layer, table, week).unlink()
    assert loop.run_again() == 2
    assert digests(root) == before
    assert loop.run_again() == 0


def ask(address: str, route: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address}{route}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_the_service_offers_what_the_batch_assigned(loop: Loop, service: str) -> None:
    assigned = loop.pipeline.store.read("coupons", "coupon_assignments", loop.last).to_pandas()
    for household, rows in list(assigned.groupby("household_id"))[:10]:
        answer = ask(service, "/recommend", {"household_id": str(household)})
        assert not answer["degraded"]
        assert {offer["decision_id"] for offer in answer["offers"]} == set(rows["decision_id"])


def test_the_service_scores_pairs_exactly_as_the_batch_did(loop: Loop, service: str) -> None:
    assigned = loop.pipeline.store.read("coupons", "coupon_assignments", loop.last).to_pandas()
    pairs = [{"household_id": str(row.household_id), "coupon_id": str(row.coupon_id)} for row in assigned.itertuples()]
    assert ask(service, "/score", {"pairs": pairs})["scores"] == assigned["redemption_probability"].tolist()


def test_an_unknown_household_gets_popular_offers_and_is_told_so(service: str) -> None:
    answer = ask(service, "/recommend", {"household_id": "999999999"})
    assert answer["degraded"]
    assert answer["offers"]


def test_quarantined_rows_say_which_rule_they_broke(loop: Loop) -> None:
    rules: Counter[str] = Counter()
    for week in loop.pipeline.source.calendar.weeks:
        rows = loop.pipeline.store.read("quarantine", "coupon_products", week)
        assert {"_rule", "_reason", "_value", "_source_row"} <= set(rows.column_names)
        rules.update(rows["_rule"].to_pylist())
    assert set(rules) == {"row.duplicate", "product_id.exists_in"}
