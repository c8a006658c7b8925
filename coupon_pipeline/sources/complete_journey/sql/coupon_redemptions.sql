-- Only the store day is in the data; it is known when it has ended. Which basket was discounted is not observed.
select
    ('0x' || md5(concat_ws('|', household_id, coupon_upc, campaign_id, redemption_date::date))[1:15])::bigint
        as redemption_id,
    null::bigint as issue_id,
    coupon_id(campaign_id, coupon_upc) as coupon_id,
    household_id,
    null::bigint as basket_id,
    null::bigint as store_id,
    null::bigint as discount_cents,
    end_of(redemption_date) as redeemed_at,
    null::boolean as is_deleted,
    end_of(redemption_date) as known_at
from coupon_redemptions
where end_of(redemption_date) >= getvariable('opens') and end_of(redemption_date) < getvariable('closes')
order by redemption_id
