-- Grain: one row per kind of NBA record that was ever read.
select
    resource,
    last_read_at
from {{ source('operations', 'nba_last_reads') }}
