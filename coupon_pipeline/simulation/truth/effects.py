"""What every coupon of a wave would bring from every household, in closed form: for the response form `logit`.

Trips are near Poisson, incidence and choice are logits, so that the expectation over basket sizes is a sum over 14
quadrature points. The first week counts from the home stock at issue, the second one from its expectation, and the
coupon is at work as long as it is not used. Empty shelves are left out: twin worlds have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupon_pipeline.simulation import market, prices, shopping, waves
from coupon_pipeline.simulation.living import LAPSE, REVIVE, World
from coupon_pipeline.simulation.state import State

UNITS = 1 + shopping.TWO + 2 * shopping.THREE
"""Mean units of a line."""
ISSUE_COST_CENTS = 0.2


class NoClosedFormError(ValueError):
    """A response form whose truth only twin worlds tell."""


@dataclass(frozen=True)
class Effects:
    """Expectations over a coupon's life, float64 [H, J], in cents or probabilities."""

    margin: np.ndarray
    """Incremental margin: what the household brings more because of the coupon, less the store's cost of it."""
    payout: np.ndarray
    """Discount given at the till, whoever pays for it: what a budget counts."""
    redemption: np.ndarray
    """Probability that the coupon is redeemed."""


@dataclass(frozen=True)
class _Week:
    """One week of the horizon: weights and margins summed over products, [Z, G, P + 1], and trips [H]."""

    weights: np.ndarray
    margins: np.ndarray
    shelf: np.ndarray
    trips: np.ndarray


@dataclass(frozen=True)
class _Category:
    """A category as all households see it in one week and zone: arrays [H]."""

    level: np.ndarray
    """Rate at basket size 1, before need and coupon."""
    mass: np.ndarray
    margin: np.ndarray
    """Mean margin of a unit."""
    extra: np.ndarray
    """Weight of the favourite beyond its own."""
    favourite_margin: np.ndarray


def effects(world: World, state: State, wave: waves.Wave) -> Effects:
    """The effects of issuing each coupon of a wave to each household at the start of the state's week.

    Raises NoClosedFormError for a response form without one.
    """
    if world.spec.form != "logit":
        raise NoClosedFormError(f"the form {world.spec.form!r} has no closed form: use truth.twins")
    horizon = _Horizon(world, state)
    shape = len(state.active), len(wave.coupon_ids)
    found = Effects(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    for j in range(shape[1]):
        found.margin[:, j], found.payout[:, j], found.redemption[:, j] = horizon.coupon(wave, j)
    return found


class _Horizon:
    """Two weeks from a state, as every household expects them."""

    def __init__(self, world: World, state: State) -> None:
        self.world, self.state = world, state
        self.people = world.people(len(state.active))
        self.appetite = world.appetite(len(state.active)).astype(float)
        self.points, self.weights = market.size_points()
        catalogue = world.catalogue
        zones = np.arange(world.spec.zones)
        anywhere = np.bincount(catalogue.store_zone, minlength=len(zones)) / len(catalogue.store_zone)
        own = catalogue.store_zone[self.people.main_store][:, None] == zones
        self.zone_share = shopping.MAIN_STORE * own + (1 - shopping.MAIN_STORE) * anywhere
        later = prices.advance(world.spec, catalogue, state.prices, state.week + 1)
        self.weeks = [self._week(state.week, state.prices, 0), self._week(state.week + 1, later, 1)]
        self.categories: dict[tuple[int, int, int], _Category] = {}
        self.usual = [sum(self._base(c, n)[0] for c in range(world.spec.categories)) for n in (0, 1)]

    def _week(self, week: int, now: prices.PriceState, number: int) -> _Week:
        world, state = self.world, self.state
        spec, catalogue = world.spec, world.catalogue
        shelf = prices.promotion_prices(spec, now.regular, now.promoted[0], week)
        running = market.cumulative(world.tastes, catalogue, now.regular, shelf)
        margins = np.diff(running, axis=2) * (shelf - now.cost)[:, None, :]
        active = np.where(state.active, 1 - LAPSE, REVIVE) if number else state.active.astype(float)
        days = market.DAY_WEIGHTS * market.season(week)
        daily = np.minimum(self.people.trip_rate[:, None] * days, 0.95).sum(axis=1)
        trips = daily * (1 + shopping.SECOND_TRIP) * active * self.people.shops(week)
        summed = np.concatenate([np.zeros((*margins.shape[:2], 1)), np.cumsum(margins, axis=2)], axis=2)
        return _Week(running, summed, shelf, trips)

    def category(self, c: int, number: int, zone: int) -> _Category:
        """A category in one week and zone."""
        key = c, number, zone
        if key not in self.categories:
            world, week = self.world, self.weeks[number]
            g, loyalty = self.people.segment, self.people.loyalty
            first, last = world.catalogue.starts[c], world.catalogue.starts[c + 1]
            favourite = self.state.favourite[:, c]
            weights, margins = week.weights[zone], week.margins[zone]
            own = weights[g, favourite + 1] - weights[g, favourite]
            favourite_margin = (margins[g, favourite + 1] - margins[g, favourite]) / own
            extra = (loyalty - 1) * own
            mass = weights[g, last] - weights[g, first] + extra
            regular = world.tastes.regular_mass[g, c] + (loyalty - 1) * world.tastes.regular[g, favourite]
            margin = (margins[g, last] - margins[g, first] + extra * favourite_margin) / mass
            level = self.appetite[:, c] * shopping.LEVEL * (mass / regular) ** shopping.EXPANSION
            self.categories[key] = _Category(level, mass, margin, extra, favourite_margin)
        return self.categories[key]

    def incidence(self, rate: np.ndarray) -> np.ndarray:
        """Chance that a trip buys a category whose rate at basket size 1 is given, over the sizes of baskets."""
        found = np.zeros_like(rate)
        for m, w in zip(self.points, self.weights, strict=True):
            found += w * rate * m / (1 + rate * m)
        return found

    def need(self, c: int, stock: np.ndarray) -> np.ndarray:
        """How much a home stock in days damps the rate."""
        return 1 / (
            1 + shopping.STOCK_EFFECT * np.clip(stock, 0, shopping.MOST_STOCK) / self.world.catalogue.tau_days[c]
        )

    def later_need(self, c: int, bought: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Expected need a week later: with chance `bought` [H] the household has stored `units`, else nothing."""
        stock = self.state.stock[:, c].astype(float) - 7
        stored = shopping.STOCK_PER_UNIT * self.world.catalogue.tau_days[c] * np.minimum(units, shopping.MOST_UNITS)
        return (1 - bought) * self.need(c, stock) + bought * self.need(c, stock + stored)

    def _base(self, c: int, number: int, need: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Margin and purchases (trips that buy) of a category in a week without a coupon, [H] each."""
        if need is None:
            need = self.need(c, self.state.stock[:, c].astype(float))
            if number:
                need = self.later_need(c, *self._stored(c, self._base(c, 0)[1]))
        margin, buys = np.zeros(len(self.people.ids)), np.zeros(len(self.people.ids))
        for zone in range(self.zone_share.shape[1]):
            seen = self.category(c, number, zone)
            rate = self.weeks[number].trips * self.zone_share[:, zone] * self.incidence(seen.level * need)
            buys += rate
            margin += rate * self.often(c) * UNITS * seen.margin
        return margin, buys

    def often(self, c: int) -> float:
        """Mean lines where a category is bought, but for the cut after the seventh."""
        return 1 / (1 - float(self.world.catalogue.more[c]))

    def _stored(self, c: int, buys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chance that a category is bought in a week, and units if it is."""
        bought = 1 - np.exp(-buys)
        return bought, self.often(c) * UNITS * buys / np.maximum(bought, 1e-12)

    def _with_coupon(
        self, wave: waves.Wave, j: int, number: int, need: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """While a noticed coupon is unused: margin, trips that buy, uses, and discount per use, [H] each."""
        c, a, b = int(wave.category[j]), int(wave.first[j]), int(wave.last[j])
        more = float(self.world.catalogue.more[c])
        g, favourite, week = self.people.segment, self.state.favourite[:, c], self.weeks[number]
        delta = market.coupon_delta(
            "logit",
            self.world.tastes.beta[g, c],
            self.people.salience,
            np.full(len(g), wave.depth[j]),
            np.zeros(len(g)),
        )
        lift, inside = np.exp(delta), (a <= favourite) & (favourite < b)
        margin, buys, uses, paid = (np.zeros(len(g)) for _ in range(4))
        for zone in range(self.zone_share.shape[1]):
            seen = self.category(c, number, zone)
            weights, margins = week.weights[zone], week.margins[zone]
            own = weights[g, b] - weights[g, a] + inside * seen.extra
            own_margin = margins[g, b] - margins[g, a] + inside * seen.extra * seen.favourite_margin
            share = own / seen.mass
            rise = 1 + share * (lift - 1)
            chosen = share * lift / rise
            rate = week.trips * self.zone_share[:, zone]
            rate = rate * self.incidence(seen.level * need * rise**shopping.EXPANSION)
            rest = (seen.margin * seen.mass - own_margin) / np.maximum(seen.mass - own, 1e-12)
            again = 1 - more * (1 - chosen)
            value = chosen * (own_margin / own + more * self.often(c) * seen.margin) + (1 - chosen) * rest
            use = rate * chosen / again
            margin += rate * UNITS * value / again
            buys += rate
            uses += use
            price = np.minimum(week.shelf[zone, a:b], wave.face_cents[j])
            pieces = np.diff(weights[:, a : b + 1], axis=1)
            mean = (pieces @ price / pieces.sum(axis=1))[g]
            top = np.minimum(week.shelf[zone, favourite], wave.face_cents[j])
            weight = np.where(inside, seen.extra / own, 0.0)
            paid += use * ((1 - weight) * mean + weight * top)
        return margin, buys, uses, paid / np.maximum(uses, 1e-300)

    def coupon(self, wave: waves.Wave, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Incremental margin, payout and probability of redemption of one coupon, [H] each."""
        c, people = int(wave.category[j]), self.people
        pull = np.exp(people.pull * wave.face_cents[j] / 100)
        need = self.need(c, self.state.stock[:, c].astype(float))
        base = [self._base(c, number)[0] for number in (0, 1)]
        first, buys, uses, paid_now = self._with_coupon(wave, j, 0, need)
        first, buys, uses = first * pull, buys * pull, uses * pull
        used = 1 - np.exp(-uses)
        at_work = used / np.maximum(uses, 1e-12)
        gained = at_work * first + (1 - at_work) * base[0] - base[0]
        gained += at_work * (pull - 1) * (self.usual[0] - base[0])
        other = np.maximum(buys - uses, 0.0) * at_work
        unused_need = self.later_need(c, *self._stored(c, other))
        stored = UNITS * self.often(c) * (1 + at_work * np.maximum(buys - uses, 0.0))
        used_need = self.later_need(c, np.ones(len(used)), stored)
        second, _, more, paid_later = self._with_coupon(wave, j, 1, unused_need)
        second, more = second * pull, more * pull
        late = 1 - np.exp(-more)
        at_work = late / np.maximum(more, 1e-12)
        unused = at_work * second + (1 - at_work) * self._base(c, 1, unused_need)[0]
        unused += at_work * (pull - 1) * (self.usual[1] - base[1])
        gained += used * self._base(c, 1, used_need)[0] + (1 - used) * unused - base[1]
        redeemed = people.awareness * people.presents
        payout = redeemed * (used * paid_now + (1 - used) * late * paid_later)
        redemption = redeemed * (used + (1 - used) * late)
        margin = people.awareness * gained - payout * wave.store_share[j] - ISSUE_COST_CENTS
        return margin, payout, redemption
