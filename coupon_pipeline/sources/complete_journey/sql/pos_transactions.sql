-- sales_value is what the retailer receives, after the loyalty discount and the coupon match: adding both gives the gross.
select
    basket_id,
    row_number() over (partition by basket_id order by product_id)::integer as line,
    store_id,
    null::bigint as till_id,
    household_id,
    product_id,
    'sale' as line_kind,
    quantity,
    round(100 * sales_value)::bigint + round(100 * retail_disc)::bigint + round(100 * coupon_match_disc)::bigint
        as gross_cents,
    round(100 * retail_disc)::bigint as retail_discount_cents,
    round(100 * coupon_disc)::bigint as coupon_discount_cents,
    round(100 * coupon_match_disc)::bigint as match_discount_cents,
    transaction_timestamp as sold_at,
    transaction_timestamp as known_at
from transactions
where transaction_timestamp >= getvariable('opens') and transaction_timestamp < getvariable('closes')
order by basket_id, line
