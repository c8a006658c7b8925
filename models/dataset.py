"""Rows that a redemption model learns from or is tested on: every pair that a campaign offered, as of its start."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa

from models.campaigns import Campaign, CampaignError

from coupon_pipeline.features.compute import compute
from coupon_pipeline.features.feature import FeatureSet
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.tables import AsOf, Store, read_digest, read_parquet, write_parquet

REQUIRED = (
    "products",
    "customers",
    "pos_transactions",
    "campaigns",
    "campaign_targets",
    "coupons",
    "coupon_products",
    "coupon_redemptions",
)
"""Clean tables that rows are made from, whatever the source."""
OPTIONAL = (
    "stores",
    "prices",
    "promotions",
    "inventory_levels",
    "purchase_orders",
    "bills",
    "engagements",
    "coupon_issues",
)
"""Clean tables that rows are made from as well where the source delivers them."""
KEYS = ("household_id", "coupon_id")


def inputs(delivered: Collection[str]) -> tuple[str, ...]:
    """The clean tables that rows are made from where a source delivers these tables."""
    return (*REQUIRED, *(table for table in OPTIONAL if table in delivered))


def tells_issues(store: Store) -> bool:
    """Whether the source says who was issued what; else everybody targeted was offered every coupon of a campaign."""
    return store.delivers("coupon_issues")


def offered(store: Store, campaign: Campaign) -> pa.Table:
    """All pairs (household_id, coupon_id) of a campaign: those it issued, or its targets times its coupons.

    Issues of a campaign are decided as it starts, and are recorded hours later.
    """
    if tells_issues(store):
        as_of = store.as_of(closes_at(store, campaign))
        coupons = as_of.state("coupons").filter(ibis._.campaign_id == campaign.campaign_id)
        issues = as_of.table("coupon_issues").filter(ibis._.household_id.notnull())
        pairs = issues.semi_join(coupons, "coupon_id").select(*KEYS).distinct()
    else:
        as_of = store.as_of(store.calendar.midnight(campaign.starts_on))
        targets = as_of.state("campaign_targets").filter(ibis._.campaign_id == campaign.campaign_id)
        coupons = as_of.state("coupons").filter(ibis._.campaign_id == campaign.campaign_id)
        pairs = targets.join(coupons, "campaign_id").select(*KEYS)
    return pairs.order_by(*KEYS).to_pyarrow()


def issuing(as_of: AsOf) -> frozenset[int]:
    """The campaigns of which a coupon was issued before the instant."""
    issued = as_of.state("coupons").semi_join(as_of.table("coupon_issues"), "coupon_id")
    return frozenset(issued.select("campaign_id").distinct().to_pyarrow()["campaign_id"].to_pylist())


def closes_at(store: Store, campaign: Campaign) -> datetime:
    """The instant from which a campaign's labels are final."""
    return store.calendar.midnight(campaign.ends_on + timedelta(days=1))


def is_closed(store: Store, campaign: Campaign) -> bool:
    """Whether the calendar reaches the end of a campaign; the labels of the others are censored."""
    return closes_at(store, campaign) <= store.calendar.decision_time(store.calendar.weeks[-1])


def labels(store: Store, campaign: Campaign, pairs: pa.Table) -> pa.Array:
    """1 where a pair was redeemed within the campaign, else 0 (int64); raises CampaignError while it is still open."""
    if not is_closed(store, campaign):
        raise CampaignError(
            f"campaign {campaign.campaign_id} ends on {campaign.ends_on}, after the last week of the calendar: "
            "its labels are not closed"
        )
    redeemed = store.as_of(closes_at(store, campaign)).state("coupon_redemptions")
    redeemed = redeemed.filter(redeemed.redeemed_at >= ibis.literal(store.calendar.midnight(campaign.starts_on)))
    found = _keys(redeemed.filter(redeemed.household_id.notnull()).select(*KEYS).distinct().to_pyarrow())
    return pa.array(_keys(pairs).isin(found).astype("int64"))


def _keys(pairs: pa.Table) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([pairs[name].to_numpy() for name in KEYS])


def features_of(store: Store, campaign: Campaign, features: FeatureSet) -> pa.Table:
    """Keys, campaign_id and features of all pairs of a campaign, from what was known before its first day."""
    as_of = store.as_of(store.calendar.midnight(campaign.starts_on))
    rows = compute(as_of, offered(store, campaign), features)
    return rows.add_column(2, "campaign_id", pa.array([campaign.campaign_id] * rows.num_rows, pa.int64()))


def build(store: Store, campaign: Campaign, features: FeatureSet) -> pa.Table:
    """`features_of` a closed campaign with its labels in a column `label`."""
    rows = features_of(store, campaign, features)
    return rows.append_column("label", labels(store, campaign, rows))


def path_of(store: Store, campaign: Campaign, features: FeatureSet) -> Path:
    """Where the rows of a campaign are kept."""
    return store.root / "training" / features.name / f"campaign={campaign.campaign_id}" / "rows.parquet"


def load(store: Store, campaign: Campaign, features: FeatureSet) -> pa.Table:
    """`build`, or the kept file where nothing that it was made from has changed."""
    path, digest = path_of(store, campaign, features), digest_of(store, campaign, features)
    if read_digest(path) != digest:
        write_parquet(path, build(store, campaign, features), digest)
    return read_parquet(path)


def digest_of(store: Store, campaign: Campaign, features: FeatureSet) -> str:
    """What a campaign's rows are made from: clean weeks up to its close, features and code."""
    weeks = store.calendar.known_before(closes_at(store, campaign))
    files = [[table, week, store.digest("clean", table, week)] for table in inputs(store.tables) for week in weeks]
    code = code_of("coupon_pipeline.features", "models.dataset")
    return fingerprint(files, features.hash, str(campaign), code)
