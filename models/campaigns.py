"""Which campaigns a model may learn from, and which ones test it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from coupon_pipeline.tables import AsOf

HISTORY_DAYS = 7
"""A campaign needs a week of sales before its start, or its features say nothing."""


class CampaignError(ValueError):
    """A campaign that cannot be used in the way that was asked for."""


@dataclass(frozen=True)
class Campaign:
    """A dated set of coupons; both days are included."""

    campaign_id: int
    kind: str
    starts_on: date
    ends_on: date


def named(campaign_ids: Iterable[int]) -> str:
    """`campaign 13`, or `campaigns 12, 13`."""
    ids = [str(campaign_id) for campaign_id in campaign_ids]
    return f"campaign{'s' if len(ids) > 1 else ''} {', '.join(ids)}"


def announced(as_of: AsOf) -> dict[int, Campaign]:
    """All campaigns that were known before the instant, by id."""
    table = as_of.state("campaigns").select("campaign_id", "kind", "starts_on", "ends_on").order_by("campaign_id")
    return {row["campaign_id"]: Campaign(**row) for row in table.to_pyarrow().to_pylist()}


def first_sale(as_of: AsOf) -> date:
    """The store-local day of the first sale known before the instant; raises CampaignError if there is none."""
    sold_at = as_of.table("pos_transactions").sold_at.min().to_pyarrow().as_py()
    if sold_at is None:
        raise CampaignError(f"no sale was known before {as_of.instant}: there is no history to learn from")
    return as_of.store.calendar.local_day(sold_at)


def find(campaigns: Mapping[int, Campaign], campaign_id: int) -> Campaign:
    """The campaign of an id; raises CampaignError, naming the known ones."""
    if campaign_id not in campaigns:
        raise CampaignError(f"unknown campaign {campaign_id}: give one of {', '.join(map(str, sorted(campaigns)))}")
    return campaigns[campaign_id]


def refuse_locked(campaigns: Iterable[Campaign], locked_from: date) -> None:
    """Raise CampaignError for campaigns that are kept for the last measurement."""
    for campaign in campaigns:
        if campaign.starts_on >= locked_from:
            raise CampaignError(
                f"campaign {campaign.campaign_id} starts on {campaign.starts_on}: from {locked_from} on (locked_from) "
                "campaigns stay out of training, tuning and gates; `evaluate --campaign` may score one"
            )


def closed_before(campaigns: Iterable[Campaign], day: date, first_day_of_sales: date) -> tuple[Campaign, ...]:
    """The campaigns whose labels were closed before `day` and that started with a history, by start and id.

    Raises CampaignError if there is none.
    """
    earliest = first_day_of_sales + timedelta(days=HISTORY_DAYS)
    closed = [campaign for campaign in campaigns if earliest <= campaign.starts_on and campaign.ends_on < day]
    if not closed:
        raise CampaignError(
            f"no campaign closed before {day} after a week of sales from {first_day_of_sales} on: nothing to train on"
        )
    return tuple(sorted(closed, key=lambda campaign: (campaign.starts_on, campaign.campaign_id)))
