"""What the ERP records of a week: the catalogue, prices, the promotion plan, stock counts and purchase orders."""

from __future__ import annotations

from datetime import time, timedelta

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation import prices
from coupon_pipeline.simulation.baskets import product_ids
from coupon_pipeline.simulation.clockwork import instant
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.records import SCHEMAS
from coupon_pipeline.simulation.shelves import Movements
from coupon_pipeline.simulation.state import Lived, State

FORMATS = ("hypermarket", "supermarket", "supermarket", "convenience")
FULL_COUNT_EVERY = 13
"""Weeks between counts of every cell; in between only changed cells are reported."""
SIZES = (("OZ", 0.6, 4, 64), ("LB", 0.12, 1, 10), ("CT", 0.12, 1, 48), ("ML", 0.1, 100, 2_000), ("LTR", 0.06, 1, 3))
NO_SIZE = 0.331
"""Share of products whose catalogue entry has no package size."""
COUNTED, ORDERED, RECEIVED, PUBLISHED = time(23), time(21), time(5), time(18)


def supply_tables(world: World, before: State, lived: Lived, after: State) -> dict[str, pa.Table]:
    """The ERP's tables of a week, from the states at its start and at its end."""
    first = lived.week == 0
    tables = {
        "stores": _stores(world) if first else SCHEMAS["stores"].empty_table(),
        "products": _products(world) if first else SCHEMAS["products"].empty_table(),
        "prices": _prices(world, before, after, first),
        "promotion_plan": _plan(world, before, first),
    }
    if lived.movements is None:
        raise ValueError("a week without shelf stock has nothing that an ERP could record")
    tables["inventory_levels"] = _counts(world, lived.movements, after, lived.week)
    tables["purchase_orders"] = _orders(world, lived.movements, lived.week)
    return tables


def _table(table: str, /, **columns: np.ndarray | pa.Array | list[str] | list[str | None]) -> pa.Table:
    schema = SCHEMAS[table]
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema)


def _at(world: World, week: int, day: int, at: time) -> np.datetime64:
    return instant(world.spec.monday(week) + timedelta(days=day), at, world.spec.timezone)


def _stores(world: World) -> pa.Table:
    numbers = np.arange(world.spec.stores)
    zones = world.catalogue.store_zone + 1
    return _table(
        "stores",
        store_id=numbers + 1,
        region=[f"zone-{zone}" for zone in zones],
        format=[FORMATS[number % len(FORMATS)] for number in numbers],
        price_zone=zones,
        changed_at=np.full(len(numbers), _at(world, 0, 0, time(0, 1))),
    )


def _products(world: World) -> pa.Table:
    spec, catalogue = world.spec, world.catalogue
    positions = np.arange(spec.products)
    category = catalogue.category
    names, departments = np.array(catalogue.names), np.array(catalogue.departments)
    subcategories = [catalogue.subcategories[c][s] for c, s in zip(category, catalogue.subcategory, strict=True)]
    brands = [
        "HOUSE BRAND" if brand == 0 else f"BRAND {supplier}"
        for brand, supplier in zip(catalogue.brand, catalogue.supplier_id, strict=True)
    ]
    return _table(
        "products",
        product_id=product_ids(positions),
        name=[f"{brand} {kind} {n}" for brand, kind, n in zip(brands, subcategories, positions + 1, strict=True)],
        brand=brands,
        brand_type=np.where(catalogue.private, "private", "national"),
        department=departments[category],
        category=names[category],
        subcategory=subcategories,
        supplier_id=catalogue.supplier_id,
        package_size=_package_sizes(world, positions),
        changed_at=np.full(spec.products, _at(world, 0, 0, time(0, 1))),
    )


def _package_sizes(world: World, positions: np.ndarray) -> list[str | None]:
    u, size = (uniform(stream(world.spec.seed, name), positions) for name in ("package", "package size"))
    bounds = np.cumsum([share for _, share, _, _ in SIZES])
    kinds = np.minimum(np.searchsorted(bounds, (u - NO_SIZE) / (1 - NO_SIZE)), len(SIZES) - 1)
    found: list[str | None] = []
    for place, (kind, missing) in enumerate(zip(kinds, u < NO_SIZE, strict=True)):
        unit, _, low, high = SIZES[kind]
        number = low + size[place] ** 2 * (high - low)
        found.append(None if missing else f"{number:.0f} {unit}" if place % 3 else f"{number:.1f}{unit}")
    return found


def _prices(world: World, before: State, after: State, first: bool) -> pa.Table:
    """In the first week everything, later what next Monday's prices and costs change."""
    old, new = before.prices, after.prices
    changed = np.ones_like(old.regular, bool) if first else (old.regular != new.regular) | (old.cost != new.cost)
    now = old if first else new
    product, zone = (axis.ravel() for axis in np.nonzero(changed.T))
    week = before.week if first else after.week
    known = _at(world, 0, 0, time(0, 1)) if first else _at(world, before.week, 3, PUBLISHED)
    return _table(
        "prices",
        product_id=product_ids(product),
        price_zone=zone + 1,
        valid_from=np.full(len(product), np.datetime64(world.spec.monday(week))),
        shelf_price_cents=now.regular[zone, product].astype(np.int64),
        unit_cost_cents=now.cost[zone, product].astype(np.int64),
        changed_at=np.full(len(product), known),
    )


def _plan(world: World, before: State, first: bool) -> pa.Table:
    """The promotions of the week after next; in the first week those of all weeks that are planned."""
    ahead = range(prices.AHEAD + 1) if first else (prices.AHEAD,)
    known = _at(world, before.week, 0, time(0, 1)) if first else _at(world, before.week, 3, PUBLISHED)
    parts = []
    for n in ahead:
        week = before.week + n
        promoted = before.prices.promoted[n]
        price = prices.promotion_prices(world.spec, before.prices.regular, promoted, week)
        display, mailer = prices.places(world.spec, promoted, week)
        product, zone = np.nonzero(promoted.T)
        parts.append(
            _table(
                "promotion_plan",
                product_id=product_ids(product),
                price_zone=zone + 1,
                promo_week=np.full(len(product), np.datetime64(world.spec.monday(week))),
                display=np.array(["none", *prices.DISPLAYS])[display[zone, product]],
                mailer=np.array(["none", *prices.MAILERS])[mailer[zone, product]],
                promo_price_cents=price[zone, product].astype(np.int64),
                changed_at=np.full(len(product), known),
            )
        )
    keys = [("product_id", "ascending"), ("price_zone", "ascending"), ("promo_week", "ascending")]
    return pa.concat_tables(parts).combine_chunks().sort_by(keys) if len(parts) > 1 else parts[0]


def _counts(world: World, moved: Movements, after: State, week: int) -> pa.Table:
    changed = np.zeros(moved.closing.shape, bool)
    if week % FULL_COUNT_EVERY == 0:
        changed[:] = True
    else:
        for units in (moved.received, moved.returned, moved.sold, moved.waste):
            changed |= units != 0
        changed[moved.placed["store"], moved.placed["product"]] = True
    store, product = np.nonzero(changed)
    counted = _at(world, week, 6, COUNTED)
    return _table(
        "inventory_levels",
        store_id=store + 1,
        product_id=product_ids(product),
        counted_at=np.full(len(store), counted),
        on_hand=moved.closing[store, product].astype(np.int64),
        on_order=after.shelves.on_order[store, product].astype(np.int64),
        changed_at=np.full(len(store), counted + np.timedelta64(600, "s")),
    )


def _orders(world: World, moved: Movements, week: int) -> pa.Table:
    """One row when a line is ordered, another when it is received."""
    lines = np.concatenate([moved.placed, moved.deliveries])
    is_new = np.arange(len(lines)) < len(moved.placed)
    weeks = np.unique(np.concatenate([lines["placed"], lines["due"]]))
    ordered = {n: _at(world, int(n), 6, ORDERED) for n in weeks}
    due = {n: _at(world, int(n), 0, RECEIVED) for n in weeks}
    received = _at(world, week, 0, RECEIVED)
    changed = np.where(is_new, _at(world, week, 6, ORDERED), received + np.timedelta64(3600, "s"))
    table = _table(
        "purchase_orders",
        order_id=lines["order_id"],
        line=lines["line"],
        supplier_id=lines["supplier"].astype(np.int64),
        store_id=lines["store"].astype(np.int64) + 1,
        product_id=product_ids(lines["product"]),
        ordered_at=np.array([ordered[n] for n in lines["placed"]], "datetime64[us]"),
        due_at=np.array([due[n] for n in lines["due"]], "datetime64[us]"),
        received_at=pa.array(np.full(len(lines), received), mask=is_new),
        quantity_ordered=lines["ordered"].astype(np.int64),
        quantity_received=pa.array(lines["received"].astype(np.int64), mask=is_new),
        unit_cost_cents=lines["cost"],
        changed_at=changed,
    )
    return table.sort_by([("order_id", "ascending"), ("line", "ascending"), ("changed_at", "ascending")])
