"""Computes features for pairs as of one instant: the same call for training, batch decisions and tests."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import numpy as np
import pyarrow as pa

from coupon_pipeline.features import coupon, household, pair
from coupon_pipeline.features.feature import FeatureSet
from coupon_pipeline.features.history import History
from coupon_pipeline.tables import AsOf


@dataclass(frozen=True)
class Blocks:
    """Features in three tables, each ordered by its key and in the order of the feature set: all float64."""

    households: pa.Table
    """household_id and one column per household feature: every known household."""
    coupons: pa.Table
    """coupon_id and one column per coupon feature: the coupons of the pairs."""
    pairs: pa.Table
    """household_id, coupon_id and one column per pair feature."""


def blocks(as_of: AsOf, pairs: pa.Table, features: FeatureSet) -> Blocks:
    """Features of `pairs` (household_id, coupon_id: int64, distinct) from what was known before the instant."""
    history = History(as_of, pairs)

    def ordered(family: str, table: ibis.Table, *keys: str) -> pa.Table:
        columns = {name: table[name].cast("float64") for name in features.of(family)}
        return table.select(*keys, **columns).order_by(keys).to_pyarrow()

    return Blocks(
        ordered("household", household.table(history), "household_id"),
        ordered("coupon", coupon.table(history), "coupon_id"),
        ordered("pair", pair.table(history), "household_id", "coupon_id"),
    )


def assemble(parts: Blocks, features: FeatureSet) -> pa.Table:
    """One row per pair, ordered by (household_id, coupon_id): both keys, then all features in model order."""
    households = parts.households.take(_positions(parts.pairs["household_id"], parts.households["household_id"]))
    coupons = parts.coupons.take(_positions(parts.pairs["coupon_id"], parts.coupons["coupon_id"]))
    found = {
        **{name: parts.pairs[name] for name in parts.pairs.column_names},
        **{name: households[name] for name in features.of("household")},
        **{name: coupons[name] for name in features.of("coupon")},
    }
    return pa.table({name: found[name].combine_chunks() for name in ("household_id", "coupon_id", *features.names)})


def compute(as_of: AsOf, pairs: pa.Table, features: FeatureSet) -> pa.Table:
    """Features of `pairs`, one row each; see `blocks` and `assemble`."""
    return assemble(blocks(as_of, pairs, features), features)


def _positions(keys: pa.ChunkedArray, ascending: pa.ChunkedArray) -> pa.Array:
    """Where each key stands; one that is not there gives a null, and so a row of nulls."""
    found, wanted = ascending.to_numpy(), keys.to_numpy()
    positions = np.searchsorted(found, wanted).clip(max=max(len(found) - 1, 0))
    return pa.array(positions, mask=found[positions] != wanted if len(found) else np.ones(len(wanted), bool))
