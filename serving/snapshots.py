"""Holds the bundle that answers come from, and swaps in a newly published one while requests go on."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from pathlib import Path
from typing import Final

from coupon_pipeline.clock import BusinessClock, from_epoch
from coupon_pipeline.snapshot.bundle import (
    BadBundleError,
    Bundle,
    current_version,
    open_version,
)

POLL_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class Snapshots:
    """The current bundle of one folder. A request reads `current` once, so that it never mixes two versions."""

    def __init__(self, root: Path, clock: BusinessClock | None = None, started: BusinessClock | None = None) -> None:
        """By `clock`, whatever the bundles say; or by one that has `started` and runs on with them."""
        self.root = root
        self.current: Bundle | None = None
        self._clock = clock or started
        self._is_given = clock is not None
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

    def milliseconds(self) -> int:
        """Business time in epoch milliseconds, 0 as long as nothing has told it."""
        return self._clock.milliseconds() if self._clock else 0

    def begin(self, fact: int) -> bool:
        """Run on from the ledger's latest fact (epoch milliseconds, 0 for none); returns whether time is known.

        Until there is a bundle nothing else tells which years the data lives in.
        """
        if fact:
            self._clock = self._clock or BusinessClock(from_epoch(fact))
            self._clock.run_from(from_epoch(fact))
        return self._clock is not None

    def _switch(self, bundle: Bundle) -> None:
        if not self._is_given:
            self._set_clock(bundle)
        self.current = bundle
        logger.info("serving bundle %s", bundle.version)

    def _set_clock(self, bundle: Bundle) -> None:
        if bundle.content.clock == "system":
            self._clock = self._clock if self.current else BusinessClock(None)
        elif self._clock is None:
            self._clock = BusinessClock(bundle.decided_at)
        else:
            self._clock.run_from(bundle.decided_at)

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.refresh()
            except Exception:  # boundary: the thread outlives whatever one look at the disk brings
                logger.exception("looking for a new bundle failed; trying again")
