-- Grain: one row per wearable account that an athlete connected.
select
    device_id,
    player_id,
    device_type,
    api_version,
    status,
    status_reason,
    connected_at,
    consent_decision,
    consent_granted,
    consent_granted_at,
    consent_expires_at,
    last_sync_at,
    permits_modeling,
    permits_reader,
    athlete_key,
    -- records of a connection that was given up are not read on, even while another one is permitted
    consent_granted and status <> 'revoked' as is_readable
from {{ source('operations', 'wearable_devices') }}
