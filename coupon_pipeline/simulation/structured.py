"""Arrays of rows with named fields, which compiled code and NumPy share."""

from __future__ import annotations

import numpy as np


def blank(size: int, kind: np.dtype) -> np.ndarray:
    """`size` rows of a structured type, every field zero."""
    return np.zeros(size, kind)
