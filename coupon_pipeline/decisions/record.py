"""The decision record: one row per assigned coupon, one row per household that was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import numpy as np
import pyarrow as pa

from coupon_pipeline.decisions.policy import OBJECTIVE, POLICY, Decisions
from coupon_pipeline.snapshot.identity import decision_ids

ASSIGNMENTS = pa.schema(
    [
        ("decision_id", pa.string()),
        ("cycle", pa.date32()),
        ("household_id", pa.int64()),
        ("coupon_id", pa.int64()),
        ("arm", pa.string()),
        ("policy", pa.string()),
        ("policy_version", pa.string()),
        ("propensity", pa.float64()),
        ("propensity_none", pa.float64()),
        ("score", pa.float64()),
        ("redemption_probability", pa.float64()),
        ("d_units_coupon", pa.float64()),
        ("d_units_category", pa.float64()),
        ("value_cents", pa.float64()),
        ("cost_cents", pa.float64()),
        ("objective", pa.string()),
        ("prices_version", pa.string()),
        ("model_version", pa.string()),
        ("feature_hash", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("decided_at", pa.timestamp("us")),
        ("for_week", pa.date32()),
    ]
)
"""coupon_assignments; value_cents and cost_cents are expectations, hence fractions. Null: not filled by this policy."""

CONTEXTS = pa.schema(
    [
        ("cycle", pa.date32()),
        ("household_id", pa.int64()),
        ("arm", pa.string()),
        ("epsilon", pa.float64()),
        ("eligible_hash", pa.string()),
        ("eligible", pa.list_(pa.int64())),
        ("policy_choice", pa.list_(pa.int64())),
        ("prices_version", pa.string()),
    ]
)
"""decision_contexts: eligible and policy_choice are ascending coupon ids, eligible_hash the SHA-256 of the former."""

GROUPED = """
select
    household_id,
    coalesce(list(coupon_id order by coupon_id) filter (is_eligible), []) as eligible,
    coalesce(list(coupon_id order by coupon_id) filter (is_chosen), []) as policy_choice,
    sha256(array_to_string(eligible, ',')) as eligible_hash
from offers
group by household_id
order by household_id
"""


@dataclass(frozen=True)
class Stamp:
    """What all rows of one cycle share."""

    source: str
    cycle: date
    decided_at: datetime
    for_week: date
    policy_version: str
    prices_version: str
    model_version: str
    feature_hash: str
    assumptions: tuple[str, ...]
    """Named assumptions that hold for every row of the source."""


def assignments(candidates: pa.Table, decisions: Decisions, stamp: Stamp) -> pa.Table:
    """The assigned candidates as coupon_assignments, ordered by (household_id, coupon_id).

    Arm `policy` without a propensity: nothing was drawn at random, so off-policy evaluation has to refuse these rows.
    """
    kept = candidates.filter(pa.array(decisions.assigned))
    households, coupons = kept["household_id"].to_numpy(), kept["coupon_id"].to_numpy()
    shared = {
        "cycle": stamp.cycle,
        "arm": "policy",
        "policy": POLICY,
        "policy_version": stamp.policy_version,
        "objective": OBJECTIVE,
        "prices_version": stamp.prices_version,
        "model_version": stamp.model_version,
        "feature_hash": stamp.feature_hash,
        "decided_at": stamp.decided_at,
        "for_week": stamp.for_week,
    }
    filled = {
        "decision_id": decision_ids(stamp.source, stamp.cycle.isoformat(), households, coupons, stamp.policy_version),
        "household_id": households,
        "coupon_id": coupons,
        "score": decisions.score[decisions.assigned],
        "redemption_probability": decisions.probability[decisions.assigned],
        "cost_cents": decisions.cost_cents[decisions.assigned],
        "reasons": _reasons(kept, stamp),
    }
    return _table(ASSIGNMENTS, kept.num_rows, filled, shared)


def _table(schema: pa.Schema, rows: int, filled: dict[str, object], shared: dict[str, object]) -> pa.Table:
    def column(field: pa.Field) -> pa.Array:
        if field.name in filled:
            return pa.array(filled[field.name], field.type)
        return pa.repeat(pa.scalar(shared.get(field.name), field.type), rows)

    return pa.table([column(field) for field in schema], schema=schema)


def _reasons(kept: pa.Table, stamp: Stamp) -> list[list[str]]:
    """Caveats per row: assumptions in use, and that the probability is for a whole window of which a part is over."""
    unknown_value = kept["face_value_cents"].is_null().to_numpy()
    started = kept["started"].to_numpy()
    caveats = np.column_stack([unknown_value, started]) if kept.num_rows else np.empty((0, 2), bool)
    names = ("assumed_face_value_cents", "probability_for_whole_window")
    by_case = {
        (bool(a), bool(b)): [*stamp.assumptions, *(name for name, on in zip(names, (a, b), strict=True) if on)]
        for a in (False, True)
        for b in (False, True)
    }
    return [by_case[bool(a), bool(b)] for a, b in caveats.tolist()]


def contexts(candidates: pa.Table, decisions: Decisions, stamp: Stamp) -> pa.Table:
    """One row per household with a candidate: what it could have got and what the policy chose for it."""
    offers = pa.table(
        {
            "household_id": candidates["household_id"],
            "coupon_id": candidates["coupon_id"],
            "is_eligible": candidates["refused"].is_null(),
            "is_chosen": pa.array(decisions.assigned),
        }
    )
    with duckdb.connect() as engine:
        engine.register("offers", offers)
        grouped = engine.sql(GROUPED).to_arrow_table()
    filled = {name: grouped[name].combine_chunks() for name in grouped.column_names}
    shared = {"cycle": stamp.cycle, "arm": "policy", "epsilon": 0.0, "prices_version": stamp.prices_version}
    return _table(CONTEXTS, grouped.num_rows, filled, shared)
