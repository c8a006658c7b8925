-- One row per scalar. A purchase counts as repeated only if the days left would have shown it: it is looked for among those of
-- at least 91 days before the end.
with closed_products as (
    select coalesce(gap, 999) as gap from product_gaps where day <= getvariable('last_day') - 91
),

closed_categories as (
    select coalesce(gap, 999) as gap from category_gaps where day <= getvariable('last_day') - 91
),

product_values as (
    select sum(value_cents) as value, row_number() over (order by value desc) as place, count(*) over () as products
    from sales
    group by product_id
),

spenders as (
    select value_cents as value, row_number() over (order by value_cents) as place, count(*) over () as households
    from households
),

-- Sum of squared shares of the products that a household buys in a category.
concentrations as (
    select sum(lines * lines) / sum(lines) ** 2 as concentration
    from (
        select household_id, category, product_id, sum(lines) as lines
        from household_products
        where category is not null
        group by household_id, category, product_id
    )
    group by household_id, category
    having sum(lines) >= 10
),

first_days as (select household_id, product_id, min(day) as first_day from household_products group by all),

later_lines as (
    select household_products.lines, (first_days.first_day < household_products.day)::integer as known
    from household_products
    join first_days using (household_id, product_id)
    where (household_products.day - getvariable('first_day')) // 7 >= getvariable('weeks') // 2
),

main_stores as (
    select max(baskets) / sum(baskets) as share
    from (select household_id, store_id, count(*) as baskets from baskets group by household_id, store_id)
    group by household_id
),

promotion_steps as (
    select promoted, lag(promoted) over past as before, week - lag(week) over past as step
    from promotion_weeks
    window past as (partition by product_id, store_id order by week)
),

-- Units of a product in a week, chain-wide, and its shelf price as a share of the regular one; products that sell nearly always,
-- as weeks without a sale have no price here.
priced_weeks as (
    select
        product_id,
        ln(sum(quantity)) as log_units,
        ln(1 - sum(retail_discount_cents) / sum(gross_cents)) as log_price
    from sales
    group by product_id, week
    having sum(retail_discount_cents) < sum(gross_cents)
    qualify count(*) over (partition by product_id) >= 45
),

-- Deviations from the product's own means: the fixed effect.
deviations as (
    select
        log_units - avg(log_units) over (partition by product_id) as units,
        log_price - avg(log_price) over (partition by product_id) as price
    from priced_weeks
)

select
    'share of household-weeks with a purchase' as name,
    (select count(*) from household_weeks) / ((select count(*) from households) * getvariable('weeks')) as value
union all
select 'share of lines on price promotion', avg((retail_discount_cents > 0)::integer) from sales
union all
select 'weekly promotion start', avg(promoted::integer) from promotion_steps where step = 1 and not before
union all
select 'weekly promotion stay', avg(promoted::integer) from promotion_steps where step = 1 and before
union all
select 'P(quantity = 1)', avg((quantity = 1)::integer) from sales
union all
select 'value share of top 1% of products', sum(value) filter (place <= 0.01 * products) / sum(value) from product_values
union all
select 'value share of top 10% of products', sum(value) filter (place <= 0.1 * products) / sum(value) from product_values
union all
select 'value share of top 20% of products', sum(value) filter (place <= 0.2 * products) / sum(value) from product_values
union all
select
    'Gini of household spend', 2 * sum(place * value) / (max(households) * sum(value)) - (max(households) + 1) / max(households)
from spenders
union all
select 'same product again within 28 days', avg((gap <= 28)::integer) from closed_products
union all
select 'same product again within 91 days', avg((gap <= 91)::integer) from closed_products
union all
select 'same category again within 28 days', avg((gap <= 28)::integer) from closed_categories
union all
select 'concentration of products within (household, category)', avg(concentration) from concentrations
union all
select 'second-half lines of products bought before', sum(lines * known) / sum(lines) from later_lines
union all
select 'naive own-price elasticity', sum(units * price) / sum(price * price) from deviations
union all
select 'share of trips in the main store', avg(share) from main_stores
union all
select 'private label share of lines', avg((brand_type = 'private')::integer) from sales
union all
select 'baskets per trip day', (select count(*) from baskets) / (select count(*) from trips)
union all
select
    'trips on ' || ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'][isodow(day)],
    7 * count(*) / (select count(*) from trips)
from trips
group by isodow(day);
