-- Tables of shares, largest first.
select 'category line shares' as name, category as label, count(*) / sum(count(*)) over () as share
from sales
where category is not null
group by category
union all
select 'department value shares', department, sum(value_cents) / sum(sum(value_cents)) over ()
from sales
group by department
order by name, share desc, label;
