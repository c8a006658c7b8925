"""Shelf stock of every store: what the shelves can serve, deliveries, waste, weekly review and orders to suppliers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coupon_pipeline.simulation.catalogue import Catalogue
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.spec import ChainSpec
from coupon_pipeline.simulation.structured import blank

COVER_WEEKS, SAFETY = 3.0, 2.5
SMOOTHING = 0.8
LATE, SHORT = 0.05, 0.04
"""Shares of orders that come a week late, and of order lines that come short."""
WASTE = 0.03
"""Mean weekly share of perishable stock that is thrown away."""
ORDER = np.dtype(
    [
        ("order_id", np.int64),
        ("line", np.int32),
        ("supplier", np.int32),
        ("store", np.int16),
        ("product", np.int32),
        ("ordered", np.int32),
        ("received", np.int32),
        ("placed", np.int32),
        ("due", np.int32),
        ("arrives", np.int32),
        ("cost", np.int64),
    ]
)
"""An order line; `placed`, `due` and `arrives` are weeks, deliveries come before the first sale of theirs."""


@dataclass(frozen=True)
class Shelves:
    """Stock at the start of a week: int32 [S, P] units, float32 [S, P] expected weekly sales, open orders (ORDER)."""

    on_hand: np.ndarray
    on_order: np.ndarray
    rate: np.ndarray
    orders: np.ndarray


@dataclass(frozen=True)
class Movements:
    """A week's stock, int32 [S, P] each: opening + received + returned - sold - waste = closing."""

    opening: np.ndarray
    received: np.ndarray
    returned: np.ndarray
    sold: np.ndarray
    waste: np.ndarray
    closing: np.ndarray
    deliveries: np.ndarray
    """ORDER: lines that came in this week."""
    placed: np.ndarray
    """ORDER: lines that were ordered at the end of this week."""


def start(spec: ChainSpec, catalogue: Catalogue, expected: np.ndarray) -> Shelves:
    """Full shelves for an expected weekly sale per product, float64 [P], spread evenly over the stores."""
    rate = np.tile((expected / spec.stores).astype(np.float32), (spec.stores, 1))
    return Shelves(_target(rate), np.zeros_like(rate, np.int32), rate, blank(0, ORDER))


def receive(shelves: Shelves, week: int) -> tuple[Shelves, np.ndarray]:
    """Put what arrives in a week on the shelves; returns the delivered lines too."""
    here = shelves.orders["arrives"] <= week
    came = shelves.orders[here]
    on_hand, on_order = shelves.on_hand.copy(), shelves.on_order.copy()
    np.add.at(on_hand, (came["store"], came["product"]), came["received"])
    np.subtract.at(on_order, (came["store"], came["product"]), came["ordered"])
    return replace(shelves, on_hand=on_hand, on_order=on_order, orders=shelves.orders[~here]), came


def serve(on_hand: np.ndarray, lines: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Units of each wanted line that the shelves can give, int16 [n], first come first served.

    Takes them off `on_hand`. Who comes first is settled by day, second and household id: never by a position.
    """
    stores, products = on_hand.shape
    cell = lines["store"].astype(np.int64) * products + lines["product"]
    wanted = np.bincount(cell, lines["quantity"], minlength=stores * products).astype(np.int64)
    served = lines["quantity"].copy()
    stock = on_hand.reshape(-1)
    scarce = np.flatnonzero((wanted > stock)[cell])
    if scarce.size:
        some = lines[scarce]
        order = np.lexsort(
            [some["number"], some["category"], ids[some["household"]], some["second"], some["trip"], cell[scarce]]
        )
        rows = scarce[order]
        cells, quantity = cell[rows], lines["quantity"][rows].astype(np.int64)
        before = np.cumsum(quantity) - quantity
        first = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
        before -= np.repeat(before[first], np.diff(np.r_[first, len(cells)]))
        served[rows] = np.clip(stock[cells] - before, 0, quantity)
    stock -= np.bincount(cell, served, minlength=stores * products).astype(np.int32)
    return served


def close(
    spec: ChainSpec,
    catalogue: Catalogue,
    shelves: Shelves,
    deliveries: np.ndarray,
    opening: np.ndarray,
    sold: np.ndarray,
    returned: np.ndarray,
    cost: np.ndarray,
    week: int,
) -> tuple[Shelves, Movements]:
    """End a week: returns go back, perishables go off, what sold is learned, and orders are placed.

    `shelves` holds what is left after sales, `opening` what was there before deliveries; all [S, P]. `cost` is the unit
    cost in cents, [P].
    """
    left = shelves.on_hand + returned
    waste = _waste(spec, catalogue, left, week)
    closing = left - waste
    rate = (SMOOTHING * shelves.rate + (1 - SMOOTHING) * sold).astype(np.float32)
    placed = _orders(spec, catalogue, closing + shelves.on_order, rate, cost, week)
    on_order = shelves.on_order.copy()
    np.add.at(on_order, (placed["store"], placed["product"]), placed["ordered"])
    received = np.zeros_like(closing)
    np.add.at(received, (deliveries["store"], deliveries["product"]), deliveries["received"])
    after = Shelves(closing, on_order, rate, np.concatenate([shelves.orders, placed]))
    return after, Movements(opening, received, returned, sold, waste, closing, deliveries, placed)


def _target(rate: np.ndarray) -> np.ndarray:
    cover = COVER_WEEKS * rate
    return (cover + SAFETY * np.sqrt(cover) + 2).astype(np.int32)


def _waste(spec: ChainSpec, catalogue: Catalogue, stock: np.ndarray, week: int) -> np.ndarray:
    goes_off = np.flatnonzero(catalogue.perishable[catalogue.category])
    u = uniform(stream(spec.seed, f"waste/{week}"), np.arange(spec.stores)[:, None], goes_off[None, :])
    waste = np.zeros_like(stock)
    # A unit more or less is settled by the draw, so that the mean is right where stock is small.
    waste[:, goes_off] = np.minimum(stock[:, goes_off], np.floor(WASTE * stock[:, goes_off] + u))
    return waste


def _orders(
    spec: ChainSpec, catalogue: Catalogue, position: np.ndarray, rate: np.ndarray, cost: np.ndarray, week: int
) -> np.ndarray:
    missing = _target(rate) - position
    store, product = np.nonzero(missing >= 2)
    lines = blank(len(store), ORDER)
    supplier = catalogue.supplier_id[product]
    order = np.lexsort([product, supplier, store])
    store, product, supplier = store[order], product[order], supplier[order]
    quantity = missing[store, product]
    lines["store"], lines["product"], lines["supplier"], lines["ordered"] = store, product, supplier, quantity
    # Weeks of the burn-in are negative; ids are not.
    lines["order_id"] = ((week + 1_000) * 1_000 + store + 1) * 10_000 + supplier
    first = np.flatnonzero(np.r_[True, lines["order_id"][1:] != lines["order_id"][:-1]]) if len(lines) else []
    lines["line"] = 1 + np.arange(len(lines)) - np.repeat(first, np.diff(np.r_[first, len(lines)]).astype(int))
    late = uniform(stream(spec.seed, "late order"), lines["order_id"]) < LATE
    short = uniform(stream(spec.seed, "short line"), lines["order_id"], lines["line"])
    part = np.floor(quantity * (0.5 + 0.45 * short / SHORT))
    lines["received"] = np.where(short < SHORT, part, quantity)
    lines["placed"] = week
    lines["cost"] = cost[product]
    lines["due"] = week + 1 + catalogue.lead_weeks[product]
    lines["arrives"] = lines["due"] + late
    return lines
