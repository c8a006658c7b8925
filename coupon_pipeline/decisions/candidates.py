"""Which coupon might go to whom: live offers of the coming week, each pair refused by name or eligible."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import ibis
import numpy as np
import pyarrow as pa

from coupon_pipeline.decisions.arms import is_due, is_held_out
from coupon_pipeline.sources.source import Assignment
from coupon_pipeline.tables import AsOf

HORIZON: Final = timedelta(days=7)
"""A cycle decides for the week after its decision time."""

REFUSALS: Final = (
    "erased",
    "no_marketing_consent",
    "held_out",
    "already_redeemed",
    "already_issued",
    "live_coupon_in_category",
)
"""Reasons why a pair is not eligible, the first that holds wins."""

READS: Final = (
    "campaigns",
    "campaign_targets",
    "coupons",
    "customers",
    "coupon_redemptions",
    "coupon_issues",
)
"""Clean tables that candidates come from; the last one is optional."""


def candidates(as_of: AsOf, assignment: Assignment | None) -> pa.Table:
    """All pairs of targeted households and live coupons, ordered by (household_id, coupon_id).

    Columns: household_id, coupon_id, campaign_id, face_value_cents (null where unknown), min_quantity, category,
    valid_from, valid_to, started (the offer's life began before the decision time) and refused (one of REFUSALS, null
    if eligible). With an assignment, only households whose turn the cycle is; held-out ones are refused.
    """
    pairs = _with_arms(as_of, _live(as_of), assignment)
    return _judged(as_of, pairs).order_by("household_id", "coupon_id").to_pyarrow()


def not_due(as_of: AsOf, assignment: Assignment) -> int:
    """How many pairs of targeted households and live coupons wait for another cycle."""
    pairs = _live(as_of)
    ids = _households(pairs)
    waiting = ibis.memtable({"household_id": ids[~_due(as_of, ids, assignment)]}, schema={"household_id": "int64"})
    return int(pairs.semi_join(waiting, "household_id").count().to_pyarrow().as_py())


def _today(as_of: AsOf) -> date:
    return as_of.store.calendar.local_day(as_of.instant)


def _live(as_of: AsOf) -> ibis.Table:
    today = _today(as_of)
    coupons = as_of.state("coupons")
    live = coupons.filter(coupons.valid_from < ibis.date(today + HORIZON), coupons.valid_to >= ibis.date(today))
    targets = as_of.state("campaign_targets").select("campaign_id", "household_id")
    return targets.join(live, "campaign_id").select(
        "household_id",
        "coupon_id",
        "campaign_id",
        "face_value_cents",
        "min_quantity",
        "category",
        "valid_from",
        "valid_to",
        started=live.valid_from < ibis.date(today),
    )


def _households(pairs: ibis.Table) -> np.ndarray:
    return pairs.select("household_id").distinct().order_by("household_id").to_pyarrow()["household_id"].to_numpy()


def _due(as_of: AsOf, ids: np.ndarray, assignment: Assignment) -> np.ndarray:
    closed = _today(as_of) - timedelta(days=1)
    cycle = closed - timedelta(days=closed.weekday())
    return is_due(ids, assignment.salt, cycle, assignment.every_cycles)


def _with_arms(as_of: AsOf, pairs: ibis.Table, assignment: Assignment | None) -> ibis.Table:
    """The pairs whose household is due, with a flag `held_out`."""
    if assignment is None:
        return pairs.mutate(held_out=ibis.literal(False))
    ids = _households(pairs)
    ids = ids[_due(as_of, ids, assignment)]
    held_out = is_held_out(ids, assignment.salt, assignment.holdout_percent)
    schema = {"household_id": "int64", "held_out": "boolean"}
    due = ibis.memtable(pa.table({"household_id": ids, "held_out": held_out}), schema=schema)
    return pairs.join(due, "household_id")


def _judged(as_of: AsOf, pairs: ibis.Table) -> ibis.Table:
    customers = as_of.state("customers").select("household_id", "marketing_consent", "erased_at")
    issued, redeemed = as_of.table("coupon_issues"), as_of.state("coupon_redemptions")
    # Of a household that the CRM no longer knows there is nothing to decide.
    known = pairs.join(customers, "household_id")
    pair, category = ["household_id", "coupon_id"], ["household_id", "category"]
    for flag, part, keys in (
        ("redeemed", redeemed.select(pair).distinct(), pair),
        ("issued", issued.select(pair).distinct(), pair),
        ("held", _held(as_of, issued, redeemed), category),
    ):
        found = part.mutate(**{flag: ibis.literal(True)})
        known = known.left_join(found, keys).drop(*(f"{key}_right" for key in keys))
    refused = ibis.cases(
        (known.erased_at.notnull(), "erased"),
        (~known.marketing_consent.fill_null(False), "no_marketing_consent"),
        (known.held_out, "held_out"),
        (known.redeemed.notnull(), "already_redeemed"),
        (known.issued.notnull(), "already_issued"),
        (known.held.notnull(), "live_coupon_in_category"),
        else_=None,
    )
    flags = ("marketing_consent", "erased_at", "held_out", "redeemed", "issued", "held")
    return known.mutate(refused=refused).drop(*flags)


def _held(as_of: AsOf, issued: ibis.Table, redeemed: ibis.Table) -> ibis.Table:
    """(household_id, category) of issues that can still be redeemed."""
    coupons = as_of.state("coupons").select("coupon_id", "category", "valid_to")
    live = coupons.filter(coupons.valid_to >= ibis.date(_today(as_of)))
    open_issues = issued.anti_join(redeemed, ["household_id", "coupon_id"])
    return open_issues.join(live, "coupon_id").select("household_id", "category").distinct()
