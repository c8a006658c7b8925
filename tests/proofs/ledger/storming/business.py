"""The ledger as the other processes of a storm have it: bulk issue before it, the back office during it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic_ns

from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.storming.world import definitions

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.records import Definitions


@dataclass(frozen=True)
class Business:
    """Where a storm's ledger is, and how its business time runs."""

    folder: str
    url: str
    keys: str
    coupons: int
    seconds: float
    """How long the storm is expected to take."""
    origin: int
    """Business instant (ms) at 0 of the machine's monotonic clock."""
    opens_at: int
    """Business instant at which the clients begin, about."""

    def write(self) -> None:
        """Put it where the other processes look for it."""
        (Path(self.folder) / "business.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Business:
        """That of a folder."""
        return cls(**json.loads((folder / "business.json").read_text(encoding="utf-8")))

    @property
    def definitions(self) -> Definitions:
        """All terms."""
        return definitions(self.coupons, self.opens_at, self.seconds)

    def now(self) -> int:
        """Business time."""
        return self.origin + monotonic_ns() // 1_000_000

    def opened(self) -> Ledger:
        """The ledger itself."""
        return open_ledger(self.url, Path(self.keys), "development", self.now)


def noted(path: Path) -> Callable[[Attempt], None]:
    """What appends attempts to a history file."""

    def note(attempt: Attempt) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(attempt.line())

    return note
