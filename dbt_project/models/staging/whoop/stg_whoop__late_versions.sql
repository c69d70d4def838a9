-- Grain: one row per version that arrived after a newer one of the same record. It never replaced that one.
with versions as (
    {{ every_record_version() }}
),

compared as (
    select
        *,
        max(source_updated_at) over (
            partition by resource, connection_id, record_key
            order by fetched_at
            rows between unbounded preceding and 1 preceding
        ) as newest_before
    from versions
)

select
    resource,
    connection_id as device_id,
    record_key,
    fetched_at
from compared
where source_updated_at < newest_before
