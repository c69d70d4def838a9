-- Grain: one row per source, kind of record and reason of open quarantine entries.
select
    source,
    resource,
    reason,
    entries,
    first_seen_at,
    last_seen_at
from {{ source('operations', 'quarantine_counts') }}
