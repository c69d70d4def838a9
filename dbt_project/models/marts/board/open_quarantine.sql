-- Grain: one row per source, kind of record and reason of what was refused and did not come again in good form.
-- At the moment of reading. Of WHOOP only with five connected accounts or more, so that a row is nobody's.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}

select
    counts.source,
    counts.resource,
    counts.reason,
    counts.entries,
    counts.first_seen_at,
    counts.last_seen_at
from {{ ref('stg_operations__quarantine_counts') }} as counts
cross join {{ ref('stg_operations__whoop_health') }} as whoop
where counts.source <> 'whoop' or whoop.accounts >= {{ var('group_min_athletes') }}
