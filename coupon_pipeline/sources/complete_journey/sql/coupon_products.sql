-- As delivered, surplus copies included.
select coupon_id(campaign_id, coupon_upc) as coupon_id, product_id, null::boolean as is_deleted, known_at
from coupons
join announced_campaigns using (campaign_id)
where known_at >= getvariable('opens') and known_at < getvariable('closes')
order by coupon_id, product_id
