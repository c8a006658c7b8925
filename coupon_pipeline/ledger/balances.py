"""The statements of the audit: what is wrong, counted from the facts, in SQL that both databases understand."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.ledger.statement import Statement


def _whole(column: str) -> str:
    """A sum as a whole number, 0 where there is nothing: PostgreSQL adds up to a decimal."""
    return f"cast(coalesce(sum({column}), 0) as bigint)"


def _count(cents: str, rest: str) -> Statement:
    return Statement(f"select count(*), {_whole(cents)} from {rest}")


WRONG: Final = {
    "issues redeemed more than once": _count(
        "cents",
        "(select sum(discount_cents) - max(discount_cents) as cents from redemption "
        "where issue_id is not null and reversed_at is null group by issue_id having count(*) > 1) as twice",
    ),
    "redeemed issues without a live redemption": _count(
        "i.value_cents",
        "issue i left join redemption r on r.issue_id = i.issue_id and r.reversed_at is null "
        "where i.state = 'redeemed' and r.redemption_id is null",
    ),
    "live redemptions of issues that are not redeemed": _count(
        "r.discount_cents",
        "redemption r join issue i on i.issue_id = r.issue_id where r.reversed_at is null and i.state <> 'redeemed'",
    ),
    "discounts over face value": _count(
        "r.discount_cents - i.value_cents",
        "redemption r join issue i on i.issue_id = r.issue_id where r.discount_cents > i.value_cents",
    ),
    "redemptions outside the coupon's time": _count(
        "r.discount_cents",
        "redemption r join issue i on i.issue_id = r.issue_id where r.at < i.valid_from or r.at >= i.expires_at",
    ),
    "open issues without consent": _count(
        "i.value_cents",
        "issue i left join consent c on c.pid = i.pid and c.marketing = 1 left join pseudonym p on p.pid = i.pid "
        "where i.state = 'issued' and (c.pid is null or p.pid is null)",
    ),
    "households with several open coupons of a category": _count(
        "cents",
        "(select sum(value_cents) - max(value_cents) as cents from issue "
        "where state = 'issued' and category is not null group by pid, category having count(*) > 1) as doubled",
    ),
    "issues in a place of their household's cap that is taken": _count(
        "cents",
        "(select sum(value_cents) - max(value_cents) as cents from issue "
        "group by campaign_id, pid, slot having count(*) > 1) as beyond",
    ),
    "issues in a place of a day's cap that is taken": _count(
        "cents",
        "(select sum(value_cents) - max(value_cents) as cents from issue where day_slot is not null "
        "group by pid, day, day_slot having count(*) > 1) as beyond",
    ),
    "limits that are passed": _count(
        "case when reserved < 0 then -reserved else reserved - granted end",
        "escrow where reserved < 0 or reserved > granted",
    ),
}
"""Name of a check -> how many rows are wrong, and their cents."""

EVENTS: Final = Statement(
    f"""select topic, {_whole("n")}, {_whole("cents")} from (
        select topic, 1 as n, cents from outbox where batch is null
        union all select topic, events, cents from batch_topic
        union all select 'issued', -1, -value_cents from issue where is_imported = 0
        union all select state, -1, -value_cents from issue where state in ('expired', 'void')
        union all select 'redeemed', -1, -discount_cents from redemption where issue_id is not null
        union all select 'reversed', -1, -discount_cents from redemption
            where issue_id is not null and reversed_at is not null
    ) as each_event group by topic"""
)
"""By topic, how many events there are more than facts, and how much more their cents come to."""
BATCHES: Final = Statement("select number, known_at, digest, trimmed_at from batch order by number")
CLAIMED: Final = Statement("select number, topic, events, cents from batch_topic")
RESERVED: Final = Statement(
    f"""select scope, scope_id, shard, {_whole("cents")} from (
        select scope, scope_id, shard, reserved as cents from escrow where scope in ('campaign', 'supplier', 'total')
        union all select 'campaign', campaign_id, campaign_shard, -value_cents from issue
            where state in ('issued', 'redeemed')
        union all select 'total', 0, total_shard, -value_cents from issue where state in ('issued', 'redeemed')
        union all select 'supplier', supplier_id, supplier_shard, -supplier_cents from issue
            where state in ('issued', 'redeemed') and supplier_cents > 0
    ) as each_amount group by scope, scope_id, shard having sum(cents) <> 0"""
)
"""Shards of limits whose reservations differ from the face value of issues that are open or redeemed."""
COUNTED: Final = Statement(
    """select e.scope, e.scope_id, cast(e.reserved - coalesce(i.issues, 0) as bigint), 0 from (
        select scope, scope_id, sum(reserved) as reserved from escrow
        where scope in ('campaign_issues', 'coupon_issues') group by scope, scope_id
    ) as e left join (
        select 'campaign_issues' as scope, campaign_id as scope_id, count(*) as issues from issue group by campaign_id
        union all select 'coupon_issues', coupon_id, count(*) from issue group by coupon_id
    ) as i on i.scope = e.scope and i.scope_id = e.scope_id where e.reserved <> coalesce(i.issues, 0)"""
)
"""Limits on the number of issues that were counted otherwise; all issues ever count."""
NOT_ROLLED_UP: Final = Statement(
    f"""select campaign_id, {_whole("cents")} from (
        select i.campaign_id, r.discount_cents as cents from redemption r join issue i on i.issue_id = r.issue_id
            where r.reversed_at is null
        union all select campaign_id, -paid_cents from campaign
    ) as each_payment group by campaign_id having sum(cents) <> 0"""
)
"""Campaigns whose payout, as rolled up, is behind the redemptions."""
OVER_CAP: Final = Statement(
    f"""select i.campaign_id, i.pid, {_whole("i.value_cents")} from issue i
    join campaign c on c.campaign_id = i.campaign_id
    group by i.campaign_id, i.pid, c.per_household having count(*) > c.per_household"""
)
"""Households with more issues of a campaign than its cap allows today."""
OVER_DAY_CAP: Final = Statement(
    f"""select i.pid, i.day, {_whole("i.value_cents")} from issue i
    join setting s on s.name = 'per_household_day' where i.day_slot is not null
    group by i.pid, i.day, s.value having count(*) > cast(s.value as integer)"""
)
"""Households with more issues on a day than a day allows today."""
