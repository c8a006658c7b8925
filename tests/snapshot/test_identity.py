"""A decision has one identity, in batch records and in answers."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from coupon_pipeline.snapshot.identity import decision_id, decision_ids


def test_the_identity_is_a_digest_of_what_was_decided() -> None:
    expected = sha256(b"source|2017-05-01|1|20|abc").hexdigest()[:32]
    assert decision_id("source", "2017-05-01", 1, 20, "abc") == expected


def test_arrays_of_ids_give_the_identities_of_their_pairs() -> None:
    found = decision_ids("s", "2017-05-01", np.array([1, 1, 2]), np.array([10, 20, 10]), "v")
    assert found == [decision_id("s", "2017-05-01", h, c, "v") for h, c in ((1, 10), (1, 20), (2, 10))]
    assert len(set(found)) == 3


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        decision_ids("s", "w", [1, 2], [1], "v")
