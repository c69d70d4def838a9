"""Reading the six kinds of WHOOP record: what is looked at, and what makes one unusable.

Lenient: a field that WHOOP adds or leaves out breaks nothing, and null is as good as absent. A
record is damaged only where it cannot be filed: no key, another account, a time that is none, or
text that Postgres cannot hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from ingestion.whoop.allowlist import AllowList

PENDING = "PENDING_SCORE"
SCORED = "SCORED"

KEY_FIELDS = {"cycle": "id", "recovery": "cycle_id", "sleep": "id", "workout": "id"}
"""Field of the key; profile and body have none, WHOOP keeps one of each per account."""

COLLECTIONS = {
    "cycle": "/v2/cycle",
    "recovery": "/v2/recovery",
    "sleep": "/v2/activity/sleep",
    "workout": "/v2/activity/workout",
}
SINGLE = {
    "cycle": "/v2/cycle/{id}",
    # there is no GET /v2/recovery/{id}: a recovery is asked for by its cycle
    "recovery": "/v2/cycle/{id}/recovery",
    "sleep": "/v2/activity/sleep/{id}",
    "workout": "/v2/activity/workout/{id}",
    "profile": "/v2/user/profile/basic",
    "body": "/v2/user/measurement/body",
}

DELETED_HASH = hashlib.sha256(b"deleted").hexdigest()
"""``content_hash`` of a deletion."""

_INTEGER_KEYS = ("cycle", "recovery")
_TIMES = {
    "cycle": ("created_at", "updated_at", "start"),
    "recovery": ("created_at", "updated_at"),
    "sleep": ("created_at", "updated_at", "start", "end"),
    "workout": ("created_at", "updated_at", "start", "end"),
    "profile": (),
    "body": (),
}
_OPTIONAL_TIMES = {"cycle": ("end",)}
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Record:
    """One record that can be filed.

    Attributes:
        resource: cycle, recovery, sleep, workout, profile or body.
        key: As the raw tables keep it.
        user_id: WHOOP user id in the record, None where it has none.
        updated_at: As WHOOP says (UTC), None for profile and body.
        score_state: As sent, None where there is none.
        start: Begin of the activity (UTC), None for recovery, profile and body.
        end: Its end, None also while a cycle is open.
        cycle_id: Cycle of a sleep or recovery.
        sleep_id: Sleep of a recovery.
        is_nap: Whether a sleep is a nap.
        content: What is stored, canonical JSON without the fields outside the allow-list.
        content_hash: SHA-256 of it, hexadecimal.
        left_out: Dotted paths of the fields that are not stored.
    """

    resource: str
    key: str
    user_id: int | None
    updated_at: datetime | None
    score_state: str | None
    start: datetime | None
    end: datetime | None
    cycle_id: str | None
    sleep_id: str | None
    is_nap: bool
    content: bytes
    content_hash: str
    left_out: tuple[str, ...]


class DamagedRecordError(Exception):
    """A record that cannot be filed.

    Args:
        resource: Kind of record.
        key: Its key, None where it could not be read.
        reason: Short code, e.g. ``no_key``.
        detail: A sentence that names the field.
        body: What may be kept of it, None where nothing may.
    """

    def __init__(
        self, resource: str, key: str | None, reason: str, detail: str, body: bytes | None
    ) -> None:
        super().__init__(detail)
        self.resource = resource
        self.key = key
        self.reason = reason
        self.detail = detail
        self.body = body


def read_record(
    resource: str,
    item: Any,
    *,
    provider_user_id: int | None,
    connection_id: UUID,
    allow_list: AllowList,
) -> Record:
    """Read one record as it came from the API.

    Args:
        resource: Kind of record.
        item: Parsed JSON.
        provider_user_id: The account that was asked for, None while it is not known.
        connection_id: Key of profile and body, which have none of their own.
        allow_list: Fields that may be stored.

    Raises:
        DamagedRecordError: If it cannot be filed.
    """
    if not isinstance(item, dict):
        raise DamagedRecordError(
            resource, None, "not_an_object", "the record is no JSON object", _bytes(item)
        )
    kept, left_out = allow_list.reduce(resource, item)
    body = _bytes(kept)
    key = _key(resource, item, connection_id)
    if key is None:
        raise DamagedRecordError(
            resource, None, "no_key", f"{KEY_FIELDS[resource]} is missing or no key", body
        )
    user_id = item.get("user_id")
    if resource != "body" and not _is_integer(user_id):
        raise DamagedRecordError(resource, key, "no_user", "user_id is missing or no number", body)
    if provider_user_id is not None and resource != "body" and user_id != provider_user_id:
        # nobody here has that person's consent: nothing of it is kept but that it came
        raise DamagedRecordError(
            resource, key, "wrong_user", "user_id is another account's than was asked for", None
        )
    times = {
        name: _time(resource, key, name, item, body, is_needed=name in _TIMES[resource])
        for name in (*_TIMES[resource], *_OPTIONAL_TIMES.get(resource, ()))
    }
    cycle_id, sleep_id = item.get("cycle_id"), item.get("sleep_id")
    if body is None or not _is_storable(kept):
        raise DamagedRecordError(
            resource, key, "not_storable", "it holds a NUL, a lone surrogate or a huge number", body
        )
    state = item.get("score_state")
    return Record(
        resource=resource,
        key=key,
        user_id=user_id if _is_integer(user_id) else None,
        updated_at=times.get("updated_at"),
        score_state=state if isinstance(state, str) else None,
        start=times.get("start"),
        end=times.get("end"),
        cycle_id=str(cycle_id) if _is_integer(cycle_id) else None,
        sleep_id=normal_uuid(sleep_id),
        is_nap=item.get("nap") is True,
        content=body,
        content_hash=hashlib.sha256(body).hexdigest(),
        left_out=tuple(left_out),
    )


def normal_uuid(value: Any) -> str | None:
    """A UUID in its usual spelling, None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return str(UUID(value))
    except ValueError:
        return None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _key(resource: str, item: Mapping[str, Any], connection_id: UUID) -> str | None:
    if resource not in KEY_FIELDS:
        return str(connection_id)
    value = item.get(KEY_FIELDS[resource])
    if resource in _INTEGER_KEYS:
        return str(value) if _is_integer(value) else None
    return normal_uuid(value)


def _time(
    resource: str,
    key: str,
    name: str,
    item: Mapping[str, Any],
    body: bytes | None,
    *,
    is_needed: bool,
) -> datetime | None:
    value = item.get(name)
    if value is None and not is_needed:
        return None
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise DamagedRecordError(
            resource, key, "bad_time", f"{name} is missing or no time with an offset", body
        ) from None


def _bytes(value: Any) -> bytes | None:
    """Canonical JSON, None for what JSON cannot say."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None


def _is_storable(value: Any) -> bool:
    """Whether Postgres takes it as jsonb: no NUL in any text."""
    if isinstance(value, dict):
        return all(_is_storable(content) for content in value.values())
    return not isinstance(value, str) or "\0" not in value
