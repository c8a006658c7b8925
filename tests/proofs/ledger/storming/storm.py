"""A storm: many processes at the same coupons through the service, while clients, workers and database are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import psutil

from tests.ledger.servers import Server, running
from tests.proofs.ledger.storming.business import Business
from tests.proofs.ledger.storming.plan import Plan
from tests.proofs.ledger.storming.service import START_SECONDS, WORKERS, Service, end, ended, python, serving, until
from tests.proofs.ledger.storming.world import NOON

from coupon_pipeline.ledger.records import Definitions

PROCESSES: Final = 16
POLL_SECONDS: Final = 0.02
BULK_MS: Final = 2_000
"""How long the bulk issue before a storm takes, about."""


@dataclass(frozen=True)
class Size:
    """How much, and what is killed how often."""

    attempts: int
    coupons: int
    seconds: float
    """How long the requests are expected to take: coupons expire by it."""
    kills: Mapping[str, tuple[float, int]]
    """Of `client`, `worker` and `database`: mean seconds between two kills, and the most of them.

    A worker takes seconds to start, so that too many kills leave nobody to answer.
    """
    seed: int = 7


@dataclass
class Storm:
    """What has happened; the histories are in the folder."""

    folder: Path
    business: Business
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("client", "worker", "database", "bulk"), 0))
    seconds: float = 0.0

    @property
    def histories(self) -> list[Path]:
        """All history files."""
        return sorted(self.folder.glob("history-*.jsonl"))


@contextmanager
def database(kind: str, folder: Path) -> Generator[tuple[str, Server | None]]:
    """URL of an empty database of a kind, and its server where it has one."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ledger.db'}", None
        return
    with running(folder / "postgresql", is_durable=True) as server, server.database() as url:
        yield url, server


def storm(folder: Path, url: str, server: Server | None, size: Size) -> Storm:
    """Let a storm pass over an empty database."""
    origin = NOON - time.monotonic_ns() // 1_000_000
    found = Storm(
        folder, Business(str(folder), url, str(folder / "keys.json"), size.coupons, size.seconds, origin, NOON)
    )
    draw = random.Random(size.seed)
    _define(found.business, found.business.definitions)
    with _office(folder), serving(folder, url, Path(found.business.keys), PROCESSES) as service:
        # Business time has run while all that started; coupons are to expire while clients are at them.
        found.business = replace(found.business, opens_at=found.business.now() + BULK_MS)
        _define(found.business, replace(found.business.definitions, consents={}))
        _issue(found, draw)
        redeems = -(-size.attempts // PROCESSES)
        plan = Plan(str(folder), service.port, size.seed, PROCESSES, redeems, time.monotonic_ns())
        plan.write()
        _rage(found, service, Chaos(found, service, server, size, draw))
    return found


def _define(business: Business, definitions: Definitions) -> None:
    """Tell the processes of the storm and the ledger what the terms are."""
    business.write()
    with business.opened() as ledger:
        ledger.sync(definitions)


@contextmanager
def _office(folder: Path) -> Generator[None]:
    process = python("tests.proofs.ledger.storming.office", str(folder), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "begins\n":
            raise RuntimeError("the back office has not begun")
        yield
    finally:
        end(process, START_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the back office has failed: {process.returncode}")


def _issue(found: Storm, draw: random.Random) -> None:
    """Issue in bulk; the process is killed once on the way and begun again."""
    kill_after = draw.randint(2, 8)
    while True:
        with ended(python("tests.proofs.ledger.storming.bulk", str(found.folder), stdout=subprocess.PIPE)) as process:
            assert process.stdout is not None
            for number, _ in enumerate(process.stdout):
                if number == kill_after and found.kills["bulk"] == 0:
                    process.kill()
                    found.kills["bulk"] += 1
            process.wait()
        if process.returncode == 0:
            return
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"bulk issue has failed: {process.returncode}")


class Chaos:
    """Kills at random moments of a seed."""

    def __init__(self, found: Storm, service: Service, server: Server | None, size: Size, draw: random.Random) -> None:
        self._found, self._service, self._server, self._draw = found, service, server, draw
        self._kills = {kind: often for kind, often in size.kills.items() if server is not None or kind != "database"}
        self._next: dict[str, float] = {}

    def begin(self) -> None:
        """Let time run until the first kills."""
        self._next = {kind: time.monotonic() + self._gap(kind) for kind in self._kills}

    def _gap(self, kind: str) -> float:
        return self._kills[kind][0] * self._draw.uniform(0.5, 1.5)

    def act(self, clients: dict[int, subprocess.Popen[str]]) -> None:
        """Kill what is due."""
        for kind, due in self._next.items():
            is_due = time.monotonic() >= due and self._found.kills[kind] < self._kills[kind][1]
            if is_due and self._killed(kind, clients):
                self._found.kills[kind] += 1
                self._next[kind] = time.monotonic() + self._gap(kind)

    def _killed(self, kind: str, clients: dict[int, subprocess.Popen[str]]) -> bool:
        if kind == "client":
            alive = [process for process in clients.values() if process.poll() is None]
            if alive:
                self._draw.choice(alive).kill()
            return bool(alive)
        if kind == "worker":
            workers = self._service.workers()
            # One stays: both at once would only make everybody wait.
            if len(workers) == WORKERS:
                self._draw.choice(workers).kill()
            return len(workers) == WORKERS
        assert self._server is not None
        crash(self._server)
        self._server.start()
        return True


def crash(server: Server) -> None:
    """Kill all processes of PostgreSQL at once, so that it has to recover."""
    postmaster = psutil.Process(server.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=20)


def _rage(found: Storm, service: Service, chaos: Chaos) -> None:
    """Keep all clients going, with kills among them, until each is through."""
    began = time.monotonic()
    clients: dict[int, subprocess.Popen[str]] = {}
    try:
        for number in range(PROCESSES):
            clients[number] = _client(found, number)
        files = [found.folder / f"history-{number:02}.jsonl" for number in clients]
        until(lambda: all(path.exists() for path in files), "a first request of every client")
        chaos.begin()
        while clients:
            time.sleep(POLL_SECONDS)
            service.check()
            chaos.act(clients)
            for number, process in list(clients.items()):
                if process.poll() == -signal.SIGKILL:
                    clients[number] = _client(found, number)
                elif process.poll() is not None:
                    del clients[number]
                    if process.returncode:
                        raise RuntimeError(f"client {number} has failed: {process.returncode}")
    finally:
        for process in clients.values():
            end(process)
    found.seconds = time.monotonic() - began


def _client(found: Storm, number: int) -> subprocess.Popen[str]:
    return python("tests.proofs.ledger.storming.client", str(found.folder), str(number))
