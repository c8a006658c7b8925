"""Whether a port of this machine is free to listen on."""

from __future__ import annotations

import errno
import socket


class PortInUseError(OSError):
    """A port that another program listens on."""


def check_free(port: int, host: str = "127.0.0.1") -> None:
    """Raise PortInUseError if another program listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUseError(
                f"port {port} is in use: stop the program that listens on it, or choose another"
            ) from error
