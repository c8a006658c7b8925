"""A source whose issues and redemptions come from the coupon ledger, since the ledger's first week."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.erasures.rule import HOUSEHOLD
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.ledger.locations import located
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.reasons import RefusalError, UnavailableError
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources import exports
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import Source, SourceError
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

if TYPE_CHECKING:
    from collections.abc import Generator

    from coupon_pipeline.ledger.ledger import Ledger

ORIGIN_FROM: Final = "origin_from"
"""Setting of the ledger: the first week whose issues and redemptions come from it alone."""
REDEMPTIONS_ABOVE: Final = "redemptions_above"
"""Setting of the ledger: what is added to its ids of redemptions where they leave it."""
EXPORTED: Final = (exports.ISSUES, exports.REDEMPTIONS)
TEXTS: Final = ("basket_id", "store_id")
"""Columns of redemptions that tills send as the grocer writes them."""


def there_is_a_ledger(settings: Settings) -> bool:
    """Whether the source has a ledger; a database server that is named always counts as one. Raises OpeningError."""
    url = located(settings.ledger)
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


def opened(settings: Settings, clock: Callable[[], int]) -> Ledger:
    """The source's ledger, made where there is none; `clock` tells epoch milliseconds."""
    return open_ledger(settings.ledger, settings.ledger_key_file, settings.environment, clock)


def latest() -> int:
    """The clock of who changes nothing, or nothing that has an instant of its own: the latest fact's."""
    return 0


class Ledgered:
    """A source as it is, but for the weeks in which the ledger is the origin of issues and redemptions."""

    def __init__(self, inner: Source, settings: Settings) -> None:
        self.inner, self.settings = inner, settings
        self.name, self.currency, self.clock = inner.name, inner.currency, inner.clock
        self.assumptions, self.plan, self.assignment = inner.assumptions, inner.plan, inner.assignment
        self._first: str | None = None
        self._batches: dict[str, list[str]] = {}

    @property
    def calendar(self) -> Calendar:
        """The weeks of the source."""
        return self.inner.calendar

    def tables(self) -> tuple[str, ...]:
        """The tables of the source: one that it does not deliver stays away."""
        return self.inner.tables()

    @property
    def exported(self) -> tuple[str, ...]:
        """The tables that the ledger exports, of those that there are."""
        return tuple(table for table in EXPORTED if table in self.tables())

    def is_origin(self, table: str, week: str) -> bool:
        """Whether the rows of a week come from the ledger."""
        if table not in EXPORTED:
            return False
        if self._first is None and there_is_a_ledger(self.settings):
            with self._ledger() as ledger:
                self._first = ledger.setting(ORIGIN_FROM)
        return self._first is not None and week >= self._first

    def read(self, table: str, week: str) -> pa.Table:
        """The rows that became known in a week: claimed in it, of households that are known, or the source's own."""
        if not self.is_origin(table, week):
            return self.inner.read(table, week)
        span, households = self._span(week), self._households()
        with self._ledger() as ledger:
            if table == exports.ISSUES:
                return exports.issues(ledger.exported_issues(*span, households))
            above = int(ledger.setting(REDEMPTIONS_ABOVE) or 0)
            found = ledger.exported_redemptions(*span, households)
        return exports.redemptions(found, above, {name: self._numbers(name) for name in TEXTS})

    def fingerprint(self, table: str, week: str) -> str:
        """Digest of what the ledger has claimed in a week, or of what the source would deliver.

        Not of the households that are known: who becomes known later changes no week that has landed.
        """
        if not self.is_origin(table, week):
            return self.inner.fingerprint(table, week)
        code = code_of(__name__, exports.__name__)
        return fingerprint(table, week, self._claimed(self.calendar.check(week)), code)

    def settle(self, week: str) -> None:
        """Note that a week has landed, so that the ledger need not keep its events for this any more."""
        with self._ledger() as ledger:
            ledger.done([batch.number for batch in ledger.batches(*self._span(week))])

    def _claimed(self, week: str) -> list[str]:
        """Digests of a week's batches. A week of the calendar is over, so that it gets no more of them."""
        if week not in self._batches:
            calendar = self.calendar
            weeks = [each for each in calendar.weeks if self._first is None or each >= self._first]
            with self._ledger() as ledger:
                for each in weeks:
                    self._batches[each] = [batch.digest for batch in ledger.batches(*self._span(each))]
        return self._batches[week]

    def _span(self, week: str) -> tuple[int, int]:
        calendar = self.calendar
        calendar.check(week)
        return to_epoch(calendar.opens_at(week)), to_epoch(calendar.decision_time(week))

    def _households(self) -> list[int]:
        """The customers that are known by now, without those that are erased; raises MissingWeekError without any."""
        root = self.settings.data / self.name
        store = Store(root, self.calendar, self.settings.threads, self.settings.memory_limit, self.tables())
        week = store.latest("clean", "customers")
        customers = store.as_of(store.calendar.decision_time(week)).state("customers")
        known = customers.filter(customers.erased_at.isnull()).select(HOUSEHOLD).order_by(HOUSEHOLD)
        return known.to_pyarrow()[HOUSEHOLD].to_pylist()

    def _numbers(self, column: str) -> exports.Numbers:
        """By the identifiers of the source where it numbers the column's texts, else the texts are the numbers."""
        systems = self.inner
        if not isinstance(systems, Connected) or exports.REDEMPTIONS not in systems.config.tables:
            return exports.plain_numbers
        spec = systems.config.tables[exports.REDEMPTIONS].columns.get(column)
        if spec is None or spec.id is None:
            return exports.plain_numbers
        entity = spec.id

        def numbered(texts: Sequence[str | None]) -> Sequence[int | None]:
            return systems.identifiers.numbers(entity, pa.chunked_array([pa.array(texts, pa.string())])).to_pylist()

        return numbered

    @contextmanager
    def _ledger(self) -> Generator[Ledger]:
        """The ledger, for reading; what it cannot do is a failure of the source."""
        try:
            with opened(self.settings, latest) as ledger:
                yield ledger
        except (RefusalError, UnavailableError) as error:
            raise SourceError(f"the ledger of {self.name}: {error.detail}") from error


def systems_of(source: Source) -> Source:
    """The grocer's own systems behind a source."""
    return source.inner if isinstance(source, Ledgered) else source
