"""A wire between a program and PostgreSQL that is cut after the server has committed and before it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import sqlalchemy as sa


class Wire:
    """Carries connections to a server's socket; while `cuts` is set, the answer to the next COMMIT is lost."""

    def __init__(self, url: str) -> None:
        """`url` names a server by the folder of its socket."""
        self._parts = sa.make_url(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.cuts = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """The same database by way of the wire."""
        port = self._listening.getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/{self._parts.database}?sslmode=disable&gssencmode=disable"

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(f"{self._parts.query['host']}/.s.PGSQL.5432")
            answering = threading.Thread(target=self._answer, args=(server, client), daemon=True)
            answering.start()
            while data := client.recv(65_536):
                if self.cuts.is_set() and b"COMMIT" in data:
                    self._lose(server, client, data)
                    break
                server.sendall(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            answering.join()

    def _lose(self, server: socket.socket, client: socket.socket, data: bytes) -> None:
        """Let the server commit, and cut the client off before it hears of it."""
        client.shutdown(socket.SHUT_RDWR)
        server.sendall(data)
        # The answer goes to a client that is gone; the end of the connection comes after the commit.
        server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def wired(url: str) -> Generator[Wire]:
    """A wire to a database, as long as the block lasts."""
    wire = Wire(url)
    try:
        yield wire
    finally:
        wire.close()
