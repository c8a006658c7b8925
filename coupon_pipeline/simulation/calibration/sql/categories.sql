-- The largest categories of `sales`, each in the department where most of its lines are.
with by_department as (
    select category, department, count(*) as lines from sales where category is not null group by all
),

ranked as (
    select
        category,
        arg_max(department, lines) as department,
        sum(lines) as lines
    from by_department
    group by category
    order by lines desc, category
    limit getvariable('categories')
),

facts as (
    select
        category,
        count(*) / (select count(*) from sales) as share,
        count(distinct basket_id) / (select count(distinct basket_id) from sales) as penetration,
        median(gross_cents / quantity) as median_price_cents,
        count(distinct product_id) as products,
        avg((brand_type = 'private')::integer) as private_label_share,
        avg((retail_discount_cents > 0)::integer) as promotion_share,
        coalesce(avg(retail_discount_cents / gross_cents) filter (retail_discount_cents > 0), 0) as mean_depth,
        avg(quantity) as mean_quantity
    from sales
    group by category
),

-- Lines per subcategory and products per package size, the commonest first.
subcategories as (
    select category, list({name: subcategory, n: n} order by n desc, subcategory)[:6] as subcategories
    from (
        select sales.category, subcategory, count(*) as n
        from sales
        join products using (product_id)
        where subcategory is not null
        group by all
    )
    group by category
),

sizes as (
    select category, list(package_size order by n desc, package_size)[:6] as package_sizes
    from (
        select category, package_size, count(*) as n from products where package_size is not null group by all
    )
    group by category
)

select
    category as name,
    department,
    facts.* exclude (category),
    coalesce(subcategories, []) as subcategories,
    coalesce(package_sizes, []) as package_sizes
from ranked
join facts using (category)
left join subcategories using (category)
left join sizes using (category)
order by lines desc, category;
