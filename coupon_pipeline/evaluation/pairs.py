"""The household × coupon pairs of one campaign, checked and put in one order that the delivery order cannot change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Pairs:
    """n pairs sorted by household, then coupon. Build with `Pairs.of`.

    `households` and `coupons` are codes from 0, in the order of the ids; `redeemed` is the label; `rows` holds the
    position of each pair in the arrays as given. All have shape [n].
    """

    households: NDArray[np.int64]
    coupons: NDArray[np.int64]
    redeemed: NDArray[np.bool_]
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, households: ArrayLike, coupons: ArrayLike, labels: ArrayLike) -> Pairs:
        """Pairs from ids and 0/1 labels, each [n].

        Raises ValueError if lengths differ, an id is not an integer, a label is not 0 or 1, all labels are alike,
        or a pair comes twice.
        """
        household_ids, coupon_ids = _ids("households", households), _ids("coupons", coupons)
        redeemed = binary(labels)
        if not len(household_ids) == len(coupon_ids) == len(redeemed):
            raise ValueError(
                f"households, coupons and labels have {len(household_ids)}, {len(coupon_ids)} and {len(redeemed)} "
                "values: give one of each per pair"
            )
        if redeemed.all() or not redeemed.any():
            raise ValueError(
                f"labels hold {int(redeemed.sum())} redemptions in {len(redeemed)} pairs: ranking needs at least one "
                "redeemed and one unredeemed pair"
            )
        rows = np.lexsort((coupon_ids, household_ids))
        household_ids, coupon_ids = household_ids[rows], coupon_ids[rows]
        _refuse_repeats(household_ids, coupon_ids)
        _, household_codes = np.unique(household_ids, return_inverse=True)
        _, coupon_codes = np.unique(coupon_ids, return_inverse=True)
        return cls(household_codes, coupon_codes, redeemed[rows], rows)

    @property
    def household_count(self) -> int:
        """How many households the campaign has."""
        return int(self.households[-1]) + 1

    def aligned(self, scores: ArrayLike, name: str = "scores") -> NDArray[np.float64]:
        """Scores [n], given in the order of the input, in the order of the pairs.

        Raises ValueError, with `name`, if their number is wrong or one is not finite.
        """
        values = finite(name, scores)
        if len(values) != len(self.rows):
            raise ValueError(f"{name} has {len(values)} values for {len(self.rows)} pairs: give one score per pair")
        return values[self.rows]


def binary(labels: ArrayLike) -> NDArray[np.bool_]:
    """Labels [n] as booleans, whose sums cannot overflow as those of int8 do; ValueError unless each is 0 or 1."""
    values = np.asarray(labels)
    if values.ndim != 1:
        raise ValueError(f"labels has shape {values.shape}: give a flat array")
    wrong = values[(values != 0) & (values != 1)]
    if wrong.size:
        raise ValueError(f"labels holds {wrong[0]!r}: give 1 for a redeemed pair and 0 for any other")
    return values.astype(np.bool_)


def finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values [n] as float64; ValueError, with `name`, if they are not flat or one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: give a flat array")
    wrong = np.flatnonzero(~np.isfinite(array))
    if wrong.size:
        raise ValueError(f"{name} holds {array[wrong[0]]} at position {wrong[0]}: every pair needs a finite value")
    return array


def _ids(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} has type {array.dtype} and shape {array.shape}: give a flat array of integer ids")
    return array.astype(np.int64)


def _refuse_repeats(household_ids: NDArray[np.int64], coupon_ids: NDArray[np.int64]) -> None:
    repeats = np.flatnonzero((np.diff(household_ids) == 0) & (np.diff(coupon_ids) == 0))
    if repeats.size:
        first = repeats[0]
        raise ValueError(
            f"household {household_ids[first]} and coupon {coupon_ids[first]} come more than once: "
            "give one campaign at a time, with one row per pair"
        )
