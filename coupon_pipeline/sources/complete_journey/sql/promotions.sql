-- A week's promotions are taken as known only when the week has ended: their publication day is not in the data.
select
    product_id,
    store_id,
    getvariable('first_day') as promo_week,
    display_location as display,
    mailer_location as mailer,
    null::bigint as promo_price_cents,
    getvariable('closes') - interval 1 microsecond as known_at
from promotions
where week = getvariable('week_number')
order by product_id, store_id, display, mailer
