"""The shop that the tests of reconciliation close their days in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reconciling.shops import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop on its first Monday with a ledger, 05:00 at its store."""
    opened = Shop(tmp_path)
    yield opened
    opened.database.close()
