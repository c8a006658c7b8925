"""Small campaigns for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


@dataclass(frozen=True)
class Campaign:
    """Ids, labels and scores of every household × coupon pair, all [n]."""

    households: NDArray[np.int64]
    coupons: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """The four arrays in the order in which functions take them."""
        return self.households, self.coupons, self.labels, self.scores

    def scored(self, scores: NDArray) -> Campaign:
        """The same pairs with other scores."""
        return replace(self, scores=scores)

    def taken(self, rows: NDArray) -> Campaign:
        """The pairs at `rows`, in that order."""
        return Campaign(*(array[rows] for array in self.arrays))


def random_campaign(households: int, coupons: int, seed: int, levels: int = 1000) -> Campaign:
    """A campaign in which half of the households may redeem, the likelier the higher the score.

    Scores take at most `levels` values, so few levels mean ties. The first pair is redeemed, the second is not.
    """
    random = np.random.default_rng(seed)
    owner, coupon = (axis.ravel() for axis in np.indices((households, coupons)))
    scores = random.integers(levels, size=len(owner)) / levels
    labels = ((owner % 2 == 0) & (random.random(len(owner)) < 0.05 + 0.3 * scores**2)).astype(np.int64)
    labels[:2] = 1, 0
    return Campaign(1000 + 7 * owner, 10**13 + coupon, labels, scores)


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    """Campaigns of a few households and coupons, with and without ties."""
    return random_campaign(
        households=draw(st.integers(1, 6)),
        coupons=draw(st.integers(2, 24)),
        seed=draw(st.integers(0, 2**32)),
        levels=draw(st.sampled_from([1, 2, 5, 1000])),
    )
