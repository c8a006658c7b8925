"""Ids as they come from outside: the grocer's own text, which the pipeline knows as a number."""

from __future__ import annotations

from typing import Final

NO_ID: Final = -1
"""Stands for an id that nothing can have: ours are not negative."""


def number(text: str) -> int:
    """The id behind its text; NO_ID for a text that is none: `01` and `1.0` are not the household `1`."""
    if not (text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")):
        return NO_ID
    found = int(text)
    return found if found < 2**63 else NO_ID
