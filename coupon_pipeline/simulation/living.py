"""One week of the world: households shop, shelves serve, coupons are used or forgotten, stock is replenished."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from coupon_pipeline.simulation import catalogue as catalogues
from coupon_pipeline.simulation import (
    market,
    population,
    prices,
    shelves,
    shopping,
    waves,
)
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.setting import Setting
from coupon_pipeline.simulation.spec import ChainSpec
from coupon_pipeline.simulation.state import ISSUE, RETURN, Lived, State
from coupon_pipeline.simulation.structured import blank

LAPSE, REVIVE = 0.012, 0.10
"""Weekly chances that an active household goes quiet, and that a quiet one comes back."""
SUBSTITUTE = 0.5
"""Chance that a shopper who finds an empty shelf takes another product of the category."""
RETURNED = 0.005
"""Share of lines that come back in the week after."""


class World:
    """All that stays as it is: people, products, tastes. One object may live many weeks and many fates."""

    def __init__(self, spec: ChainSpec, threads: int = 2) -> None:
        self.spec = spec
        self.threads = threads
        self.catalogue = catalogues.build(spec)
        self._people: population.Population | None = None
        self._appetite = np.empty((0, spec.categories), np.float32)
        self._waves: dict[int, waves.Wave] = {}

    @cached_property
    def tastes(self) -> market.Tastes:
        """Tastes of the segments."""
        return market.tastes(self.spec, self.catalogue)

    def people(self, size: int) -> population.Population:
        """The first `size` households."""
        if self._people is None or self._people.size != size:
            self._people = population.build(self.spec, size, self.spec.stores)
        return self._people

    def appetite(self, size: int) -> np.ndarray:
        """Rate of each household for each category, float32 [H, C]."""
        known = len(self._appetite)
        if known < size:
            ids = np.arange(known + 1, size + 1)
            more = [
                np.exp(population.log_appetite(self.spec, part, self.spec.categories) + self.tastes.intercept)
                for part in np.array_split(ids, max(1, len(ids) // self.spec.shard))
            ]
            self._appetite = np.concatenate([self._appetite, *more], dtype=np.float32)
        return self._appetite[:size]

    def wave(self, week: int) -> waves.Wave:
        """The coupons that start in a week."""
        if week not in self._waves:
            self._waves[week] = waves.wave(self.spec, self.catalogue, week)
        return self._waves[week]

    def luck(self, name: str, week: int) -> np.uint64:
        """The stream of a chance event in a week, in this replicate of the world."""
        return stream(self.spec.seed, f"{name}/{week}/{self.spec.replicate}")

    def begin(self) -> State:
        """The state before the first week of the burn-in."""
        spec, week = self.spec, -self.spec.burn_in_weeks
        size = population.size_at(spec, week)
        weights = self.tastes.regular / np.repeat(self.tastes.regular_mass, np.diff(self.catalogue.starts), axis=1)
        # 1.08 baskets a week, 1.275 units a line.
        baskets = 1.08 * spec.households * self.catalogue.penetration / (1 - self.catalogue.more) * 1.275
        expected = weights.mean(axis=0) * baskets[self.catalogue.category]
        stock, favourite = self._newcomers(0, size)
        return State(
            week=week,
            prices=prices.start(spec, self.catalogue, week),
            shelves=shelves.start(spec, self.catalogue, expected),
            active=np.ones(size, np.bool_),
            stock=stock,
            favourite=favourite,
            fatigue=np.zeros(size, np.float32),
            issues=blank(0, ISSUE),
            returns=blank(0, RETURN),
        )

    def _newcomers(self, known: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Home stock and favourites of households that were not there before, shard by shard."""
        step = self.spec.shard
        shards = [self._shard_of_newcomers(at, min(at + step, size), size) for at in range(known, size, step)]
        stock, favourite = zip(*shards, strict=True)
        return np.concatenate(stock), np.concatenate(favourite)

    def _shard_of_newcomers(self, first: int, last: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        segments = self.people(size).segment[first:last]
        starts = self.catalogue.starts
        ids = np.arange(first + 1, last + 1)[:, None]
        categories = np.arange(self.spec.categories)[None, :]
        u = uniform(stream(self.spec.seed, "first stock"), ids, categories)
        stock = (u * self.catalogue.tau_days).astype(np.float32)
        favourite = np.empty((last - first, self.spec.categories), np.int32)
        u = uniform(stream(self.spec.seed, "first favourite"), ids, categories)
        for segment in range(self.spec.segments):
            of = np.flatnonzero(segments == segment)
            totals = np.concatenate([[0.0], np.cumsum(self.tastes.regular[segment])])
            low, high = totals[starts[:-1]], totals[starts[1:]]
            found = np.searchsorted(totals, low + u[of] * (high - low), side="right") - 1
            favourite[of] = np.clip(found, starts[:-1], starts[1:] - 1)
        return stock, favourite

    def grown(self, state: State) -> State:
        """The state with the households that join in its week."""
        size, known = population.size_at(self.spec, state.week), len(state.active)
        if size <= known:
            return state
        stock, favourite = self._newcomers(known, size)
        new = size - known
        return replace(
            state,
            active=np.concatenate([state.active, np.ones(new, np.bool_)]),
            stock=np.concatenate([state.stock, stock]),
            favourite=np.concatenate([state.favourite, favourite]),
            fatigue=np.concatenate([state.fatigue, np.zeros(new, np.float32)]),
        )

    def issued(self, week: int, issue_ids: np.ndarray, households: np.ndarray, coupons: np.ndarray) -> np.ndarray:
        """Issues (ISSUE) of coupons of a week's wave (positions) to households (positions), with their private fate."""
        found = blank(len(issue_ids), ISSUE)
        people = self.people(int(max(households.max(initial=-1) + 1, population.size_at(self.spec, week))))
        keys = people.ids[households], self.wave(week).coupon_ids[coupons]
        found["issue_id"], found["household"], found["coupon"], found["week"] = issue_ids, households, coupons, week
        notice, till = (stream(self.spec.seed, f"{name}/{self.spec.replicate}") for name in ("notice", "till"))
        found["noticed"] = uniform(notice, *keys) < people.awareness[households]
        found["presents"] = uniform(till, *keys) < people.presents[households]
        return found

    def live(self, state: State, issues: np.ndarray, shelf_limits: bool = True) -> tuple[Lived, State]:
        """Live one week from a state of `grown`, with the issues (ISSUE) that begin in it; the state is not changed."""
        spec, week = self.spec, state.week
        issues = np.concatenate([state.issues, issues])
        issues = issues[np.lexsort([issues["issue_id"], issues["household"]])]
        shelf = prices.promotion_prices(spec, state.prices.regular, state.prices.promoted[0], week)
        running = market.cumulative(self.tastes, self.catalogue, state.prices.regular, shelf)
        opening = state.shelves.on_hand
        stocked, deliveries = shelves.receive(state.shelves, week)
        setting = Setting(self, state, issues, running)
        lines = setting.wanted()
        lines, lost = self._served(setting, lines, stocked.on_hand, week) if shelf_limits else (lines, 0)
        used = lines["issue"][lines["issue"] >= 0]
        issues["used"][used] = True
        stock, favourite = state.stock.copy(), state.favourite.copy()
        setting.absorb(lines, stock, favourite)
        lived = Lived(week, lines, state.prices.regular, shelf, state.prices.cost, issues, state.returns, lost, None)
        after = replace(
            state,
            week=week + 1,
            prices=prices.advance(spec, self.catalogue, state.prices, week + 1),
            active=self._spells(state, week),
            stock=stock,
            favourite=favourite,
            fatigue=self._fatigue(state, issues, week),
            issues=issues[issues["week"] > week - waves.LIFE_WEEKS + 1],
            returns=self._coming_back(lived, week),
        )
        if not shelf_limits:
            return lived, after
        sold, returned = (_units(moved, opening.shape) for moved in (lines, state.returns))
        closed, movements = shelves.close(
            spec, self.catalogue, stocked, deliveries, opening, sold, returned, lived.cost[0], week
        )
        return replace(lived, movements=movements), replace(after, shelves=closed)

    def _coming_back(self, lived: Lived, week: int) -> np.ndarray:
        lines = lived.lines
        keys = self.people(population.size_at(self.spec, week)).ids[lines["household"]]
        u = uniform(self.luck("return", week), keys, lines["trip"] * 8 + lines["number"], lines["category"])
        lines = lines[(u < RETURNED) & (lines["issue"] < 0)]
        found = blank(len(lines), RETURN)
        for name in ("household", "trip", "number", "store", "category", "product", "quantity"):
            found[name] = lines[name]
        zone = self.catalogue.store_zone[lines["store"]]
        found["regular"], found["shelf"] = (table[zone, lines["product"]] for table in (lived.regular, lived.shelf))
        return found

    def _served(self, setting: Setting, lines: np.ndarray, on_hand: np.ndarray, week: int) -> tuple[np.ndarray, int]:
        """Lines as the shelves serve them: fewer units, another product, or none. Takes the units off `on_hand`."""
        ids = setting.people.ids
        served = shelves.serve(on_hand, lines, ids)
        empty = np.flatnonzero(served == 0)
        missed = lines[empty]
        keys = ids[missed["household"]], missed["trip"] * 8 + missed["number"], missed["category"]
        other = missed[uniform(self.luck("substitute", week), *keys) < SUBSTITUTE]
        where = empty[uniform(self.luck("substitute", week), *keys) < SUBSTITUTE]
        products = np.empty(len(other), np.int32)
        shopping.substitutes(self.luck("other", week), setting.tuple_of_people, setting.market, other, products)
        other["product"], other["issue"] = products, -1
        got = shelves.serve(on_hand, other, ids)
        lines = lines.copy()
        lines["quantity"] = served
        lines[where] = other
        lines["quantity"][where] = got
        kept = lines["quantity"] > 0
        return lines[kept], int(len(lines) - kept.sum())

    def _spells(self, state: State, week: int) -> np.ndarray:
        u = uniform(self.luck("spell", week), self.people(len(state.active)).ids)
        return np.where(state.active, u >= LAPSE, u < REVIVE)

    def _fatigue(self, state: State, issues: np.ndarray, week: int) -> np.ndarray:
        fresh = issues["household"][issues["noticed"] & (issues["week"] == week)]
        return (0.8 * state.fatigue + np.bincount(fresh, minlength=len(state.fatigue))).astype(np.float32)


def _units(lines: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Units per store and product, int32 [S, P]."""
    cell = lines["store"].astype(np.int64) * shape[1] + lines["product"]
    return np.bincount(cell, lines["quantity"], minlength=shape[0] * shape[1]).astype(np.int32).reshape(shape)
