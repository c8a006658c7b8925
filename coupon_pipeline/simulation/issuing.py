"""Coupons that households hold: random ones in the warm-up, later those that the pipeline has issued."""

from __future__ import annotations

from collections import Counter
from datetime import time

import numpy as np
import pyarrow as pa

from coupon_pipeline.decisions.arms import is_held_out
from coupon_pipeline.simulation.clockwork import instant
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.population import size_at
from coupon_pipeline.simulation.records import SCHEMAS
from coupon_pipeline.simulation.relations import channels, targets
from coupon_pipeline.simulation.state import State
from coupon_pipeline.simulation.waves import COUPONS_PER_CAMPAIGN, first_wave
from coupon_pipeline.snapshot.identity import decision_ids
from coupon_pipeline.weeks import WEEK

SOURCE, POLICY, POLICY_VERSION = "simulated", "uniform", "warm-up"
ISSUED = time(6)
SLOTS = 100
"""Most coupons of a household and week; an issue's number is made of week, household and slot."""


def random_issues(world: World, week: int) -> pa.Table:
    """Uniform issues of a week of the warm-up, as coupon_issues: so that what a coupon causes can be learned.

    Each due household that is not held out gets k coupons drawn uniformly from the wave; a later one of a category that
    it has already drawn is dropped. Propensity of a pair: 1/n * (1 + (1 - q) + (1 - q)^2 + ...) over k draws from n
    coupons, q being the share of those in the coupon's category.
    """
    spec = world.spec
    if week < first_wave(spec) or week >= spec.warmup_weeks:
        return SCHEMAS["coupon_issues"].empty_table()
    people, wave = world.people(size_at(spec, week)), world.wave(week)
    chosen = targets(world, week)
    ids = people.ids[chosen]
    ids = ids[~is_held_out(ids, spec.salt, spec.holdout_percent)]
    slots = np.arange(spec.coupons_per_household)
    u = uniform(stream(spec.seed, f"random issue/{week}"), ids[:, None], slots[None, :])
    drawn = (u * len(wave.coupon_ids)).astype(np.int64)
    category = wave.category[drawn]
    repeated = np.array([[any(row[slot] == row[:slot]) for slot in slots] for row in category]).reshape(drawn.shape)
    rows, slot = np.nonzero(~repeated)
    coupon = drawn[rows, slot]
    size = len(wave.coupon_ids)
    shares = np.bincount(wave.category, minlength=spec.categories)[wave.category] / size
    propensity = sum((1 - shares) ** n for n in slots) / size
    cycle = (spec.monday(week) - WEEK).isoformat()
    held = ids[rows]
    columns = {
        "issue_id": (week * 10_000_000 + held) * SLOTS + slot,
        "coupon_id": wave.coupon_ids[coupon],
        "household_id": held,
        "decision_id": decision_ids(
            "simulated", cycle, held.tolist(), wave.coupon_ids[coupon].tolist(), POLICY_VERSION
        ),
        "propensity": propensity[coupon],
        "policy": np.full(len(held), POLICY),
        "arm": np.full(len(held), "explore"),
        "channel": channels(world, held),
        "issued_at": np.full(len(held), instant(spec.monday(week), ISSUED, spec.timezone)),
    }
    return pa.table([columns[name] for name in SCHEMAS["coupon_issues"].names], SCHEMAS["coupon_issues"])


def of_record(world: World, week: int, recorded: pa.Table, decided: pa.Table) -> pa.Table:
    """The issues (coupon_issues) of a week by the record of the pipeline's cycle for it, under the ids of its ledger.

    `recorded` has decision_id, household_id, coupon_id and issue_id, null where nothing was issued; `decided` has what
    is known of each decision_id (coupon_assignments).
    """
    rows = recorded.filter(recorded["issue_id"].is_valid()).sort_by("issue_id")
    place = {decision: at for at, decision in enumerate(decided["decision_id"].to_pylist())}
    at = pa.array([place.get(decision) for decision in rows["decision_id"].to_pylist()], pa.int64())
    issued = instant(world.spec.monday(week), ISSUED, world.spec.timezone)
    columns = {
        **{name: rows[name] for name in ("issue_id", "coupon_id", "household_id", "decision_id")},
        **{name: decided[name].combine_chunks().take(at) for name in ("propensity", "policy", "arm")},
        "channel": channels(world, rows["household_id"].to_numpy()),
        "issued_at": np.full(rows.num_rows, issued),
    }
    return pa.table([columns[name] for name in SCHEMAS["coupon_issues"].names], SCHEMAS["coupon_issues"])


def accepted(world: World, state: State, issues: pa.Table) -> tuple[np.ndarray, Counter[str]]:
    """The issues (ISSUE) that the tills will honour in the state's week, and how many are refused, by reason.

    Refused row by row, the first reason that holds: unknown_household, no_consent, unknown_coupon, category_taken.
    """
    week, refused = state.week, Counter[str]()
    people = world.people(len(state.active))
    households = issues["household_id"].to_numpy() - 1
    campaign, number = np.divmod(issues["coupon_id"].to_numpy(), COUPONS_PER_CAMPAIGN)
    known = (households >= 0) & (households < people.size)
    contactable = people.contactable(week)[np.clip(households, 0, people.size - 1)]
    wave = world.wave(week)
    current = (campaign == wave.campaign_id) & (number >= 1) & (number <= len(wave.coupon_ids))
    live = state.issues[~state.issues["used"]]
    taken = set(zip(live["household"].tolist(), _categories(world, live).tolist(), strict=True))
    kept = []
    order = np.argsort(issues["issue_id"].to_numpy(), kind="stable")
    for row in order:
        reason = None
        if not known[row]:
            reason = "unknown_household"
        elif not contactable[row]:
            reason = "no_consent"
        elif not current[row]:
            reason = "unknown_coupon"
        elif (slot := (int(households[row]), int(wave.category[number[row] - 1]))) in taken:
            reason = "category_taken"
        if reason is None:
            taken.add(slot)
            kept.append(row)
        else:
            refused[reason] += 1
    chosen = np.array(kept, np.int64)
    ids = issues["issue_id"].to_numpy()[chosen]
    return world.issued(week, ids, households[chosen], number[chosen] - 1), refused


def _categories(world: World, issues: np.ndarray) -> np.ndarray:
    found = np.zeros(len(issues), np.int64)
    for week in np.unique(issues["week"]):
        of = issues["week"] == week
        found[of] = world.wave(int(week)).category[issues["coupon"][of]]
    return found
