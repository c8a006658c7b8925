"""A week's inputs of the compiled shopping, cut into shards of households that threads work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from coupon_pipeline.simulation import market, shopping
from coupon_pipeline.simulation.state import State

if TYPE_CHECKING:
    from coupon_pipeline.simulation.living import World

LINES_EACH = 40
"""Lines of a household and week that are made room for at first."""


class Setting:
    """A week's inputs of the compiled shopping, cut into shards of households that threads work on."""

    def __init__(self, world: World, state: State, issues: np.ndarray, running: np.ndarray) -> None:
        self.world, self.state, self.issues = world, state, issues
        spec, week, catalogue, tastes = world.spec, state.week, world.catalogue, world.tastes
        self.people = world.people(len(state.active))
        acting = issues["noticed"] & ~issues["used"]
        self.rows = np.flatnonzero(acting)
        self.coupons = coupon_arrays(world, state, issues[acting])
        offsets = np.searchsorted(issues["household"][acting], np.arange(len(state.active) + 1))
        faces = np.add.reduceat(np.append(self.coupons[5], 0.0), np.minimum(offsets[:-1], len(self.rows)))
        faces = np.where(np.diff(offsets) > 0, faces, 0.0)
        self.offsets = offsets
        self.pull = np.exp(self.people.pull * faces / 100)
        shops = self.people.shops(week) & state.active
        self.tuple_of_people = (
            self.people.ids,
            shops,
            self.people.trip_rate,
            self.people.segment,
            self.people.main_store,
            self.people.loyalty,
            self.pull,
        )
        days = market.DAY_WEIGHTS * market.season(week)
        self.market = (
            running,
            tastes.regular,
            tastes.regular_mass,
            catalogue.starts,
            catalogue.tau_days,
            catalogue.more,
            catalogue.store_zone,
            days,
        )
        self.streams = np.array([world.luck(name, week) for name in shopping.STREAMS])
        self.appetite = world.appetite(len(state.active))
        self.shards = [
            slice(at, min(at + spec.shard, len(state.active))) for at in range(0, len(state.active), spec.shard)
        ]

    def wanted(self) -> np.ndarray:
        """The lines that households want, ordered by household, trip, category and number."""
        found = np.concatenate(list(self._each(self._shard)))
        is_coupon = found["issue"] >= 0
        found["issue"][is_coupon] = self.rows[found["issue"][is_coupon]]
        return found

    def absorb(self, lines: np.ndarray, stock: np.ndarray, favourite: np.ndarray) -> None:
        """Bring home stock and favourites up to date, in place."""

        def work(shard: slice) -> None:
            low, high = np.searchsorted(lines["household"], [shard.start, shard.stop])
            own = lines[low:high].copy()
            own["household"] -= shard.start
            start = self.streams[shopping.FAVOURITE]
            ids, tau = self.people.ids[shard], self.world.catalogue.tau_days
            shopping.absorb(start, ids, tau, own, stock[shard], favourite[shard])

        list(self._each(work))

    def _shard(self, shard: slice) -> np.ndarray:
        people = tuple(values[shard] for values in self.tuple_of_people)
        taste = self.appetite[shard], self.state.stock[shard], self.state.favourite[shard]
        offsets = self.offsets[shard.start : shard.stop + 1]
        size = LINES_EACH * (shard.stop - shard.start) + 1_000
        while True:
            out = np.empty(size, shopping.LINE)
            coupons = (offsets, *self.coupons[:5])
            count = shopping.shop(self.streams, people, taste, self.market, coupons, out)
            if count <= size:
                out = out[:count]
                out["household"] += shard.start
                return out
            size = count

    def _each(self, work: Callable[[slice], Any]) -> Iterator[Any]:
        if self.world.threads == 1 or len(self.shards) == 1:
            return map(work, self.shards)
        with ThreadPoolExecutor(self.world.threads) as pool:
            return iter(list(pool.map(work, self.shards)))


def coupon_arrays(world: World, state: State, acting: np.ndarray) -> tuple[np.ndarray, ...]:
    """Category, first and last product, utility, stockpiling chance and face value (cents) of issues that act."""
    category, first, last = (np.zeros(len(acting), np.int64) for _ in range(3))
    depth, face = np.zeros(len(acting)), np.zeros(len(acting))
    for week in np.unique(acting["week"]):
        of = acting["week"] == week
        wave, position = world.wave(int(week)), acting["coupon"][of]
        category[of], first[of], last[of] = wave.category[position], wave.first[position], wave.last[position]
        depth[of], face[of] = wave.depth[position], wave.face_cents[position]
    people, households = world.people(len(state.active)), acting["household"]
    beta = world.tastes.beta[people.segment[households], category]
    delta = market.coupon_delta(
        world.spec.form, beta, people.salience[households], depth, state.fatigue[households].astype(float)
    )
    return category, first, last, delta, market.stockpile_chance(world.spec.form, depth), face
