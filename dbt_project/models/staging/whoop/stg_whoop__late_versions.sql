-- Grain: one row per version that arrived after a newer one of the same record. It never replaced that one.
with versions as (
    {{ every_record_version() }}
)

select
    resource,
    connection_id as device_id,
    record_key,
    fetched_at
from versions
where source_updated_at < newest_before
