create macro midnight(day) as timezone('UTC', timezone(getvariable('timezone'), day::timestamp));
create macro end_of(day) as midnight(day::date + 1) - interval 1 microsecond;
create macro coupon_id(campaign_id, upc) as campaign_id * 100000000000 + upc;

-- A campaign is announced on the Monday of the week before it starts: 19 of 27 start in mid-week, and a Monday's cycle must
-- know of them.
create view announced_campaigns as
select
    campaign_id,
    campaign_type as kind,
    start_date::date as starts_on,
    end_date::date as ends_on,
    null::bigint as budget_cents,
    null::bigint as liability_cents,
    null::boolean as is_deleted,
    greatest(getvariable('start'), midnight(date_trunc('week', start_date)::date - 7)) as known_at
from campaign_descriptions;

-- A coupon's category is the one that most of its products belong to.
create view coupon_categories as
select campaign_id, coupon_upc, first(product_category order by listed desc, product_category) as category
from (
    select campaign_id, coupon_upc, product_category, count(distinct product_id) as listed
    from coupons
    left join products using (product_id)
    group by all
)
group by all;
