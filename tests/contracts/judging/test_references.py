"""A foreign key is held against what was known of the other table in the row's own week."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from coupon_pipeline.contracts.judging.references import Reference, known_weeks


def test_a_key_is_known_from_its_first_week_on() -> None:
    reference = Reference(np.array([5, 8]), np.array(["2025-03-03", "2025-03-17"]))
    weeks = np.array(["2025-03-03", "2025-03-10", "2025-03-10", "2025-03-10", "2025-03-24"], "datetime64[D]")
    known = known_weeks(pa.chunked_array([[5, 8], [7, None, 8]]), weeks, reference)
    np.testing.assert_array_equal(known, [0, -1, -np.inf, np.nan, 1])


def test_an_empty_reference_knows_no_key() -> None:
    reference = Reference(np.array([], np.int64), np.array([], "U10"))
    known = known_weeks(pa.chunked_array([[1, None]]), np.array(["2025-03-03"] * 2, "datetime64[D]"), reference)
    np.testing.assert_array_equal(known, [-np.inf, np.nan])


@pytest.mark.parametrize("keys", [[2, 1], [1, 1]])
def test_keys_out_of_order_or_given_twice_are_refused(keys: list[int]) -> None:
    with pytest.raises(ValueError, match="sorted and unique"):
        Reference(np.array(keys), np.array(["2025-03-03"] * 2))


def test_a_week_per_key_is_asked_for() -> None:
    with pytest.raises(ValueError, match="one week per key"):
        Reference(np.array([1, 2]), np.array(["2025-03-03"]))
