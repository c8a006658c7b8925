"""The simulated chain: a world that lives week by week with the coupons that were issued, and fills its feeds."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from coupon_pipeline.files import sha256_of, write_text
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.simulation import catalogue, checkpoint
from coupon_pipeline.simulation.baskets import till_tables
from coupon_pipeline.simulation.dirt.dirty import Level, dirty
from coupon_pipeline.simulation.feeds import issues as issue_table
from coupon_pipeline.simulation.feeds.week import Systems, write_week
from coupon_pipeline.simulation.issuing import accepted, random_issues
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.records import WeekRecords
from coupon_pipeline.simulation.relations import relation_tables
from coupon_pipeline.simulation.spec import ChainError, ChainSpec
from coupon_pipeline.simulation.state import Lived, State
from coupon_pipeline.simulation.supply import supply_tables
from coupon_pipeline.tables import write_parquet

Tills = Callable[[int, WeekRecords], None]
"""Bring a week that was lived, by its number and what was recorded, to where coupons are redeemed."""
KEPT_STATES = 3
"""Newest checkpoints that stay: enough to live a week again that was killed half way."""
QUARTER = 13


@dataclass(frozen=True)
class Databases:
    """URLs of PostgreSQL databases instead of SQLite files."""

    erp_url: str | None = None
    issues_url: str | None = None


@dataclass(frozen=True)
class Week:
    """A week that was lived: what its systems record, and what the world knows beside."""

    records: WeekRecords
    lived: Lived
    after: State
    refused: Counter[str]
    """Issues that no till honours, by reason."""


def live_week(world: World, state: State, issues: pa.Table) -> Week:
    """Live the state's week with the issues (coupon_issues) that begin in it; a pure function."""
    state = world.grown(state)
    taken, refused = accepted(world, state, issues)
    lived, after = world.live(state, taken)
    tables = {
        **till_tables(world, lived),
        **supply_tables(world, state, lived, after),
        **relation_tables(world, lived, issues),
    }
    calendar, week = world.spec.calendar_to(state.week), world.spec.monday(state.week).isoformat()
    records = WeekRecords(week, calendar.opens_at(week), calendar.decision_time(week), tables)
    return Week(records, lived, after, refused)


def burnt_in(world: World) -> State:
    """The state at the start of the first week that any system records."""
    state = world.begin()
    while state.week < 0:
        _, state = world.live(world.grown(state), state.issues[:0])
    return state


class Chain:
    """A world on disk: `feeds` is what a grocer's systems hold, `private` what nobody outside may see."""

    def __init__(
        self, spec: ChainSpec, root: Path, level: Level = "default", databases: Databases | None = None
    ) -> None:
        self.spec, self.root, self.level = spec, root, level
        found = databases or Databases()
        self.systems = Systems(root / "feeds", spec.timezone, spec.seed, found.erp_url, found.issues_url)
        self._carried: tuple[int, Mapping[str, pa.Table]] | None = None

    @cached_property
    def world(self) -> World:
        """The world itself."""
        return World(self.spec)

    @property
    def identity(self) -> dict[str, object]:
        """What this world is made from: another one begins anew, in the same place."""
        folder = Path(__file__).parent
        parts = [f"{__package__}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        parts += [
            f"{__package__}.feeds",
            f"{__package__}.dirt",
            "coupon_pipeline.decisions.arms",
        ]
        data = [sha256_of(path) for path in (catalogue.CATEGORIES, catalogue.LEVELS)]
        return {
            "world": fingerprint(self.spec.facts(), self.level, code_of(*parts), data),
            **self.spec.facts(),
            "dirt": self.level,
        }

    @property
    def is_current(self) -> bool:
        """Whether what lies on disk is this world, and not another one."""
        mark = self.systems.feeds / "chain.json"
        return mark.exists() and mark.read_text(encoding="utf-8") == self._identity_text

    def check_settings(self) -> None:
        """Raise ChainError where another world than that of the settings lies on disk."""
        mark = self.systems.feeds / "chain.json"
        made = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else self.identity
        other = [name for name, value in self.identity.items() if name != "world" and made.get(name) != value]
        if other:
            told = ", ".join(f"{name} {made.get(name)} instead of {self.identity[name]}" for name in other)
            raise ChainError(
                f"the chain in {self.root} has {told}: set COUPON_CHAIN_{other[0].upper()} back, or begin it anew with "
                "`make simulate`, which forgets every week that it has lived"
            )

    @property
    def _identity_text(self) -> str:
        return json.dumps(self.identity, indent=1, sort_keys=True) + "\n"

    @property
    def next_week(self) -> int:
        """The number of the week that is to be lived next: the newest checkpoint whose past is complete."""
        states = sorted((self.root / "private" / "state").glob("*.npz"), reverse=True)
        numbers = (self.spec.number(path.stem) for path in states)
        return next((n for n in numbers if n == 0 or self.systems.closed(self._monday(n - 1)).exists()), 0)

    def lived(self, weeks: int) -> Iterator[int]:
        """Live until `weeks` weeks are recorded, yielding the number of each after it; those on disk are not repeated.

        A kill at any moment loses nothing: the next call takes up the last checkpoint and writes the same again.
        """
        with FileLock(self._made() / "lock"):
            while self.next_week < weeks:
                yield self._advance()

    def advance(self, tills: Tills | None = None) -> str:
        """Live one more week with the coupons that were issued for it; returns its Monday.

        `tills` bring what was redeemed to the ledger before the week counts as complete; after a kill they begin again.
        Raises ChainError where the world on disk is not this one.
        """
        if not self.is_current:
            raise ChainError(
                f"the chain in {self.root} was made by another version of the simulator: begin it anew with "
                "`make simulate`, which forgets every week that it has lived"
            )
        with FileLock(self._made() / "lock"):
            return self._monday(self._advance(tills))

    def issue(self, issues: pa.Table) -> None:
        """Put coupons (coupon_issues) into the table that the tills read; those already there stay as they are."""
        issue_table.add(self.systems.coupons, issues)

    def issues_of(self, number: int) -> pa.Table:
        """The coupons (coupon_issues) that began in a week, as the table that the tills read has them."""
        calendar, week = self.spec.calendar_to(number), self._monday(number)
        return issue_table.read(self.systems.coupons, calendar.opens_at(week), calendar.decision_time(week))

    def _advance(self, tills: Tills | None = None) -> int:
        number = self.next_week
        carried = self._carried_into(number)
        week = live_week(self.world, self._state(number), self._issues(number))
        if tills is not None:
            tills(number, week.records)
        soiled = dirty(week.records, self.level, self.spec.seed, self.spec.timezone, carried)
        after, refused = week.after, week.refused
        del week  # or its lines would be in memory twice
        write_week(self.systems, soiled.delivery)
        write_parquet(self._private("faults", number, "parquet"), soiled.faults, self.identity_digest)
        write_text(self._private("refused", number, "json"), json.dumps(dict(refused), sort_keys=True) + "\n")
        checkpoint.save(self._state_path(number + 1), after)
        self._carried = number + 1, soiled.carried
        self._forget(number)
        return number

    @cached_property
    def identity_digest(self) -> str:
        """The digest of the identity."""
        return fingerprint(self.identity)

    def _issues(self, number: int) -> pa.Table:
        """The coupons that begin in a week: drawn in the warm-up, later what the pipeline has issued."""
        if number < self.spec.warmup_weeks:
            return random_issues(self.world, number)
        return self.issues_of(number)

    def _state(self, number: int) -> State:
        path = self._state_path(number)
        if number == 0 and not path.exists():
            checkpoint.save(path, burnt_in(self.world))
        return checkpoint.load(path)

    def _carried_into(self, number: int) -> Mapping[str, pa.Table] | None:
        """What a week's drops hold of the week before: lived again where this process has not lived it."""
        if number == 0:
            return None
        if self._carried is None or self._carried[0] != number:
            before = live_week(self.world, self._state(number - 1), self._issues(number - 1)).records
            soiled = dirty(before, self.level, self.spec.seed, self.spec.timezone, None)
            self._carried = number, soiled.carried
        return self._carried[1]

    def _made(self) -> Path:
        """The private folder, once what another world has left is gone."""
        self.root.mkdir(parents=True, exist_ok=True)
        private = self.root / "private"
        with FileLock(self.root / "lock"):
            if not self.is_current:
                shutil.rmtree(private, ignore_errors=True)
                shutil.rmtree(self.systems.feeds, ignore_errors=True)
                self.systems.drop()
                private.mkdir(parents=True)
                write_text(self.systems.feeds / "chain.json", self._identity_text)
        return private

    def _forget(self, number: int) -> None:
        """Drop old checkpoints, but for one a quarter."""
        for old in range(1, number + 2 - KEPT_STATES):
            if old % QUARTER:
                self._state_path(old).unlink(missing_ok=True)

    def _monday(self, number: int) -> str:
        return self.spec.monday(number).isoformat()

    def _state_path(self, number: int) -> Path:
        return self._private("state", number, "npz")

    def _private(self, kind: str, number: int, suffix: str) -> Path:
        return self.root / "private" / kind / f"{self._monday(number)}.{suffix}"
