"""The verbs that care for the ledger; each ends with a line that says what it did.

What the verbs need is imported when they run: the command line names them all, and starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from coupon_pipeline.settings import Settings

if TYPE_CHECKING:
    from coupon_pipeline.clock import BusinessClock
    from coupon_pipeline.ledger.ledger import Ledger

KEPT_DAYS: Final = 35


def upgrade() -> None:
    """Make the ledger where there is none, or move it to the newest revision of its tables."""
    from coupon_pipeline.ledger.opening import HEAD, open_database

    open_database(Settings().ledger).close()
    print(f"the ledger is at revision {HEAD}")


def downgrade(revision: Annotated[str, typer.Argument(help="Revision to go back to, such as 0001.")]) -> None:
    """Move the ledger back to an older revision, for older code; what that revision lacks is lost."""
    from coupon_pipeline.ledger.opening import move_database

    move_database(Settings().ledger, revision)
    print(f"the ledger is at revision {revision}")


def migrate(
    to: Annotated[str, typer.Option(help="URL of an empty database, postgresql://user@host/name.")],
) -> None:
    """Copy the whole ledger into an empty database, compare and audit it; nobody may write meanwhile."""
    from coupon_pipeline.ledger.moving import move_ledger
    from coupon_pipeline.ledger.opening import open_database

    with (
        closing(open_database(Settings().ledger, migrate=False)) as source,
        closing(open_database(to)) as target,
    ):
        moved = move_ledger(source, target, progress=lambda table: print(f"copying {table}"))
    print(f"{sum(moved.values()):,} rows are in the new ledger and its books close: set COUPON_LEDGER_URL to it")


def backup(file: Annotated[Path, typer.Argument(help="File to write; one that is there is replaced.")]) -> None:
    """Copy the ledger's SQLite file while it is in use, and check the copy."""
    from coupon_pipeline.ledger.backup import backup as copy

    size = copy(Settings().ledger, file)
    print(f"{file} holds the ledger ({size / 2**20:,.1f} MiB): keep the file of its keys elsewhere")


def restore(file: Annotated[Path, typer.Argument(help="What `backup` has written.")]) -> None:
    """Put a copy in the ledger's place, where none is: coupons issued after the copy are unknown and refused."""
    from coupon_pipeline.ledger.backup import restore as put_back

    put_back(file, Settings().ledger)
    print("the ledger is as it was when the copy was made: run `make audit`, then issue again what came later")


def skip_ahead() -> None:
    """After pg_restore: leave out the numbers that may have been given after the copy was made."""
    from coupon_pipeline.ledger import counters
    from coupon_pipeline.ledger.opening import open_database

    with closing(open_database(Settings().ledger, migrate=False)) as database:
        database.write(counters.skip_ahead)
    print("no number of a lost issue, redemption or event is given again")


def expire() -> None:
    """End the issues whose time is over, so that what they had reserved is free."""
    with _opened() as ledger:
        print(f"{ledger.expire():,} issues have expired")


def claim() -> None:
    """Let the pipeline know what has happened since the last claim: known from this moment on."""
    with _opened() as ledger:
        batch = ledger.claim()
    print("nothing has happened since the last claim" if batch is None else f"{batch.events:,} events are claimed")


def trim(
    days: Annotated[int, typer.Option(min=1, help="Events younger than so many days stay.")] = KEPT_DAYS,
) -> None:
    """Drop events that have reached the pipeline; what they came to stays, so that the audit closes."""
    with _opened() as ledger:
        before = ledger.now() - timedelta(days=days) // timedelta(milliseconds=1)
        print(f"{ledger.trim(before):,} events were dropped from the outbox")


def rotate_keys() -> None:
    """Add a key that makes the codes from now on, all older ones stay good; without any, make the first keys."""
    from coupon_pipeline.ledger.keys import Keys, read_keys, write_keys

    settings, path = Settings(), Settings().ledger_key_file
    if not path.exists() and not _is_used(settings):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = Keys.random(is_development=settings.environment == "development")
    else:
        keys = read_keys(path).rotated()
    write_keys(path, keys)
    print(f"codes are made with key {keys.newest.key_id} of {path}; running services take it up by themselves")


VERBS: Final[dict[str, Callable[..., None]]] = {
    "upgrade": upgrade,
    "downgrade": downgrade,
    "migrate": migrate,
    "backup": backup,
    "restore": restore,
    "skip-ahead": skip_ahead,
    "claim": claim,
    "expire": expire,
    "trim": trim,
    "rotate-keys": rotate_keys,
}


def _is_used(settings: Settings) -> bool:
    """Whether the ledger holds what was written with keys."""
    from coupon_pipeline.ledger.opening import is_used, open_database
    from coupon_pipeline.sources.ledgered import there_is_a_ledger

    if not there_is_a_ledger(settings):
        return False
    with closing(open_database(settings.ledger)) as database:
        return is_used(database)


def _opened() -> Ledger:
    from coupon_pipeline.ledger.opening import open_database, open_ledger

    settings = Settings()
    open_database(settings.ledger, migrate=False).close()
    clock = _clock(settings).milliseconds
    return open_ledger(settings.ledger, settings.ledger_key_file, settings.environment, clock)


def _clock(settings: Settings) -> BusinessClock:
    """The system's, or for a source of its own years one that starts at the last decision that was due."""
    from coupon_pipeline.clock import BusinessClock
    from coupon_pipeline.sources.registry import open_source

    source = open_source(settings)
    if source.clock == "system":
        return BusinessClock(None)
    return BusinessClock(source.calendar.decision_time(source.calendar.weeks[-1]))
