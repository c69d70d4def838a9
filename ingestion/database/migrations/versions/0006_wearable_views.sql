-- What dbt may know of operations: who is connected and may be read. No token, no id at WHOOP.

create view operations.wearable_devices as
select
    device.connection_id::text as device_id,
    device.player_id,
    device.provider as device_type,
    'v2'::text as api_version,
    device.status,
    device.status_reason,
    device.connected_at,
    newest.decision as consent_decision,
    coalesce(newest.decision = 'granted' and newest.expires_at > now(), false) as consent_granted,
    case when newest.decision = 'granted' then newest.recorded_at end as consent_granted_at,
    newest.expires_at as consent_expires_at,
    reads.last_sync_at
from operations.wearable_connections as device
left join lateral (
    select consents.decision, consents.recorded_at, consents.expires_at
    from operations.consents
    where consents.player_id = device.player_id
    order by consents.consent_id desc
    limit 1
) as newest on true
left join (
    select connection_id, max(synced_at) as last_sync_at
    from operations.whoop_sync_positions
    group by connection_id
) as reads on device.connection_id = reads.connection_id;

comment on view operations.wearable_devices is
'Connected accounts and whether they may be read now. One row per account and athlete.';
comment on column operations.wearable_devices.device_id is 'Our random id of the connection.';
comment on column operations.wearable_devices.player_id is 'NBA player id.';
comment on column operations.wearable_devices.device_type is 'whoop.';
comment on column operations.wearable_devices.api_version is 'Version of the service''s API.';
comment on column operations.wearable_devices.status is 'active, reconnect or revoked.';
comment on column operations.wearable_devices.status_reason is
'Short code of why it is not active; null while it is.';
comment on column operations.wearable_devices.connected_at is
'When it was last connected (UTC).';
comment on column operations.wearable_devices.consent_decision is
'The athlete''s newest decision: granted, declined or withdrawn.';
comment on column operations.wearable_devices.consent_granted is
'Whether that decision permits reading now; false once it has expired.';
comment on column operations.wearable_devices.consent_granted_at is
'When he gave it (UTC); null where the newest decision permits nothing.';
comment on column operations.wearable_devices.consent_expires_at is
'End of the permission (UTC); null for a decision that permits nothing.';
comment on column operations.wearable_devices.last_sync_at is
'When a window of his records was last read (UTC); null before the first.';

grant select on operations.wearable_devices to clutch_transform;
