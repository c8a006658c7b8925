"""Shopping of a week, compiled: trips, baskets, categories, products and coupons of a shard of households.

Every draw is keyed by household, trip and category. A household's week reads the home stock and the favourites that it
began with; `absorb` brings both up to date once it is known which of its lines the shelves could serve.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from coupon_pipeline.simulation.keys import draw

SECOND_TRIP, MAIN_STORE = 0.20, 0.74
SIZE_SD, FILL_IN, MAIN_SHOP = 0.75, -1.75, 0.65
LEVEL = 1.75
MOST_EXTRA = 6
VARIETY = 0.1
"""Weight of the favourite beyond the first line of a category in a basket."""
TWO, THREE = 0.165, 0.055
EXPANSION = 0.55
"""Power of the rise in attraction that makes a category bought more often; the rest is switching."""
STOCK_EFFECT, STOCK_PER_UNIT, MOST_UNITS, MOST_STOCK = 0.4, 0.8, 3, 120.0
NEW_FAVOURITE = 0.5
OPENS, OPEN_SECONDS = 7 * 3600, 14 * 3600
TRIP, SECOND, STORE, SIZE, KIND, INCIDENCE, EXTRA, CHOICE, QUANTITY, TIME, FAVOURITE, STOCKPILE = range(12)
STREAMS = ("trip", "second", "store", "size", "kind", "incidence", "extra", "choice", "quantity", "time", "favourite",
           "stockpile")  # fmt: skip
LINE = np.dtype(
    [
        ("household", np.int32),
        ("trip", np.int16),
        ("second", np.int32),
        ("store", np.int16),
        ("category", np.int16),
        ("number", np.int16),
        ("product", np.int32),
        ("quantity", np.int16),
        ("issue", np.int32),
    ]
)
"""A wanted line: household position, trip (2 x day + n), number within trip and category, issue or -1."""


@njit(nogil=True, cache=True)
def shop(streams, people, taste, market, coupons, out):  # noqa: ANN001, ANN201 - compiled; see simulation/setting.py
    """Fill `out` (LINE) with the week's wanted lines; returns how many there are, also where `out` is too short."""
    ids, active, rate, segment, main_store, loyalty, pull = people
    appetite, stock, favourite = taste
    cumulative, regular, regular_mass, starts, tau, more, store_zone, day_weight = market
    offsets, c_category = coupons[0], coupons[1]
    categories, stores, zones = len(starts) - 1, len(store_zone), cumulative.shape[0]
    need = np.empty(categories)
    attraction = np.empty((zones, categories))
    ready = np.zeros(zones, np.bool_)
    coupon_of = np.full(categories, -1, np.int64)
    spent = np.zeros(len(c_category), np.bool_)
    count = 0
    for h in range(len(ids)):
        if not active[h]:
            continue
        key, g, bonus = ids[h], segment[h], loyalty[h] - 1
        ready[:] = False
        _rest(need, stock[h], tau)
        for j in range(offsets[h], offsets[h + 1]):
            coupon_of[c_category[j]] = j
        for day in range(7):
            chance = rate[h] * day_weight[day] * pull[h]
            if draw(streams[TRIP], key, day, 0) >= min(chance, 0.95):
                continue
            trips = 2 if draw(streams[SECOND], key, day, 0) < SECOND_TRIP else 1
            for n in range(trips):
                trip = 2 * day + n
                store = _store(streams[STORE], key, trip, main_store[h], stores)
                zone = store_zone[store]
                table = cumulative[zone, g]
                if not ready[zone]:
                    _attract(attraction[zone], table, regular[g], regular_mass[g], starts, favourite[h], bonus)
                    ready[zone] = True
                where = (h, trip, _moment(streams[TIME], key, day, n, trips), store)
                size = _size(streams, key, trip)
                tastes = (appetite[h], need, attraction[zone], favourite[h], bonus)
                count = _fill(
                    streams, key, where, size, tastes, (table, starts, more), coupon_of, spent, coupons, out, count
                )
        for j in range(offsets[h], offsets[h + 1]):
            coupon_of[c_category[j]] = -1
    return count


@njit(nogil=True, cache=True)
def _rest(need, stock, tau):  # noqa: ANN001, ANN202
    """What home stock leaves of the household's appetite, category by category."""
    for c in range(len(need)):
        need[c] = LEVEL / (1 + STOCK_EFFECT * stock[c] / tau[c])


@njit(nogil=True, cache=True)
def _attract(attraction, table, regular, regular_mass, starts, favourite, bonus):  # noqa: ANN001, ANN202
    """How much the week's prices raise the household's rate, category by category."""
    for c in range(len(attraction)):
        f = favourite[c]
        now = table[starts[c + 1]] - table[starts[c]] + bonus * (table[f + 1] - table[f])
        usual = regular_mass[c] + bonus * regular[f]
        attraction[c] = (now / usual) ** EXPANSION


@njit(nogil=True, cache=True)
def _store(start, key, trip, main_store, stores):  # noqa: ANN001, ANN202
    if draw(start, key, trip, 0) < MAIN_STORE:
        return np.int64(main_store)
    return np.int64(draw(start, key, trip, 1) * stores)


@njit(nogil=True, cache=True)
def _size(streams, key, trip):  # noqa: ANN001, ANN202
    """The size of a basket: a fill-in trip or a main shop, lognormal each (Box-Muller)."""
    radius = math.sqrt(-2 * math.log(draw(streams[SIZE], key, trip, 0)))
    angle = 2 * math.pi * draw(streams[SIZE], key, trip, 1)
    kind = FILL_IN if draw(streams[KIND], key, trip, 0) < 0.5 else MAIN_SHOP
    return math.exp(SIZE_SD * radius * math.cos(angle) + kind)


@njit(nogil=True, cache=True)
def _moment(start, key, day, n, trips):  # noqa: ANN001, ANN202
    """Second of the day; of two trips the second has the later half, so that a day's baskets keep their order."""
    u = draw(start, key, day, 0) + draw(start, key, day, 1 + n)
    return OPENS + np.int64((u / 4 + 0.5 * n if trips == 2 else u / 2) * OPEN_SECONDS)


@njit(nogil=True, cache=True)
def _fill(streams, key, where, size, tastes, market, coupon_of, spent, coupons, out, count):  # noqa: ANN001, ANN202
    """Add the lines of one basket; returns the number of lines so far."""
    appetite, need, attraction, favourite, bonus = tastes
    table, starts, more = market
    _, _, c_first, c_last, c_delta, c_stockpile = coupons
    trip = where[1]
    for c in range(len(need)):
        j, f, first, last = coupon_of[c], favourite[c], starts[c], starts[c + 1]
        rate = appetite[c] * size * need[c] * attraction[c]
        if j >= 0 and not spent[j]:
            extra = bonus * (table[f + 1] - table[f])
            own = table[c_last[j]] - table[c_first[j]] + (extra if c_first[j] <= f < c_last[j] else 0.0)
            whole = table[last] - table[first] + extra
            rate *= (1 + own / whole * (math.exp(c_delta[j]) - 1)) ** EXPANSION
        if draw(streams[INCIDENCE], key, trip, c) >= rate / (1 + rate):
            continue
        number = 0
        while True:
            step = trip * 8 + number
            live = j >= 0 and not spent[j]
            lift = math.exp(c_delta[j]) if live else 1.0
            low, high = (c_first[j], c_last[j]) if live else (first, first)
            # A second line of a category is for variety: the favourite weighs less.
            weight = bonus * (1.0 if number == 0 else VARIETY)
            u = draw(streams[CHOICE], key, step, c)
            product = _chosen(table, first, last, f, weight, low, high, lift, u)
            quantity, issue = _quantity(draw(streams[QUANTITY], key, step, c)), -1
            if live and low <= product < high:
                spent[j] = True
                issue = j
                quantity += 1 if draw(streams[STOCKPILE], key, step, c) < c_stockpile[j] else 0
            if count < len(out):
                line = out[count]
                line.household, line.trip, line.second, line.store = where
                line.category, line.number, line.product = c, number, product
                line.quantity, line.issue = quantity, issue
            count += 1
            number += 1
            if number > MOST_EXTRA or draw(streams[EXTRA], key, trip * 8 + number, c) >= more[c]:
                break
    return count


@njit(inline="always")
def _quantity(u):  # noqa: ANN001, ANN202
    if u < TWO:
        return 2
    return 3 if u < TWO + THREE else 1


@njit(inline="always")
def _chosen(cumulative, first, last, favourite, bonus, low, high, lift, u):  # noqa: ANN001, ANN202
    """The product of a draw: the favourite weighs `bonus` times more, products low..high `lift` times as much."""
    extra = bonus * (cumulative[favourite + 1] - cumulative[favourite])
    if low <= favourite < high:
        extra *= lift
    before = cumulative[low] - cumulative[first]
    own = (cumulative[high] - cumulative[low]) * lift
    after = cumulative[last] - cumulative[high]
    u *= extra + before + own + after
    if u < extra:
        return favourite
    u -= extra
    if u < before:
        target = cumulative[first] + u
    elif u < before + own:
        target = cumulative[low] + (u - before) / lift
    else:
        target = cumulative[high] + (u - before - own)
    a, b = first, last - 1
    while a < b:
        middle = (a + b) // 2
        if cumulative[middle + 1] > target:
            b = middle
        else:
            a = middle + 1
    return a


@njit(nogil=True, cache=True)
def absorb(start, ids, tau, lines, stock, favourite):  # noqa: ANN001, ANN201
    """Bring home stock (days) and favourites up to the end of the week, in place, from the lines that were served."""
    units = np.zeros(stock.shape, np.int16)
    for i in range(len(lines)):
        line = lines[i]
        h, c = line.household, line.category
        units[h, c] += line.quantity
        if draw(start, ids[h], line.trip * 8 + line.number, c) < NEW_FAVOURITE:
            favourite[h, c] = line.product
    for h in range(stock.shape[0]):
        for c in range(stock.shape[1]):
            bought = min(units[h, c], MOST_UNITS)
            left = stock[h, c] + STOCK_PER_UNIT * tau[c] * bought - 7.0
            stock[h, c] = min(max(left, 0.0), MOST_STOCK)


@njit(nogil=True, cache=True)
def substitutes(start, people, market, lines, out):  # noqa: ANN001, ANN201
    """For lines that found an empty shelf: another product of the category, int32 [n], drawn without the favourite."""
    ids, _, _, segment, _, _, _ = people
    cumulative, _, _, starts, _, _, store_zone, _ = market
    for i in range(len(lines)):
        line = lines[i]
        c, h = line.category, line.household
        u = draw(start, ids[h], line.trip * 8 + line.number, c)
        table = cumulative[store_zone[line.store], segment[h]]
        out[i] = _chosen(table, starts[c], starts[c + 1], starts[c], 0.0, starts[c], starts[c], 1.0, u)
