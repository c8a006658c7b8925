"""Merges a bag of boosters into one native LightGBM model: the mean of their raw scores, plus a constant."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TREE = re.compile(r"(?=^Tree=\d+$)", re.MULTILINE)
_END = "end of trees\n"
_LEAVES = re.compile(r"^leaf_value=(.*)$", re.MULTILINE)


def merge(texts: Sequence[str], offset: float) -> str:
    """The text of one booster whose raw score is the mean over `texts` plus `offset`.

    `texts` are the texts of boosters with the same features (`Booster.model_to_string()`). The trees are concatenated,
    their leaf values divided by the size of the bag, and the offset is added once, to the leaves of the first tree.
    Raises ValueError if the bag is empty, a text is truncated, or its members differ in anything but their trees.
    """
    parts = [_split(text) for text in texts]
    if not parts or any(_shared(head) != _shared(parts[0][0]) for head, _, _ in parts):
        raise ValueError("a bag needs boosters that were trained on the same features, at least one")
    trees = [tree for _, members, _ in parts for tree in members]
    scaled = [_scaled(tree, n, len(parts), offset if n == 0 else 0.0) for n, tree in enumerate(trees)]
    head, _, tail = parts[0]
    sizes = "tree_sizes=" + " ".join(str(len(tree.encode())) for tree in scaled)
    return re.sub(r"^tree_sizes=.*$", sizes, head, flags=re.MULTILINE) + "".join(scaled) + tail


def _split(text: str) -> tuple[str, list[str], str]:
    body, end, tail = text.partition(_END)
    if not end:
        raise ValueError(f"not a whole LightGBM model: {_END.strip()!r} is missing")
    head, *trees = _TREE.split(body)
    return head, trees, end + tail


def _shared(head: str) -> list[str]:
    """What the members of a bag have in common: bin edges differ with the sample, and so do the sizes of trees."""
    return [line for line in head.splitlines() if not line.startswith(("tree_sizes=", "feature_infos="))]


def _scaled(tree: str, number: int, size: int, offset: float) -> str:
    values = [float(value) / size + offset for value in _LEAVES.findall(tree)[0].split()]
    # repr(float): a NumPy scalar's own repr in the text would abort the process that loads it.
    line = "leaf_value=" + " ".join(repr(float(value)) for value in values)
    return re.sub(r"^Tree=\d+$", f"Tree={number}", _LEAVES.sub(line, tree), count=1, flags=re.MULTILINE)
