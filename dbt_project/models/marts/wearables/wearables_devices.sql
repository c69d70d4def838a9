-- Grain: one row per account that an athlete connected. No token is anywhere near.
-- Shown at the moment of reading while he permits it.
-- depends_on: {{ ref('wearables_permissions') }}
{{ refilled_table() }}
{{ shown_by_consent() }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
),

straps as (
    select
        device_id,
        strap_generation,
        row_number() over (partition by device_id order by reading_at desc) as recency
    from {{ ref('int_recoveries_current') }}
    where strap_generation is not null
)

select
    devices.device_id,
    devices.player_id,
    devices.device_type,
    devices.api_version,
    straps.strap_generation,
    devices.consent_granted,
    devices.consent_granted_at,
    devices.consent_expires_at,
    devices.is_readable and devices.status = 'active' as is_active,
    devices.connected_at,
    devices.last_sync_at,
    case
        when not devices.consent_granted then 'no_consent'
        when devices.status <> 'active' then devices.status
        when devices.last_sync_at is null then 'never_synced'
        else 'synced'
    end as sync_status,
    devices.status_reason as sync_status_reason
from devices
left join straps on devices.device_id = straps.device_id and straps.recency = 1
