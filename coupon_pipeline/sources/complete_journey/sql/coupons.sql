-- One coupon per campaign and UPC: 151 UPCs run in several campaigns, most with another list of products.
-- UPCs that start with 5 are manufacturer coupons and carry their value; the store's own do not.
select
    coupon_id(campaign_id, coupon_upc) as coupon_id,
    campaign_id,
    coupon_upc as upc,
    category,
    if(by_supplier, discount_kind, 'amount') as discount_kind,
    if(by_supplier, face_value_cents, null) as face_value_cents,
    if(by_supplier, min_quantity, 1) as min_quantity,
    null::bigint as min_spend_cents,
    starts_on as valid_from,
    ends_on as valid_to,
    if(by_supplier, 'supplier', 'store') as funding,
    null::bigint as supplier_id,
    if(by_supplier, 10000, 0)::bigint as supplier_share_bp,
    null::boolean as is_deleted,
    known_at
from (
    select campaign_id, coupon_upc, category, coupon_upc // 10000000000 = 5 as by_supplier
    from coupon_categories
)
join value_codes on value_codes.code = coupon_upc % 100
join announced_campaigns using (campaign_id)
where known_at >= getvariable('opens') and known_at < getvariable('closes')
order by coupon_id
