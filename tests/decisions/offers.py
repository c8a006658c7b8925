"""Makes small tables of candidates, as `decisions.candidates` gives them, for the tests of what is decided."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("household_id", pa.int64()),
        ("coupon_id", pa.int64()),
        ("campaign_id", pa.int64()),
        ("face_value_cents", pa.int64()),
        ("min_quantity", pa.int64()),
        ("category", pa.string()),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
        ("started", pa.bool_()),
        ("refused", pa.string()),
    ]
)


class Offer(NamedTuple):
    """One candidate."""

    household_id: int
    coupon_id: int
    face_value_cents: int | None = 100
    started: bool = False
    refused: str | None = None


def candidates(*offers: Offer) -> pa.Table:
    """A table of candidates, ordered by household and coupon."""
    shared = {
        "campaign_id": 8,
        "min_quantity": 1,
        "category": None,
        "valid_from": date(2017, 5, 8),
        "valid_to": date(2017, 6, 25),
    }
    return pa.Table.from_pylist([shared | offer._asdict() for offer in sorted(offers, key=lambda o: o[:2])], SCHEMA)
