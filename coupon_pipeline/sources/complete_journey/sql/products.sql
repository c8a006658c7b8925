-- Undated: known from the start of the calendar. The data set has no names of products or brands.
select
    product_id,
    null::varchar as name,
    null::varchar as brand,
    lower(brand) as brand_type,
    department,
    product_category as category,
    product_type as subcategory,
    manufacturer_id as supplier_id,
    package_size,
    null::boolean as is_deleted,
    getvariable('start') as known_at
from products
where getvariable('start') >= getvariable('opens') and getvariable('start') < getvariable('closes')
order by product_id
