"""What the CRM records of a week: members and their consent, campaigns with their coupons and targets, engagement."""

from __future__ import annotations

from datetime import time, timedelta

import numpy as np
import pyarrow as pa

from coupon_pipeline.decisions.arms import is_due
from coupon_pipeline.simulation import population
from coupon_pipeline.simulation.baskets import people_ids, product_ids
from coupon_pipeline.simulation.clockwork import instant, instants
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.population import Population
from coupon_pipeline.simulation.records import SCHEMAS
from coupon_pipeline.simulation.state import Lived
from coupon_pipeline.simulation.waves import LIFE_WEEKS, Wave, first_wave

ANNOUNCED = time(17)
BUDGET_CENTS, LIABILITY_CENTS = 10_000, 1_000_000
"""Limits of a weekly campaign for 2,500 households; they grow with the chain."""
CHANNELS, CHANNEL_BOUNDS = np.array(["app", "email", "print"]), np.array([0.5, 0.85])
CLICKED = 0.3
TOLD = 0.324
"""Share of households that told the chain something about themselves."""
BANDS: dict[str, tuple[tuple[str, float], ...]] = {
    "age_band": (("19-24", 0.06), ("25-34", 0.18), ("35-44", 0.24), ("45-54", 0.36), ("55-64", 0.07), ("65+", 0.09)),
    "income_band": (
        ("Under 15K", 0.08), ("15-24K", 0.09), ("25-34K", 0.10), ("35-49K", 0.21), ("50-74K", 0.24), ("75-99K", 0.12),
        ("100-124K", 0.04), ("125-149K", 0.05), ("150-174K", 0.04), ("175-199K", 0.01), ("200-249K", 0.01),
        ("250K+", 0.01),
    ),
    "home_ownership": (("Homeowner", 0.63), ("Renter", 0.05), ("Probable Owner", 0.02), ("Probable Renter", 0.01)),
    "marital_status": (("Married", 0.42), ("Unmarried", 0.41)),
    "household_size": (("1", 0.32), ("2", 0.40), ("3", 0.14), ("4", 0.06), ("5+", 0.08)),
    "household_composition": (
        ("2 Adults No Kids", 0.32), ("1 Adult No Kids", 0.31), ("2 Adults Kids", 0.24), ("1 Adult Kids", 0.06),
        ("Unknown", 0.07),
    ),
    "kids_count": (("0", 0.70), ("1", 0.14), ("2", 0.08), ("3+", 0.08)),
}  # fmt: skip
"""Band -> share among those who told anything; what is missing to 1 is left empty."""


def relation_tables(world: World, lived: Lived, issues: pa.Table) -> dict[str, pa.Table]:
    """The CRM's tables of a week and the issues (coupon_issues) that began in it."""
    week = lived.week
    people = world.people(population.size_at(world.spec, week))
    announced = world.wave(week + 1) if week + 1 >= first_wave(world.spec) else None
    return {
        "customers": _customers(world, people, week),
        **_campaign(world, people, announced, week),
        "engagements": _engagements(world, lived, issues),
        "coupon_issues": issues,
    }


def targets(world: World, week: int) -> np.ndarray:
    """Positions of the households that the campaign of a week is for: contactable when it is announced, and due."""
    people = world.people(population.size_at(world.spec, week - 1))
    spec = world.spec
    due = is_due(people.ids, spec.salt, spec.monday(week - 1), spec.every_cycles)
    return np.flatnonzero(due & people.contactable(week - 1))


def channels(world: World, household_ids: np.ndarray) -> np.ndarray:
    """The channel by which each household gets its coupons."""
    return CHANNELS[np.searchsorted(CHANNEL_BOUNDS, uniform(stream(world.spec.seed, "channel"), household_ids))]


def _moments(world: World, name: str, ids: np.ndarray, week: int) -> np.ndarray:
    """A moment of the week per household, within opening hours."""
    u, v = (uniform(world.luck(f"{name} {part}", week), ids) for part in ("day", "second"))
    seconds = 8 * 3600 + (v * 12 * 3600).astype(np.int64)
    return instants(world.spec.monday(week), (u * 7).astype(int), seconds, world.spec.timezone)


def _customers(world: World, people: Population, week: int) -> pa.Table:
    """Members as they are at the start of the first week, later one row per change."""
    parts = []
    if week == 0:
        founding = people.ids[people.joins < 0]
        opened = instant(world.spec.monday(0), time(0, 1), world.spec.timezone)
        parts.append(_rows(world, people, founding, np.full(len(founding), opened), people.consents[founding - 1]))
    for name, at in (("joining", people.joins), ("withdrawal", people.withdraws), ("erasure", people.erases)):
        ids = people.ids[at == week]
        if name == "withdrawal":
            ids = ids[people.consents[ids - 1] & (people.erases[ids - 1] > week)]
        consents = people.consents[ids - 1] & (name == "joining")
        parts.append(_rows(world, people, ids, _moments(world, name, ids, week), consents, erased=name == "erasure"))
    order = [("household_id", "ascending"), ("changed_at", "ascending")]
    return pa.concat_tables(parts).sort_by(order).combine_chunks()


def _rows(
    world: World, people: Population, ids: np.ndarray, changed: np.ndarray, consents: np.ndarray, erased: bool = False
) -> pa.Table:
    """Rows of members; an erased one keeps its number alone."""
    joined = np.maximum(people.joins[ids - 1], 0) * 7 + np.datetime64(world.spec.monday(0))
    before = (uniform(stream(world.spec.seed, "member since"), ids) * 3_000).astype("timedelta64[D]")
    joined = np.where(people.joins[ids - 1] < 0, joined - before, joined)
    told = uniform(stream(world.spec.seed, "told"), ids) < TOLD
    columns = {
        "household_id": ids,
        "joined_at": pa.array(joined, pa.date32(), mask=np.full(len(ids), erased)),
        "marketing_consent": consents,
        "erased_at": pa.array(changed, mask=np.full(len(ids), not erased)),
        **{name: _band(world, name, ids, told & (not erased)) for name in BANDS},
        "changed_at": changed,
    }
    return pa.table([columns[name] for name in SCHEMAS["customers"].names], SCHEMAS["customers"])


def _band(world: World, name: str, ids: np.ndarray, told: np.ndarray) -> pa.Array:
    values, shares = zip(*BANDS[name], strict=True)
    place = np.searchsorted(np.cumsum(shares), uniform(stream(world.spec.seed, f"band {name}"), ids))
    return pa.array(np.array([*values, ""])[place], mask=~told | (place == len(values)))


def _campaign(world: World, people: Population, wave: Wave | None, week: int) -> dict[str, pa.Table]:
    """The campaign that starts next week, with its targets, coupons and their products."""
    names = ("campaigns", "campaign_targets", "coupons", "coupon_products")
    if wave is None:
        return {name: SCHEMAS[name].empty_table() for name in names}
    spec = world.spec
    known = instant(spec.monday(week) + timedelta(days=3), ANNOUNCED, spec.timezone)
    starts = np.datetime64(spec.monday(wave.week))
    ends = starts + np.timedelta64(7 * LIFE_WEEKS - 1, "D")
    households = people.ids[targets(world, wave.week)]
    size = len(wave.coupon_ids)
    scale = spec.households / 2_500
    listed = np.concatenate([np.arange(a, b) for a, b in zip(wave.first, wave.last, strict=True)])
    by_supplier = wave.supplier_share_bp > 0
    supplier = world.catalogue.supplier_id[wave.first]
    columns = {
        "campaigns": {
            "campaign_id": [wave.campaign_id],
            "kind": ["weekly"],
            "starts_on": np.array([starts]),
            "ends_on": np.array([ends]),
            "budget_cents": [round(BUDGET_CENTS * scale)],
            "liability_cents": [round(LIABILITY_CENTS * scale)],
        },
        "campaign_targets": {
            "campaign_id": np.full(len(households), wave.campaign_id),
            "household_id": households,
        },
        "coupons": {
            "coupon_id": wave.coupon_ids,
            "campaign_id": np.full(size, wave.campaign_id),
            # Manufacturers' coupons begin with 5; the rest tells the category and brand, so that it comes again.
            "upc": np.where(by_supplier, 5, 4) * 10**10 + wave.category * 1_000 + wave.brand,
            "category": np.array(world.catalogue.names)[wave.category],
            "discount_kind": np.full(size, "amount"),
            "face_value_cents": wave.face_cents,
            "min_quantity": np.ones(size, np.int64),
            "min_spend_cents": pa.nulls(size, pa.int64()),
            "valid_from": np.full(size, starts),
            "valid_to": np.full(size, ends),
            "funding": np.where(by_supplier, "supplier", "store"),
            "supplier_id": pa.array(supplier, mask=~by_supplier),
            "supplier_share_bp": wave.supplier_share_bp,
        },
        "coupon_products": {
            "coupon_id": np.repeat(wave.coupon_ids, wave.last - wave.first),
            "product_id": product_ids(listed),
        },
    }
    found = {}
    for name, table in columns.items():
        schema = SCHEMAS[name]
        table["changed_at"] = np.full(len(next(iter(table.values()))), known)
        found[name] = pa.table([pa.array(table[field.name], field.type) for field in schema], schema)
    return found


def _engagements(world: World, lived: Lived, issues: pa.Table) -> pa.Table:
    """Sent at once; opened, and sometimes clicked, by those who notice the coupon."""
    fresh = lived.issues[lived.issues["week"] == lived.week]
    order = np.argsort(fresh["issue_id"], kind="stable")
    fresh = fresh[order]
    ids = people_ids(fresh)
    coupons = world.wave(lived.week).coupon_ids[fresh["coupon"]] if len(fresh) else np.empty(0, np.int64)
    sent = instant(world.spec.monday(lived.week), time(6), world.spec.timezone) + np.timedelta64(60, "s")
    wait = (uniform(world.luck("opening", lived.week), fresh["issue_id"]) * 5.5 * 86_400).astype("timedelta64[s]")
    opened = fresh["noticed"]
    clicked = opened & (uniform(world.luck("click", lived.week), fresh["issue_id"]) < CLICKED)
    parts = []
    for event, happens, at in (
        ("sent", np.ones(len(fresh), bool), np.full(len(fresh), sent)),
        ("opened", opened, sent + wait + np.timedelta64(600, "s")),
        ("clicked", clicked, sent + wait + np.timedelta64(660, "s")),
    ):
        columns = {
            "issue_id": fresh["issue_id"][happens],
            "channel": channels(world, ids)[happens],
            "event": np.full(int(happens.sum()), event),
            "coupon_id": coupons[happens],
            "household_id": ids[happens],
            "happened_at": at[happens],
        }
        parts.append(pa.table([columns[name] for name in SCHEMAS["engagements"].names], SCHEMAS["engagements"]))
    order_by = [("issue_id", "ascending"), ("channel", "ascending"), ("event", "ascending")]
    return pa.concat_tables(parts).sort_by(order_by).combine_chunks()
