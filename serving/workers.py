"""Worker processes on one socket: one that dies is replaced at once, whatever the supervisor waits for."""

from __future__ import annotations

import logging
from multiprocessing import connection
from socket import socket

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

logger = logging.getLogger(__name__)


class Worker(Process):
    """A worker whose death ends the wait for its answer: uvicorn's own waits until the time is over."""

    def _healthcheck(self, timeout: float) -> bool | None:
        try:
            self.parent_conn.send(b"ping")
            connection.wait([self.parent_conn, self.process.sentinel], timeout)
            return self.parent_conn.recv() if self.parent_conn.poll(0) else None
        except (OSError, EOFError):
            return None


class Supervisor(Multiprocess):
    """Keeps as many workers as the configuration names, until it is told to stop."""

    def __init__(self, config: Config, listening: socket) -> None:
        super().__init__(config, sockets=[listening])

    def init_processes(self) -> None:
        """Start all workers."""
        self.processes = [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that are dead or do not answer; stop where one cannot even start."""
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set() or worker.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                logger.error("a worker failed to start: stopping the service")
                self.should_exit.set()
                return
            logger.warning("a worker died and is replaced")
            self.processes[place] = self._started()

    def _started(self) -> Process:
        worker = Worker(self.config, self.sockets)
        worker.start()
        return worker
