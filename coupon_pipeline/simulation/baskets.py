"""What the tills and the billing system record of a week: lines of baskets, receipts, redemptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.clockwork import instants
from coupon_pipeline.simulation.keys import uniform
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.population import size_at
from coupon_pipeline.simulation.records import SCHEMAS
from coupon_pipeline.simulation.state import Lived

KINDS = np.array(["sale", "return", "void"])
SALE, RETURNED, VOIDED = range(3)
WITHOUT_CARD = 0.01
VOID = 0.003
"""Share of lines that are scanned a second time and voided."""
CLIPPING, PAPER = 0.28, 0.057
"""Share of baskets with a shopper who brought paper coupons, and of their national brands' lines that use one."""
PAPER_CENTS = np.array([25, 35, 40, 50, 55, 75, 100, 150])
MATCHED = 0.2
"""Share of paper coupons that the grocer matches."""
TENDERS = np.array(["card", "cash", "mobile"])
TENDER_BOUNDS = np.array([0.6, 0.9])
TILLS = 6
REDEMPTIONS_FROM = 10**12


@dataclass(frozen=True)
class Till:
    """Till lines as arrays [n], basket by basket; `first` [b] is where each basket begins."""

    columns: dict[str, np.ndarray]
    first: np.ndarray
    issue: np.ndarray
    """int64 [n]: position of the redeemed issue, -1 without."""


def till_tables(world: World, lived: Lived) -> dict[str, pa.Table]:
    """The tables pos_lines, bills and redemptions of a week."""
    discount = dict(zip(*discounts(world, lived), strict=True))
    parts: dict[str, list[pa.Table]] = {"pos_lines": [], "bills": [], "redemptions": []}
    # Store by store, so that memory does not grow with the chain.
    for store in range(world.spec.stores):
        lines, back = (rows[rows["store"] == store] for rows in (lived.lines, lived.returns))
        till = _till(world, lived, lines, back, discount)
        schema = SCHEMAS["pos_lines"]
        parts["pos_lines"].append(pa.table([till.columns[name] for name in schema.names], schema))
        parts["bills"].append(_bills(world, lived, till))
        parts["redemptions"].append(_redemptions(world, lived, till))
    tables = {name: pa.concat_tables(found) for name, found in parts.items()}
    return {
        **tables,
        "bills": tables["bills"].sort_by("bill_id"),
        "redemptions": tables["redemptions"].sort_by("redemption_id"),
    }


def margins(world: World, lived: Lived) -> np.ndarray:
    """What each household brought, float64 cents [H]: prices paid less unit costs and the store's discounts."""
    lines = lived.lines
    zone = world.catalogue.store_zone[lines["store"]]
    unit = lived.shelf[zone, lines["product"]] - lived.cost[zone, lines["product"]]
    earned = np.bincount(lines["household"], unit * lines["quantity"], minlength=0)
    redeemed, discount = discounts(world, lived)
    share = np.array([world.wave(int(w)).store_share[c] for w, c in lived.issues[["week", "coupon"]][redeemed]])
    size = max(len(earned), int(lived.issues["household"].max(initial=-1)) + 1)
    paid = np.bincount(lived.issues["household"][redeemed], discount * share, minlength=size) if len(redeemed) else 0.0
    return np.pad(earned, (0, size - len(earned))) - paid


def discounts(world: World, lived: Lived) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the issues that were redeemed, int64 [r], and the cents taken off, float64 [r].

    The face value once, on the first line that qualifies, and never more than the price of one unit.
    """
    lines = lived.lines[lived.lines["issue"] >= 0]
    lines = lines[lived.issues["presents"][lines["issue"]]]
    zone = world.catalogue.store_zone[lines["store"]]
    issues = lived.issues[lines["issue"]]
    face = np.array([world.wave(int(one["week"])).face_cents[one["coupon"]] for one in issues], float)
    return lines["issue"].astype(np.int64), np.minimum(face, lived.shelf[zone, lines["product"]])


def _till(world: World, lived: Lived, lines: np.ndarray, back: np.ndarray, discount: Mapping[int, float]) -> Till:
    """What one store's tills record of its lines (LINE) and of the lines that come back (RETURN)."""
    week = lived.week
    zone = world.catalogue.store_zone[lines["store"]]
    keys = people_ids(lines), lines["trip"] * 8 + lines["number"], lines["category"]
    voided = np.flatnonzero(uniform(world.luck("void", week), *keys) < VOID)
    # A scan too many and its void stand behind the line that was meant, in the same basket.
    picked = np.concatenate([np.arange(len(lines)), voided, voided])
    kind = np.concatenate([np.full(len(lines), SALE), np.full(len(voided), SALE), np.full(len(voided), VOIDED)])
    sold = lines[picked]
    issue = np.where(np.arange(len(picked)) < len(lines), sold["issue"].astype(np.int64), -1)
    with_coupon = np.flatnonzero(issue >= 0)
    issue[with_coupon[~lived.issues["presents"][issue[with_coupon]]]] = -1
    back_keys = people_ids(back), back["store"], back["trip"]
    day = (uniform(world.luck("return day", week), *back_keys) * 7).astype(int)

    def both(name: str) -> np.ndarray:
        return np.concatenate([sold[name], back[name]]).astype(np.int64)

    rank = np.concatenate([np.zeros(len(lines)), np.ones(len(voided)), np.full(len(voided), 2), np.zeros(len(back))])
    table = {
        "household": both("household"),
        "store": both("store"),
        "product": both("product"),
        "quantity": both("quantity"),
        "category": both("category"),
        "number": both("number"),
        "day": np.concatenate([sold["trip"] // 2, day]).astype(np.int64),
        "second": np.concatenate([sold["second"], np.full(len(back), 10 * 3600) + 600 * day]).astype(np.int64),
        "trip": np.concatenate([sold["trip"], 20 + back["trip"]]).astype(np.int64),
        "kind": np.concatenate([kind, np.full(len(back), RETURNED)]).astype(np.int64),
        "regular": np.concatenate([lived.regular[zone, lines["product"]][picked], back["regular"]]).astype(np.int64),
        "shelf": np.concatenate([lived.shelf[zone, lines["product"]][picked], back["shelf"]]).astype(np.int64),
        "issue": np.concatenate([issue, np.full(len(back), -1)]),
        "rank": rank,
    }
    order = np.lexsort([table[name] for name in ("rank", "number", "category", "trip", "household", "second", "day")])
    return _booked(world, lived, {name: values[order] for name, values in table.items()}, discount)


def people_ids(rows: dict[str, np.ndarray] | np.ndarray) -> np.ndarray:
    """Household ids of rows that hold positions."""
    return np.asarray(rows["household"]).astype(np.int64) + 1


def _booked(world: World, lived: Lived, rows: dict[str, np.ndarray], discount: Mapping[int, float]) -> Till:
    """Rows in till order with receipt numbers, money and instants."""
    spec, week = world.spec, lived.week
    ids = people_ids(rows)
    changes = [np.diff(rows[name]) != 0 for name in ("day", "household", "trip")]
    begins = np.concatenate([np.ones(min(len(ids), 1), bool), np.logical_or.reduce(changes)])
    first = np.flatnonzero(begins)
    basket = np.cumsum(begins) - 1
    opens = np.searchsorted(rows["day"][first], np.arange(7))
    sequence = np.arange(len(first)) - opens[rows["day"][first]]
    number = 7 * week + rows["day"][first] + 1
    receipt = (number * 1_000 + rows["store"][first] + 1) * 10_000 + sequence + 1
    trip_keys = ids[first], rows["trip"][first]
    used = np.bincount(basket, rows["issue"] >= 0, minlength=len(first)) > 0
    people = world.people(size_at(spec, week))
    shown = uniform(world.luck("card", week), *trip_keys) >= WITHOUT_CARD
    card = (shown & (people.erases[ids[first] - 1] > week)) | used
    money = _money(world, lived, rows, discount)
    columns = {
        "basket_id": receipt[basket],
        "line": (np.arange(len(ids)) - first[basket] + 1).astype(np.int32),
        "store_id": rows["store"] + 1,
        "till_id": 1 + (uniform(world.luck("till", week), *trip_keys) * TILLS).astype(np.int64)[basket],
        "household_id": pa.array(ids, mask=~card[basket]),
        "product_id": product_ids(rows["product"]),
        "line_kind": KINDS[rows["kind"]],
        "quantity": rows["quantity"],
        **money,
        "sold_at": instants(spec.monday(week), rows["day"], rows["second"], spec.timezone),
    }
    return Till(columns, first, rows["issue"])


def product_ids(products: np.ndarray) -> np.ndarray:
    """The catalogue's numbers of product positions."""
    return np.asarray(products).astype(np.int64) + 1_000_001


def _money(
    world: World, lived: Lived, rows: dict[str, np.ndarray], discount: Mapping[int, float]
) -> dict[str, np.ndarray]:
    catalogue, week, ids = world.catalogue, lived.week, people_ids(rows)
    keys = ids, rows["trip"] * 8 + rows["number"], rows["category"]
    gross = rows["regular"] * rows["quantity"]
    promo = (rows["regular"] - rows["shelf"]) * rows["quantity"]
    coupon = np.zeros(len(ids), np.int64)
    redeems = np.flatnonzero(rows["issue"] >= 0)
    coupon[redeems] = [int(discount[issue]) for issue in rows["issue"][redeems]]
    national = ~catalogue.private[rows["product"]]
    paper = national & (rows["kind"] == SALE) & (rows["rank"] == 0) & (rows["issue"] < 0)
    paper &= uniform(world.luck("clipping", week), ids, rows["trip"]) < CLIPPING
    paper &= uniform(world.luck("paper", week), *keys) < PAPER
    value = PAPER_CENTS[(uniform(world.luck("paper value", week), *keys) * len(PAPER_CENTS)).astype(int)]
    coupon = np.where(paper, np.minimum(value, gross - promo), coupon)
    matched = paper & (uniform(world.luck("match", week), *keys) < MATCHED)
    match = np.where(matched, np.minimum(coupon, gross - promo - coupon), 0)
    rate = catalogue.tax_bp[catalogue.category[rows["product"]]]
    return {
        "gross_cents": gross,
        "retail_discount_cents": promo,
        "coupon_discount_cents": coupon,
        "match_discount_cents": match,
        "tax_cents": ((gross - promo) * rate + 5_000) // 10_000,
    }


def _bills(world: World, lived: Lived, till: Till) -> pa.Table:
    columns, first = till.columns, till.first
    sign = np.where(columns["line_kind"] == "sale", 1, -1)

    def total(*names: str) -> np.ndarray:
        amounts = sign * sum(columns[name] for name in names)
        return np.add.reduceat(amounts, first) if len(first) else np.empty(0, np.int64)

    gross, tax = total("gross_cents"), total("tax_cents")
    discount = total("retail_discount_cents", "coupon_discount_cents", "match_discount_cents")
    u = uniform(world.luck("tender", lived.week), columns["basket_id"][first])
    rows = {
        "bill_id": columns["basket_id"][first],
        "store_id": columns["store_id"][first],
        "household_id": columns["household_id"].take(pa.array(first)),
        "lines": np.diff(np.r_[first, len(sign)]),
        "gross_cents": gross,
        "discount_cents": discount,
        "tax_cents": tax,
        "total_cents": gross - discount + tax,
        "tender": TENDERS[np.searchsorted(TENDER_BOUNDS, u)],
        "issued_at": columns["sold_at"][first],
    }
    return pa.table([rows[name] for name in SCHEMAS["bills"].names], SCHEMAS["bills"])


def _redemptions(world: World, lived: Lived, till: Till) -> pa.Table:
    at = np.flatnonzero(till.issue >= 0)
    issues, columns = lived.issues[till.issue[at]], till.columns
    coupons = [world.wave(int(one["week"])).coupon_ids[one["coupon"]] for one in issues]
    rows = {
        "redemption_id": REDEMPTIONS_FROM + issues["issue_id"],
        "issue_id": issues["issue_id"],
        "coupon_id": np.array(coupons, np.int64),
        "household_id": people_ids(issues),
        "basket_id": columns["basket_id"][at],
        "store_id": columns["store_id"][at],
        "discount_cents": columns["coupon_discount_cents"][at],
        "redeemed_at": columns["sold_at"][at],
    }
    return pa.table([rows[name] for name in SCHEMAS["redemptions"].names], SCHEMAS["redemptions"])
