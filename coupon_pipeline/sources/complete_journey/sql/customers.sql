-- Undated: known from the start of the calendar. Consent is not in the data: who was ever mailed is assumed to have given it.
select
    household_id,
    null::date as joined_at,
    household_id in (select household_id from campaigns) as marketing_consent,
    null::timestamp as erased_at,
    age as age_band,
    income as income_band,
    home_ownership,
    marital_status,
    household_size,
    household_comp as household_composition,
    kids_count,
    null::boolean as is_deleted,
    getvariable('start') as known_at
from (
    select household_id from transactions
    union
    select household_id from campaigns
)
left join demographics using (household_id)
where getvariable('start') >= getvariable('opens') and getvariable('start') < getvariable('closes')
order by household_id
