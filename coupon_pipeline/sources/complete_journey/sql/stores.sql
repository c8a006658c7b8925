-- Undated: known from the start of the calendar.
select distinct
    store_id,
    null::varchar as region,
    null::varchar as format,
    null::boolean as is_deleted,
    getvariable('start') as known_at
from transactions
where getvariable('start') >= getvariable('opens') and getvariable('start') < getvariable('closes')
order by store_id
