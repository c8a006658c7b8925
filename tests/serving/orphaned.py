"""A program that starts a worker, for the test that kills the program."""

from __future__ import annotations

import multiprocessing
import signal
import threading

from serving.orphans import end_with_parent


def work() -> None:
    """Wait for ever, unless the parent ends."""
    # As a server has it, which handles the signal: who started this program may ignore it, and children inherit that.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    threading.Event().wait()


if __name__ == "__main__":
    worker = multiprocessing.get_context("spawn").Process(target=work)
    worker.start()
    print(worker.pid, flush=True)
    worker.join()
