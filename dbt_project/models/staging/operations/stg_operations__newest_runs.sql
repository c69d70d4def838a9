-- Grain: one row per ingestion command that ever ran.
select
    kind,
    status,
    started_at,
    finished_at,
    last_done_at
from {{ source('operations', 'newest_runs') }}
