-- The lines that moments are taken of. Departments that are not grocery (fuel, post, photographs ...) distort every moment,
-- and a quantity of hundreds is fuel or points in another unit.
create table sales as
with local_lines as (
    select
        *,
        timezone(getvariable('timezone'), timezone('UTC', sold_at))::date as day,
        -- What the retailer receives, before coupons of manufacturers.
        gross_cents - retail_discount_cents - match_discount_cents as value_cents
    from lines
    where line_kind = 'sale' and household_id is not null
)

select
    household_id,
    basket_id,
    store_id,
    product_id,
    department,
    category,
    brand_type,
    quantity,
    gross_cents,
    retail_discount_cents,
    value_cents,
    day,
    (day - getvariable('first_day')) // 7 as week
from local_lines
join products using (product_id)
where
    department not in (
        'FUEL', 'MISCELLANEOUS', 'COUPON', 'POSTAL CENTER', 'CNTRL/STORE SUP', 'PROD-WHS SALES', 'PHOTO & VIDEO'
    )
    and quantity between 1 and 199
    and value_cents > 0
    and day between getvariable('first_day') and getvariable('last_day');
