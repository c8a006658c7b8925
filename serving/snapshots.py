"""Holds the bundle that answers come from, and swaps in a newly published one while requests go on."""

from __future__ import annotations

import logging
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Final

from coupon_pipeline.clock import BusinessClock
from coupon_pipeline.snapshot.bundle import (
    BadBundleError,
    Bundle,
    current_version,
    open_version,
)

POLL_SECONDS: Final = 1.0
VARIABLE: Final = "COUPON_BUNDLES"
"""Environment variable with the folder of the bundles, for processes that nobody hands one to."""

logger = logging.getLogger(__name__)


class Snapshots:
    """The current bundle of one folder. A request reads `current` once, so that it never mixes two versions."""

    def __init__(self, root: Path, clock: BusinessClock | None = None) -> None:
        self.root = root
        self.current: Bundle | None = None
        self._clock = clock
        self._refused: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the current bundle, if there is one, and look for a new one about every second from now on."""
        self.refresh()
        self._stop.clear()
        self._thread = threading.Thread(target=self._poll, name="snapshots", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread that looks for new bundles."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def refresh(self) -> None:
        """Switch to the published version if it is another one; a bad one is logged once and the old one stays."""
        try:
            version = current_version(self.root)
            if self.current is None or self.current.version != version:
                self._switch(open_version(self.root, version))
            self._refused = None
        except BadBundleError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                logger.warning(
                    "%s (%s)", error, f"still serving {self.current.version}" if self.current else "not ready"
                )

    def now(self, bundle: Bundle) -> datetime:
        """Business time, naive UTC, never before the decision time of the bundle that answers."""
        clock = self._clock or BusinessClock(None)
        return max(clock.now(), bundle.decided_at)

    def _switch(self, bundle: Bundle) -> None:
        if self._clock is None:
            self._clock = BusinessClock(bundle.decided_at if bundle.content.clock == "source" else None)
        self.current = bundle
        logger.info("serving bundle %s", bundle.version)

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.refresh()
            except Exception:  # boundary: the thread outlives whatever one look at the disk brings
                logger.exception("looking for a new bundle failed; trying again")


_opened: list[Snapshots] = []


def open_snapshots(root: Path, clock: BusinessClock | None = None) -> Snapshots:
    """Make the Snapshots that this process serves from: BentoML builds its services itself and hands them nothing."""
    _opened[:] = [Snapshots(root, clock)]
    return _opened[0]


def snapshots() -> Snapshots:
    """The Snapshots of this process; without `open_snapshots`, those of the folder in COUPON_BUNDLES.

    Raises RuntimeError if neither is given.
    """
    if not _opened:
        if VARIABLE not in os.environ:
            raise RuntimeError(f"{VARIABLE} is not set: give the folder of the bundles, or start with: make serve")
        open_snapshots(Path(os.environ[VARIABLE]))
    return _opened[0]
