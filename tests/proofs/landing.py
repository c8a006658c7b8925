"""`python -m tests.proofs.landing <data>`: lands all weeks of a chain as the assets do, and says when it begins."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.simulation.landing import source_of

from coupon_pipeline.files import sweep
from coupon_pipeline.tables import Store


def land(data: Path) -> None:
    """Land what is not fresh."""
    source = source_of(data)
    store = Store(data / source.name, source.calendar, 1, "1GB", source.tables())
    sweep(data / source.name)
    print("begins", flush=True)
    for table in source.tables():
        for week in source.calendar.weeks:
            digest = source.fingerprint(table, week)
            if store.digest("raw", table, week) != digest:
                store.write("raw", table, week, source.read(table, week), digest)


if __name__ == "__main__":
    land(Path(sys.argv[1]))
