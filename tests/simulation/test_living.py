"""A week of the world: the same for the same seed, whatever the threads; shelves, baskets and bills add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.simulation.worlds import same, spec, state_at, weeks

from coupon_pipeline.simulation.chain import Week
from coupon_pipeline.simulation.feeds.delivery import check_records
from coupon_pipeline.simulation.living import World


@pytest.fixture(scope="module")
def lived() -> tuple[World, list[Week]]:
    world = World(spec(), threads=1)
    return world, list(weeks(world))


def test_the_records_have_the_columns_and_instants_of_their_week(lived: tuple[World, list[Week]]) -> None:
    for week in lived[1]:
        check_records(week.records)


@pytest.mark.parametrize(("threads", "shard"), [(2, 8_192), (2, 64), (1, 7)])
def test_the_world_does_not_depend_on_threads_or_shards(
    lived: tuple[World, list[Week]], threads: int, shard: int
) -> None:
    other = list(weeks(World(spec(shard=shard), threads=threads), until=4))
    for one, two in zip(lived[1], other, strict=False):
        assert same(one.after, two.after)
        assert all(one.records.tables[name].equals(table) for name, table in two.records.tables.items())


def test_another_seed_is_another_world_and_another_replicate_the_same_people_in_another_year() -> None:
    states = {key: state_at(World(spec(seed=key[0], replicate=key[1])), 0) for key in ((1, 0), (1, 1), (2, 0))}
    assert not same(states[1, 0], states[2, 0])
    assert not np.array_equal(states[1, 0].stock, states[1, 1].stock)
    assert np.array_equal(states[1, 0].prices.regular, states[1, 1].prices.regular)
    worlds = [World(spec(replicate=replicate)) for replicate in (0, 1)]
    assert np.array_equal(worlds[0].appetite(200), worlds[1].appetite(200))


def test_households_that_get_no_coupon_repeat_their_life_to_the_bit() -> None:
    world = World(spec(households=300), threads=1)
    state = state_at(world, 2)
    treated = np.arange(0, 300, 3)
    issues = world.issued(2, np.arange(len(treated)), treated, treated % 40)
    one, _ = world.live(state, issues, shelf_limits=False)
    other, _ = world.live(state, issues[:0], shelf_limits=False)
    changed = np.unique(np.concatenate([one.lines["household"], other.lines["household"]]))
    differs = [h for h in changed if not np.array_equal(_wanted(one.lines, h), _wanted(other.lines, h))]
    assert len(differs) > 0
    assert set(differs) <= set(treated[issues["noticed"]])


def _wanted(lines: np.ndarray, household: int) -> np.ndarray:
    return lines[lines["household"] == household][["trip", "store", "category", "product", "quantity"]]


def test_stock_closes_with_what_came_and_went_in_every_store_product_and_week(lived: tuple[World, list[Week]]) -> None:
    closing = None
    for week in lived[1]:
        moved = week.lived.movements
        assert moved is not None
        assert closing is None or np.array_equal(moved.opening, closing)
        expected = moved.opening + moved.received + moved.returned - moved.sold - moved.waste
        assert np.array_equal(moved.closing, expected)
        assert moved.closing.min() >= 0
        closing = moved.closing


def test_shelves_really_run_out_and_lose_or_shift_sales(lived: tuple[World, list[Week]]) -> None:
    world, found = lived
    assert sum(week.lived.lost for week in found) > 0
    state = state_at(world, 0)
    empty = np.zeros_like(state.shelves.on_hand)
    short = replace(state, shelves=replace(state.shelves, on_hand=empty))
    assert short.shelves.orders.size
    full, scarce = (world.live(one, state.issues[:0])[0] for one in (state, short))
    assert 0 < len(scarce.lines) < len(full.lines)
    wished = {tuple(line)[:6]: line["product"] for line in full.lines}
    found = {tuple(line)[:6]: line["product"] for line in scarce.lines}
    assert any(found[key] != wished[key] for key in found.keys() & wished.keys())
    none = replace(short, shelves=replace(short.shelves, orders=state.shelves.orders[:0]))
    bare, _ = world.live(none, state.issues[:0])
    assert len(bare.lines) == 0
    assert bare.lost >= len(full.lines)


def test_what_the_erp_counts_is_the_stock(lived: tuple[World, list[Week]]) -> None:
    full, *others = lived[1]
    counted = full.records.tables["inventory_levels"]
    assert counted.num_rows == 3 * 800
    known = dict(zip(_cells(counted), counted["on_hand"].to_pylist(), strict=True))
    for week in others:
        rows = week.records.tables["inventory_levels"]
        assert rows.num_rows < 3 * 800
        known.update(zip(_cells(rows), rows["on_hand"].to_pylist(), strict=True))
        assert list(known.values()) == week.after.shelves.on_hand.reshape(-1).tolist()


def _cells(rows: pa.Table) -> list[tuple[int, int]]:
    return list(zip(rows["store_id"].to_pylist(), rows["product_id"].to_pylist(), strict=True))


def test_every_bill_is_the_sum_of_its_till_lines_to_the_cent_tax_included(lived: tuple[World, list[Week]]) -> None:
    kinds: set[str] = set()
    for week in lived[1]:
        lines = week.records.tables["pos_lines"].to_pandas()
        bills = week.records.tables["bills"].to_pandas().set_index("bill_id")
        kinds |= set(lines["line_kind"])
        sign = np.where(lines["line_kind"] == "sale", 1, -1)
        discount = lines["retail_discount_cents"] + lines["coupon_discount_cents"] + lines["match_discount_cents"]
        amounts = {"gross_cents": lines["gross_cents"], "discount_cents": discount, "tax_cents": lines["tax_cents"]}
        for name, amount in amounts.items():
            assert (amount * sign).groupby(lines["basket_id"]).sum().eq(bills[name]).all(), name
        assert lines.groupby("basket_id").size().eq(bills["lines"]).all()
        assert (bills["gross_cents"] - bills["discount_cents"] + bills["tax_cents"]).eq(bills["total_cents"]).all()
        assert len(bills) == lines["basket_id"].nunique()
    assert kinds == {"sale", "return", "void"}


def test_tills_redeem_issues_once_and_never_more_than_face_value_and_price(lived: tuple[World, list[Week]]) -> None:
    tables = [week.records.tables for week in lived[1]]
    redeemed = pa.concat_tables(table["redemptions"] for table in tables).to_pandas()
    issued = pa.concat_tables(table["coupon_issues"] for table in tables).to_pandas().set_index("issue_id")
    coupons = pa.concat_tables(table["coupons"] for table in tables).to_pandas().set_index("coupon_id")
    assert len(redeemed) > 3
    assert redeemed["issue_id"].is_unique
    of = issued.loc[redeemed["issue_id"]]
    assert (of["household_id"].to_numpy() == redeemed["household_id"].to_numpy()).all()
    assert (of["coupon_id"].to_numpy() == redeemed["coupon_id"].to_numpy()).all()
    assert (redeemed["discount_cents"].to_numpy() <= coupons.loc[redeemed["coupon_id"], "face_value_cents"]).all()
    ages = redeemed["redeemed_at"].to_numpy() - of["issued_at"].to_numpy()
    assert (ages < np.timedelta64(14, "D")).all()
    lines = pa.concat_tables(table["pos_lines"] for table in tables)
    assert sum(lines["coupon_discount_cents"].to_pylist()) >= redeemed["discount_cents"].sum()


def test_households_join_and_leave(lived: tuple[World, list[Week]]) -> None:
    big = World(spec(households=2_000, warmup_weeks=3, issue_weeks=0), threads=2)
    found = list(weeks(big))
    joined = [week.records.tables["customers"].num_rows for week in found]
    assert joined[0] >= 2_000
    assert all(count > 0 for count in joined[1:])
    people = big.people(len(found[-1].after.active))
    assert 0 < (people.leaves < 52).mean() < 0.1
