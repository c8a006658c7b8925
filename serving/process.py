"""What one process serves from: BentoML builds its services itself and hands them nothing."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from serving.desk import Desk
from serving.snapshots import Snapshots

from coupon_pipeline.clock import BusinessClock, from_epoch
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.settings import Settings

VARIABLE = "COUPON_BUNDLES"
"""Environment variable with the folder of the bundles, for a service away from the pipeline's files."""


CLOCK = "COUPON_SERVICE_CLOCK"
"""Environment variable by which all workers share one start of business time: `<epoch ms>@<monotonic seconds>`."""


@dataclass(frozen=True)
class Process:
    """Bundles and ledger, by one clock."""

    snapshots: Snapshots
    desk: Desk

    @classmethod
    def of(cls, settings: Settings) -> Process:
        """Those of the settings; nothing is read before `start`."""
        snapshots = Snapshots(bundle_folder(settings), started=_shared_clock())

        def opened() -> Ledger:
            return open_ledger(settings.ledger, settings.ledger_key_file, settings.environment, snapshots.milliseconds)

        return cls(snapshots, Desk(opened, snapshots.begin))

    def start(self) -> None:
        """Load the bundle, open the ledger. Raises OpeningError, KeysError and OSError."""
        self.snapshots.start()
        self.desk.start()

    def stop(self) -> None:
        """Look for no new bundle, close the ledger."""
        self.snapshots.stop()
        self.desk.stop()


def bundle_folder(settings: Settings) -> Path:
    """Where the bundles are."""
    return Path(os.environ.get(VARIABLE) or settings.bundles)


def share_clock(now: int) -> None:
    """Have the processes that this one starts count business time from `now` (epoch milliseconds) and this moment."""
    if now:
        os.environ[CLOCK] = f"{now}@{time.monotonic()}"


def _shared_clock() -> BusinessClock | None:
    origin, _, started = os.environ.get(CLOCK, "").partition("@")
    return BusinessClock(from_epoch(int(origin)), float(started)) if started else None


_opened: list[Process] = []


def open_process(settings: Settings) -> Process:
    """Make what this process serves from."""
    _opened[:] = [Process.of(settings)]
    return _opened[0]


def process() -> Process:
    """What this process serves from; without `open_process`, that of the environment's settings."""
    return _opened[0] if _opened else open_process(Settings())
