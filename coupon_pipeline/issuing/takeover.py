"""What the ledger takes over in its first cycle: live issues from before, and the ids that are taken."""

from __future__ import annotations

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.issuing.offers import offers
from coupon_pipeline.ledger.records import Imported
from coupon_pipeline.tables import AsOf

ROOM = 10**17
"""Beyond it no power of ten is left above an id of 64 bits."""


def live_issues(as_of: AsOf) -> list[Imported]:
    """The issues that are neither used nor over, sorted by id; whoever may not get coupons is left to the ledger."""
    issued, redeemed = as_of.table("coupon_issues"), as_of.state("coupon_redemptions")
    live = issued.filter(issued.household_id.notnull()).semi_join(offers(as_of), "coupon_id")
    # A use that names no issue is one of the household's coupon.
    pairs = redeemed.filter(redeemed.issue_id.isnull())
    live = live.anti_join(redeemed, "issue_id").anti_join(pairs, ["household_id", "coupon_id"])
    return [
        Imported(
            row["issue_id"],
            row["coupon_id"],
            row["household_id"],
            to_epoch(row["issued_at"]),
            row["channel"],
            row["decision_id"],
            row["arm"],
            row["policy"],
            row["propensity"],
        )
        for row in live.order_by("issue_id").to_pyarrow().to_pylist()
    ]


def largest_id(as_of: AsOf, table: str, column: str) -> int:
    """The largest id that a table has had; 0 without any."""
    rows = as_of.table(table)
    found: int | None = rows.aggregate(largest=rows[column].max()).to_pyarrow()["largest"][0].as_py()
    return found or 0


def above(largest: int) -> int:
    """A round number above all ids so far, to be added to ids that begin at 1; 0 where there is none so far."""
    return 0 if largest < 1 else largest if largest > ROOM else 10 ** len(str(largest))
