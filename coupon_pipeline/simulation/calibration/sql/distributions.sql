-- One view per distribution, its values in `x`; fractions to four decimals, so that equal ones are equal in a file too.
create view "lines per basket" as select lines as x from baskets;
create view "units per basket" as select units as x from baskets;
create view "value per basket" as select value_cents / 100 as x from baskets;
create view "categories per basket" as select categories as x from baskets;
create view "departments per basket" as select departments as x from baskets;
create view "days between visits" as
select day - lag(day) over (partition by household_id order by day) as x from trips qualify x is not null;
create view "trips per household-week" as select round(count(*) / getvariable('weeks'), 4) as x from trips group by household_id;
create view "spend per household-week" as select round(value_cents / 100 / getvariable('weeks'), 4) as x from households;
create view "spend per active week" as select value_cents / 100 as x from household_weeks;
create view "quantity per line" as select quantity as x from sales;
create view "value per line" as select value_cents / 100 as x from sales;
create view "regular unit price of lines" as select round(gross_cents / 100 / quantity, 4) as x from sales;
create view "days between purchases of a category" as select gap as x from category_gaps where gap is not null;
create view "depth of price promotions" as
select round(retail_discount_cents / gross_cents, 4) as x from sales where retail_discount_cents > 0;
create view "products per household-year" as select products as x from households;
create view "categories per household-year" as select categories as x from households;
