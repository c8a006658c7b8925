"""What the ledger exports, as the rows that a source delivers: the contract's columns, saying where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from coupon_pipeline.clock import from_epoch
from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.contracts.contract import KNOWN_AT
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.ledger.records import ExportedIssue, ExportedRedemption

ISSUES, REDEMPTIONS = "coupon_issues", "coupon_redemptions"
ORIGIN = "ledger: outbox"
"""Where the rows come from; an event has no place in a file."""

Numbers = Callable[[Sequence[str | None]], Sequence[int | None]]
"""Turns the texts that tills send into the numbers of the contract."""


def issues(exported: Sequence[ExportedIssue]) -> pa.Table:
    """Rows of coupon_issues, in the order in which they are known.

    An issue to nobody has no decision either: who lists all households could find its own by the decision's digest.
    """
    ordered = sorted(exported, key=lambda one: (one.known_at, one.issue_id))
    rows = [asdict(one) for one in ordered]
    for row in rows:
        row["issued_at"] = from_epoch(row["issued_at"])
        if row["household_id"] is None:
            row["decision_id"] = None
    return _delivered(ISSUES, rows)


def redemptions(exported: Sequence[ExportedRedemption], above: int, numbers: Mapping[str, Numbers]) -> pa.Table:
    """Rows of coupon_redemptions, in the order in which they are known.

    `above` is added to the ledger's own ids, so that none is one that a system has given before. `numbers` has what
    turns the texts of a column into numbers.
    """
    ordered = sorted(exported, key=lambda one: (one.known_at, one.redemption_id))
    rows = [asdict(one) for one in ordered]
    for name, numbered in numbers.items():
        cells = numbered([row[name] for row in rows])
        for row, cell in zip(rows, cells, strict=True):
            row[name] = cell
    for row in rows:
        row["redemption_id"] += above
        row["redeemed_at"] = from_epoch(row["redeemed_at"])
    return _delivered(REDEMPTIONS, rows)


def plain_numbers(texts: Sequence[str | None]) -> list[int | None]:
    """Decimal texts as they are; another one is none of the grocer's numbers, so that nothing is known."""
    return [int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None for text in texts]


def _delivered(table: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    for row in rows:
        row[KNOWN_AT] = from_epoch(row[KNOWN_AT])
    fields = [pa.field(field.name, field.type) for field in arrow.schema(reader.load(table))]
    found = pa.Table.from_pylist(list(rows), pa.schema(fields))
    return Lineage.whole(ORIGIN, found.num_rows).attached(found)
