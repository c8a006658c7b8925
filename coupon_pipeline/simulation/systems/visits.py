"""What the tills of a week ask of the coupon ledger, at the world's own instants: a pure function of its records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.ledger.records import Basket, Line
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.records import WeekRecords

Fate = Literal["twice", "late", "again", "returned", "plain"]
FATES: Final[tuple[tuple[Fate, float], ...]] = (("twice", 0.10), ("late", 0.10), ("again", 0.08), ("returned", 0.05))
"""Shares of uses whose till asks twice, was offline, takes it back and does it again, or takes it back next week."""
TOO_LATE: Final = 0.05
"""Share of the coupons that ended with the week before which are tried all the same."""
ASKED_CENTS: Final = 5
"""What a till wants to take off for a coupon that is over."""
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
DAY: Final = 24 * HOUR


@dataclass(frozen=True)
class Use:
    """One coupon in one basket."""

    issue_id: int
    basket: Basket
    discount_cents: int


@dataclass(frozen=True)
class Call:
    """What a till asks at an instant (epoch milliseconds): to redeem `use`, or to undo what `undoes` (a key) did."""

    at: int
    client: str
    key: str
    use: Use | None = None
    undoes: str | None = None
    is_retry: bool = False
    taken_back_at: int | None = None
    """When the customer comes back with what was bought, in the week after."""


def calls_of(records: WeekRecords, ended: pa.Table, seed: int) -> list[Call]:
    """What the tills ask in a week, as it happens; `ended` are the issues (coupon_issues) that were over before it."""
    redeemed, tried = records.tables["redemptions"], _tried(records.tables["pos_lines"], ended, seed)
    baskets = _baskets(records.tables["pos_lines"], {*redeemed["basket_id"].to_pylist(), *tried.values()})
    closes_at = to_epoch(records.closes_at)
    found: list[Call] = []
    for row, fate in zip(redeemed.to_pylist(), fates(redeemed["issue_id"].to_numpy(), seed), strict=True):
        basket = _basket(baskets[row["basket_id"]], row["household_id"])
        use = Use(row["issue_id"], basket, row["discount_cents"])
        found += _redeeming(use, to_epoch(row["redeemed_at"]), fate, closes_at)
    for issue_id, basket_id in tried.items():
        lines = baskets[basket_id]
        use = Use(issue_id, _basket(lines, lines[0]["household_id"]), ASKED_CENTS)
        found.append(Call(to_epoch(lines[0]["sold_at"]), _client(use), key_of(issue_id, "over"), use))
    return in_order(found)


def in_order(calls: Iterable[Call]) -> list[Call]:
    """Calls as they happen."""
    return sorted(calls, key=lambda call: (call.at, call.key, call.is_retry))


def fates(issue_ids: np.ndarray, seed: int) -> list[Fate]:
    """What becomes of the use of each issue, by a keyed draw."""
    names = [*(name for name, _ in FATES), "plain"]
    bounds = np.cumsum([share for _, share in FATES])
    drawn = uniform(stream(seed, "till fate"), issue_ids)
    return [names[place] for place in np.searchsorted(bounds, drawn, side="right").tolist()]


def key_of(issue_id: int, what: str) -> str:
    """The key under which a till asks: the same for the same use, however often it asks."""
    return f"issue-{issue_id}-{what}"


def _redeeming(use: Use, at: int, fate: Fate, closes_at: int) -> list[Call]:
    """All that one use comes to within its week."""
    client, key, last = _client(use), key_of(use.issue_id, "first"), closes_at - MINUTE
    if fate == "late":
        return [Call(min(at + 5 * HOUR, last), client, key, use)]
    if fate == "returned":
        day, minute = use.issue_id % 6, use.issue_id % 601
        return [Call(at, client, key, use, taken_back_at=closes_at + day * DAY + 9 * HOUR + minute * MINUTE)]
    calls = [Call(at, client, key, use)]
    if fate == "twice":
        calls.append(Call(min(at + 20 * SECOND, last), client, key, use, is_retry=True))
    if fate == "again":
        calls.append(Call(min(at + 4 * MINUTE, last), client, key_of(use.issue_id, "undone"), undoes=key))
        calls.append(Call(min(at + 6 * MINUTE, last + SECOND), client, key_of(use.issue_id, "second"), use))
    return calls


def _tried(lines: pa.Table, ended: pa.Table, seed: int) -> dict[int, int]:
    """Issue that is over -> the basket, its household's first one of the week, in which it is tried all the same."""
    chosen = ended.filter(pa.array(uniform(stream(seed, "till too late"), ended["issue_id"].to_numpy()) < TOO_LATE))
    own = _where(lines.select(["household_id", "basket_id", "sold_at"]), "household_id", chosen["household_id"])
    first: dict[int, int] = {}
    for row in own.sort_by([("sold_at", "ascending"), ("basket_id", "ascending")]).to_pylist():
        first.setdefault(row["household_id"], row["basket_id"])
    owners = zip(chosen["issue_id"].to_pylist(), chosen["household_id"].to_pylist(), strict=True)
    return {issue_id: first[household] for issue_id, household in owners if household in first}


def _baskets(lines: pa.Table, baskets: set[int]) -> dict[int, list[dict[str, Any]]]:
    """Basket -> its lines, as they were scanned."""
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in _where(lines, "basket_id", pa.array(sorted(baskets), pa.int64())).to_pylist():
        found[row["basket_id"]].append(row)
    return found


def _where(lines: pa.Table, column: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    kept = pc.call_function("is_in", [lines[column]], pc.SetLookupOptions(values, skip_nulls=True))
    return lines.filter(kept)


def _basket(lines: Sequence[dict[str, Any]], household_id: int | None) -> Basket:
    sold = [row for row in lines if row["line_kind"] == "sale" and row["quantity"] > 0]
    return Basket(
        store_id=str(lines[0]["store_id"]),
        basket_id=str(lines[0]["basket_id"]),
        till_id=str(lines[0]["till_id"]),
        lines=tuple(Line(row["product_id"], row["quantity"], row["gross_cents"]) for row in sold),
        household_id=household_id,
    )


def _client(use: Use) -> str:
    return f"store-{use.basket.store_id}"
