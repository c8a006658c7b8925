"""Scores rows with the trees of a LightGBM model in NumPy, bit-equal to LightGBM and without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

CELLS: Final = 1 << 19
"""Rows times trees that are walked at once: bounds the memory of a call to some tens of megabytes."""
ZERO: Final = float(np.float32(1e-35))
"""LightGBM reads any value this close to zero as zero."""
MISSING_ZERO, MISSING_NAN = 1, 2
"""What a split takes for missing, besides 0 (nothing); LightGBM's own numbers."""


class UnsupportedModelError(ValueError):
    """A model with an option that these trees do not implement."""


@dataclass(frozen=True)
class Trees:
    """The trees of a binary LightGBM model as flat arrays: C columns, N splits and L leaves over all T trees.

    A column is a feature read in one way: its missing values replaced so that the plain test `value <= threshold` sends
    them to the split's default side. Children and roots below zero are leaves, `~child` their position.
    """

    feature_names: tuple[str, ...]
    column_feature: np.ndarray
    """int32 [C]: position of the feature."""
    column_missing: np.ndarray
    """int8 [C]: 0, MISSING_ZERO or MISSING_NAN."""
    column_left: np.ndarray
    """bool [C]: missing values go left."""
    column: np.ndarray
    """int32 [N]"""
    threshold: np.ndarray
    """float64 [N]"""
    left: np.ndarray
    """int32 [N]; a child that is a split lies behind its parent."""
    right: np.ndarray
    """int32 [N]"""
    leaf_value: np.ndarray
    """float64 [L]"""
    roots: np.ndarray
    """int32 [T]"""

    def raw(self, X: np.ndarray) -> np.ndarray:
        """Raw scores (log odds) of rows, float64 [n], equal to `Booster.predict(X, raw_score=True)` bit for bit.

        `X` is float64 [n, F] in the order of `feature_names`. Raises ValueError for another number of columns.
        """
        if X.ndim != 2 or X.shape[1] != len(self.feature_names):
            raise ValueError(f"rows of shape {X.shape} do not fit a model of {len(self.feature_names)} features")
        block = max(1, CELLS // len(self.roots))
        scores = np.empty(len(X), dtype=np.float64)
        for start in range(0, len(X), block):
            leaves = self.leaf_value[self._leaves(np.asarray(X[start : start + block], dtype=np.float64))]
            # Tree by tree from 0.0, as LightGBM adds; np.sum would add in pairs and change the last bits.
            scores[start : start + block] = np.add.accumulate(leaves, axis=1)[:, -1] + 0.0
        return scores

    def _leaves(self, X: np.ndarray) -> np.ndarray:
        """The leaf that each row reaches in each tree, int64 [n, T]."""
        values, count = self._columns(X), len(self.roots)
        at = np.tile(self.roots, len(X)).astype(np.int64)
        active = np.flatnonzero(at >= 0)
        while len(active):
            split = at[active]
            goes_left = values[active // count, self.column[split]] <= self.threshold[split]
            child = np.where(goes_left, self.left[split], self.right[split])
            at[active] = child
            active = active[child >= 0]
        return ~at.reshape(len(X), count)

    def _columns(self, X: np.ndarray) -> np.ndarray:
        """The rows as the splits read them, float64 [n, C]; section `NumericalDecision` of LightGBM's tree.h."""
        values = X[:, self.column_feature]
        values[np.abs(values) <= ZERO] = 0.0
        values[np.isnan(values) & (self.column_missing != MISSING_NAN)] = 0.0
        missing = np.isnan(values) | ((values == 0.0) & (self.column_missing == MISSING_ZERO))
        # Nothing lies below -inf and no comparison with NaN holds; +inf would go left of an infinite threshold.
        return np.where(missing, np.where(self.column_left, -np.inf, np.nan), values)


def probability(raw: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-raw)), float64 [n]."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-raw))


def parse(model_text: str) -> Trees:
    """The trees of `Booster.model_to_string()`, a merged bag of boosters included.

    Raises UnsupportedModelError, naming the option, for anything but numeric splits of one binary score with sigmoid 1,
    and for a text that is not a whole model.
    """
    body, end, _ = model_text.partition("\nend of trees")
    head, *trees = re.split(r"^Tree=\d+$", body, flags=re.MULTILINE)
    header = _fields(head)
    _refuse_header(head, header)
    if not end:
        raise UnsupportedModelError("the model text is cut off before `end of trees`: export the booster again")
    if not trees:
        raise UnsupportedModelError("the model has no trees: train at least one round")
    parsed = [_fields(tree) for tree in trees]
    for number, tree in enumerate(parsed):
        _refuse_tree(number, tree)
    try:
        return _flat(tuple(header["feature_names"].split()), parsed)
    except (KeyError, ValueError) as error:
        raise UnsupportedModelError(f"the model text is damaged ({error}): export the booster again") from error


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _refuse_header(text: str, header: Mapping[str, str]) -> None:
    checks = {
        "objective": header.get("objective", "").split() == ["binary", "sigmoid:1"],
        "num_class": header.get("num_class") == "1",
        "num_tree_per_iteration": header.get("num_tree_per_iteration") == "1",
        "average_output": "average_output" not in text.splitlines(),
    }
    for option, fine in checks.items():
        if not fine:
            found = header.get(option, "set" if option == "average_output" else "missing")
            raise UnsupportedModelError(f"{option} ({found}) is not supported: train one binary score with sigmoid 1")


def _refuse_tree(number: int, tree: Mapping[str, str]) -> None:
    for option, word in (("num_cat", "categorical splits"), ("is_linear", "linear trees")):
        if tree.get(option, "0") != "0":
            raise UnsupportedModelError(f"{option}={tree[option]} in tree {number}: {word} are not supported")


def _flat(names: tuple[str, ...], trees: list[dict[str, str]]) -> Trees:
    def joined(key: str, dtype: type) -> np.ndarray:
        return np.array([value for tree in trees for value in tree[key].split()], dtype=dtype)

    leaves = np.array([int(tree["num_leaves"]) for tree in trees])
    splits = leaves - 1
    first_split, first_leaf = (np.concatenate(([0], np.cumsum(sizes)[:-1])) for sizes in (splits, leaves))

    def children(key: str) -> np.ndarray:
        child = joined(key, np.int64)
        return np.where(child >= 0, child + np.repeat(first_split, splits), child - np.repeat(first_leaf, splits))

    kind = joined("decision_type", np.int64)
    # Bit 1 of a decision type is the default side (set: left), bits 2 and 3 say what counts as missing.
    reading = np.stack([joined("split_feature", np.int64), kind >> 2 & 3, kind >> 1 & 1], axis=1)
    columns, column = np.unique(reading, axis=0, return_inverse=True)
    return Trees(
        feature_names=names,
        column_feature=columns[:, 0].astype(np.int32),
        column_missing=columns[:, 1].astype(np.int8),
        column_left=columns[:, 2].astype(bool),
        column=column.astype(np.int32),
        threshold=joined("threshold", np.float64),
        left=children("left_child").astype(np.int32),
        right=children("right_child").astype(np.int32),
        leaf_value=joined("leaf_value", np.float64),
        roots=np.where(splits > 0, first_split, ~first_leaf).astype(np.int32),
    )
