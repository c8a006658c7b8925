"""What a command raises where a job of the pipeline has failed."""

from __future__ import annotations


class FailedRunError(RuntimeError):
    """A job that failed; the message is what the failed asset said."""
