-- What several moments share.
create table baskets as
select
    household_id,
    basket_id,
    any_value(store_id) as store_id,
    count(*) as lines,
    sum(quantity) as units,
    sum(value_cents) as value_cents,
    count(distinct category) as categories,
    count(distinct department) as departments
from sales
group by household_id, basket_id;

-- A trip is a day with a basket.
create table trips as select distinct household_id, day, week from sales;

create table household_weeks as
select household_id, week, sum(value_cents) as value_cents from sales group by household_id, week;

create table households as
select
    household_id,
    sum(value_cents) as value_cents,
    count(distinct product_id) as products,
    count(distinct category) as categories
from sales
group by household_id;

create table household_products as
select household_id, product_id, any_value(category) as category, day, count(*) as lines
from sales
group by household_id, product_id, day;

create table category_gaps as
select day, lead(day) over (partition by household_id, category order by day) - day as gap
from (select distinct household_id, category, day from household_products where category is not null);

create table product_gaps as
select day, lead(day) over (partition by household_id, product_id order by day) - day as gap from household_products;

-- A product in a store is on promotion in a week if at least half of its lines are.
create table promotion_weeks as
select
    product_id,
    store_id,
    week,
    avg((retail_discount_cents > 0)::integer) >= 0.5 as promoted
from sales
group by product_id, store_id, week;
