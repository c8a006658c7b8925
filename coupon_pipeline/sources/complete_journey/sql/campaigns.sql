select * from announced_campaigns
where known_at >= getvariable('opens') and known_at < getvariable('closes')
order by campaign_id
