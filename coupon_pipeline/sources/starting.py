"""Starts systems of this machine that are not there, by the command that a source's YAML file names."""

from __future__ import annotations

import atexit
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.systems import System

POLL_SECONDS = 0.05
END_SECONDS = 10.0


class Starter:
    """Runs each command at most once at a time, whichever process of this machine asks."""

    def __init__(self, folder: Path, fill: Callable[[str], Path]) -> None:
        self.folder = folder
        self.fill = fill
        """Fills in what a path of the YAML file leaves open."""

    def make(self, system: System, needed: Path) -> None:
        """Run the command to its end where a file or folder is missing; raises SourceError where that fails."""
        paths = [needed, *([self.fill(system.ready)] if system.ready else [])]
        if not system.start or all(path.exists() for path in paths):
            return
        with self._alone(system.start):
            if all(path.exists() for path in paths):
                return
            child = self._begin(system.start, stdin=subprocess.DEVNULL, stdout=None)
            said = _Said(child, sys.stderr)
            if child.wait() != 0:
                raise SourceError(f"`{' '.join(system.start)}` failed with {child.returncode}: {said.last()}")
            missing = [str(path) for path in paths if not path.exists()]
            if missing:
                raise SourceError(f"`{' '.join(system.start)}` has ended without making {missing[0]}")

    def serve(self, system: System, answers: Callable[[], bool]) -> None:
        """Keep a server running until this process ends; raises SourceError where it does not answer in time.

        Its standard input is a pipe, which closes with this process: a server that watches it never stays behind.
        """
        if not system.start or answers():
            return
        with self._alone(system.start):
            if answers():
                return
            child = self._begin(system.start, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            said = _Said(child, None)
            atexit.register(_end, child)
            latest = time.monotonic() + system.start_seconds
            while not answers():
                ended = child.poll() is not None
                if ended or time.monotonic() > latest:
                    _end(child)
                    how = f"ended with {child.returncode}" if ended else f"took over {system.start_seconds:g} s"
                    raise SourceError(f"`{' '.join(system.start)}` {how} and does not answer: {said.last()}")
                time.sleep(POLL_SECONDS)

    def _begin(self, command: Sequence[str], stdin: int, stdout: int | None) -> subprocess.Popen[str]:
        """Start a command, which finds the data where this process has them."""
        words = [sys.executable if command[0] == "python" else command[0], *command[1:]]
        try:
            return subprocess.Popen(
                words,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "COUPON_DATA": str(self.fill("{data}"))},
            )
        except OSError as error:
            raise SourceError(f"`{' '.join(command)}` cannot be run: {error.strerror}") from error

    @contextmanager
    def _alone(self, command: Sequence[str]) -> Generator[None]:
        path = self.folder / f"{fingerprint(list(command))[:16]}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class _Said:
    """The last lines that a child wrote to its standard error, also passed on if there is a stream for them."""

    def __init__(self, child: subprocess.Popen[str], stream: IO[str] | None) -> None:
        self.lines: deque[str] = deque(maxlen=20)
        self.reader = threading.Thread(target=self._read, args=(child.stderr, stream), daemon=True)
        self.reader.start()

    def last(self) -> str:
        """The last line that is not blank."""
        self.reader.join(timeout=1)
        return next((line for line in reversed(self.lines) if line), "it said nothing")

    def _read(self, lines: IO[str], stream: IO[str] | None) -> None:
        with lines:
            for line in lines:
                self.lines.append(line.strip())
                if stream is not None:
                    stream.write(line)


def _end(child: subprocess.Popen[str]) -> None:
    """End a child: by closing its input, else by asking, else by force."""
    if child.stdin is not None:
        child.stdin.close()
    for ask in (lambda: None, child.terminate, child.kill):
        ask()
        try:
            child.wait(END_SECONDS / 2)
        except subprocess.TimeoutExpired:
            continue
        return
