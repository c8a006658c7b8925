"""Runs the CRM's API on a loopback port, no longer than the program that started it."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn

from coupon_pipeline.ports import check_free
from coupon_pipeline.simulation.systems.crm_api import create_app
from coupon_pipeline.simulation.systems.traffic import Habits

HOST = "127.0.0.1"


def serve(feeds: Path, port: int = 8090, habits: Habits | None = None) -> None:
    """Serve the CRM in `feeds` until SIGTERM, Ctrl-C, or the end of stdin where that is a pipe.

    Port 0 takes a free one. Raises PortInUseError, in one line, where another program listens on the port.
    """
    check_free(port, HOST)
    config = uvicorn.Config(
        create_app(feeds, habits),
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
        print(f"CRM: http://{HOST}:{listening.getsockname()[1]}", flush=True)
        if _is_pipe(sys.stdin.fileno()):
            threading.Thread(target=_end_with, args=(sys.stdin.fileno(), server), daemon=True).start()
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _end_with(descriptor: int, server: uvicorn.Server) -> None:
    """End the server when whoever holds the other end of a pipe is gone, however it went."""
    with suppress(OSError):
        while os.read(descriptor, 4096):
            pass
    server.should_exit = server.force_exit = True
