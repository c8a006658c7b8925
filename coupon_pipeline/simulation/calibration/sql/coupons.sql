-- One row per coupon moment, of the weeks since the first coupon was valid.
with live_sales as (
    select *, timezone(getvariable('timezone'), timezone('UTC', sold_at))::date as day
    from lines
    where
        line_kind = 'sale'
        and household_id is not null
        and timezone(getvariable('timezone'), timezone('UTC', sold_at))::date >= (select min(valid_from) from coupons)
),

discounted as (
    select
        coupon_discount_cents / 100 as discount,
        coupon_discount_cents / nullif(gross_cents - retail_discount_cents, 0) as depth
    from live_sales
    where coupon_discount_cents > 0
),

-- A coupon may have changed since it was announced.
lives as (
    select coupon_id, arg_max(valid_from, changed_at) as valid_from, arg_max(valid_to, changed_at) as valid_to
    from coupons
    group by coupon_id
),

redeemed as (
    select
        redemption_id,
        household_id,
        coupon_id,
        valid_from,
        timezone(getvariable('timezone'), timezone('UTC', redeemed_at))::date - valid_from as lag,
        valid_to - valid_from as validity
    from redemptions
    join lives using (coupon_id)
),

closed_issues as (
    select issue_id
    from issues
    join lives using (coupon_id)
    where valid_to <= (select max(day) from live_sales)
),

-- Whether the household had bought a product of the coupon in the 91 days before it was valid.
habits as (
    select redemption_id, bool_or(lines.product_id is not null) as bought
    from redeemed
    join coupon_products using (coupon_id)
    left join lines
        on lines.household_id = redeemed.household_id
        and lines.product_id = coupon_products.product_id
        and lines.line_kind = 'sale'
        and lines.sold_at >= redeemed.valid_from - interval 91 day
        and lines.sold_at < redeemed.valid_from
    group by redemption_id
),

redeemers as (select count(*) as redemptions from redeemed group by household_id)

select 'coupon discount per line, mean' as name, avg(discount) as value from discounted
union all
select 'coupon discount per line, median', median(discount) from discounted
union all
select 'coupon discount per line, p95', quantile_cont(discount, 0.95) from discounted
union all
select 'coupon discount over shelf price, mean', avg(depth) from discounted
union all
select 'coupon discount over shelf price, median', median(depth) from discounted
union all
select 'coupon discount over shelf price, p95', quantile_cont(depth, 0.95) from discounted
union all
select 'redemption lag in days, mean', avg(lag) from redeemed
union all
select 'redemption lag in days, median', median(lag) from redeemed
union all
select 'redemption lag over validity, mean', avg(lag / nullif(validity, 0)) from redeemed
union all
select 'redemptions per redeeming household, mean', avg(redemptions) from redeemers
union all
select 'redemptions per redeeming household, median', median(redemptions) from redeemers
union all
select
    'issued households that redeem',
    (select count(*) from redeemers) / nullif((select count(distinct household_id) from issues), 0)
union all
select
    'redemptions per issue',
    (select count(*) from redemptions semi join closed_issues using (issue_id)) / nullif((select count(*) from closed_issues), 0)
union all
select 'redemptions by households that bought a coupon product in 91 days', avg(bought::integer) from habits
union all
select 'share of lines with a coupon', avg((coupon_discount_cents > 0)::integer) from live_sales
union all
select
    'share of baskets with a coupon',
    count(distinct basket_id) filter (coupon_discount_cents > 0) / nullif(count(distinct basket_id), 0)
from live_sales;
