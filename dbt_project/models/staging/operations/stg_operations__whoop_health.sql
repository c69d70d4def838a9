-- Grain: one row.
select
    accounts,
    newest_sync_at,
    oldest_sync_at,
    requests_of_day,
    limit_per_day,
    blocked_until,
    oldest_waiting_at,
    failed_of_day,
    refused_of_day
from {{ source('operations', 'whoop_health') }}
