"""Imports Great Expectations once, outside the reach of warnings as errors."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # It imports sre_constants and sre_parse, which Python 3.11 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations  # noqa: F401
