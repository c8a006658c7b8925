select campaign_id, household_id, null::boolean as is_deleted, known_at
from campaigns
join announced_campaigns using (campaign_id)
where known_at >= getvariable('opens') and known_at < getvariable('closes')
order by campaign_id, household_id
