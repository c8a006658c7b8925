"""Saves the world at the start of a week, and takes it up again: one file of plain arrays."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from coupon_pipeline.files import replacing
from coupon_pipeline.simulation.prices import PriceState
from coupon_pipeline.simulation.shelves import Shelves
from coupon_pipeline.simulation.spec import ChainError
from coupon_pipeline.simulation.state import State

PARTS = {
    "prices": ("regular", "cost", "promoted"),
    "shelves": ("on_hand", "on_order", "rate", "orders"),
    "": ("active", "stock", "favourite", "fatigue", "issues", "returns"),
}


class BadCheckpointError(ChainError):
    """A checkpoint that is damaged or of another version; the message says what to do."""


def save(path: Path, state: State) -> None:
    """Write a state, atomically."""
    arrays = {
        f"{part}.{name}": getattr(getattr(state, part) if part else state, name)
        for part, names in PARTS.items()
        for name in names
    }
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, week=np.array(state.week), **arrays)


def load(path: Path) -> State:
    """The state in a file; raises BadCheckpointError."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
            parts = {part: {name: found[f"{part}.{name}"] for name in names} for part, names in PARTS.items()}
            week = int(found["week"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadCheckpointError(
            f"{path} cannot be read ({error}): delete it, and an earlier week is taken up"
        ) from error
    return State(week=week, prices=PriceState(**parts["prices"]), shelves=Shelves(**parts["shelves"]), **parts[""])
