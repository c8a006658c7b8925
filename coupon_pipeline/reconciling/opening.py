"""Opens the database of a source's ledger to be read, and nothing else of it: no key is needed for that."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from coupon_pipeline.ledger.locations import OpeningError
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.reasons import UnavailableError
from coupon_pipeline.ledger.statement import Database
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.ledgered import there_is_a_ledger
from coupon_pipeline.sources.source import SourceError


@contextmanager
def opened(settings: Settings) -> Generator[Database]:
    """The database of the source's ledger; raises SourceError where there is none, or where it does not answer."""
    if not there_is_a_ledger(settings):
        raise SourceError(f"there is no ledger of {settings.source} yet: `make run` makes it with its first coupons")
    try:
        database = open_database(settings.ledger, migrate=False)
        try:
            yield database
        finally:
            database.close()
    except OpeningError as error:
        raise SourceError(str(error)) from error
    except UnavailableError as error:
        raise SourceError(f"the ledger of {settings.source}: {error.detail}") from error
