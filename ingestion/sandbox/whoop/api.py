"""The data API: what ``/developer`` answers to a member's token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from ingestion.sandbox.whoop import records
from ingestion.sandbox.whoop.clock import to_milli
from ingestion.sandbox.whoop.faults import Fault, Faults
from ingestion.sandbox.whoop.limits import RateLimits
from ingestion.sandbox.whoop.oauth import AuthorizationServer, Grant
from ingestion.sandbox.whoop.request_log import LoggedRequest, RequestLog
from ingestion.sandbox.whoop.settings import Switches, WhoopSandboxSettings
from ingestion.sandbox.whoop.timeline import (
    CYCLE,
    RECOVERY,
    SLEEP,
    WORKOUT,
    Member,
    Timeline,
    collection,
)

_DEFAULT_LIMIT, _MOST = 10, 25
_MOST_INT64 = 2**63 - 1
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")


@dataclass(slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0


class _RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class _Endpoint:
    template: str
    pattern: re.Pattern[str]
    scopes: tuple[str, ...]  # one of them is enough; empty: any valid token
    answer: Callable[[Api, Member, str, Mapping[str, str], int], Any]
    method: str = "GET"
    needs_token: bool = True


def json_answer(value: object, status: int = 200) -> Answer:
    """Write a value as JSON."""
    return Answer(status, orjson.dumps(value), "application/json")


class Api:
    """Answers requests for data.

    Args:
        settings: Of the service.
        timeline: The members' records.
        oauth: Checks tokens.
        clock: Gives ms since 1970.
        switches: Gives the present switches.
        faults: Decides what goes wrong.
        lock: Held while state is read or changed.
    """

    def __init__(
        self,
        *,
        settings: WhoopSandboxSettings,
        timeline: Timeline,
        oauth: AuthorizationServer,
        clock: Callable[[], int],
        switches: Callable[[], Switches],
        faults: Faults,
        lock: threading.RLock,
    ) -> None:
        self.log = RequestLog()
        self.limits = RateLimits(settings.requests_per_minute, settings.requests_per_day)
        self.timeline = timeline
        self.oauth = oauth
        self.switches = switches
        self._clock = clock
        self._faults = faults
        self._lock = lock

    def handle(
        self, method: str, path: str, query: Mapping[str, str], authorization: str | None
    ) -> Answer:
        """Answer one request under ``/developer``.

        Args:
            method: HTTP method.
            path: Path without query.
            query: Its parameters.
            authorization: Header ``Authorization``.
        """
        with self._lock:
            now = self._clock()
            switches = self.switches()
            grant = self.oauth.authenticate(authorization)
            user_id = grant.user_id if grant is not None else None
            endpoint, argument = _find(path)
            budget = self.limits.take(now, sliding=switches.rate_window == "sliding")
            if not budget.is_allowed:
                answer = Answer(429, b"Too Many Requests")
                if switches.retry_after:
                    answer.headers["Retry-After"] = str(budget.reset_seconds)
            else:
                faults = self._faults.of_request(path, user_id)
                if Fault.ERROR in faults:
                    answer = Answer(500, b"Internal Server Error")
                else:
                    answer = self._answer(endpoint, argument, method, query, grant, now)
                if Fault.SLOW in faults:
                    answer.delay_seconds = self._faults.script.slow_seconds
                if 400 <= answer.status < 500 and not switches.errors_count:
                    self.limits.give_back()
            answer.headers |= budget.headers
            if switches.cache_control is not None and answer.status == 200:
                answer.headers["Cache-Control"] = switches.cache_control
            shown = "&".join(f"{name}={value}" for name, value in query.items())
            self.log.add(
                LoggedRequest(
                    now,
                    method,
                    endpoint.template if endpoint is not None else path,
                    f"{path}?{shown}" if shown else path,
                    answer.status,
                    user_id,
                )
            )
            return answer

    def _answer(
        self,
        endpoint: _Endpoint | None,
        argument: str,
        method: str,
        query: Mapping[str, str],
        grant: Grant | None,
        now: int,
    ) -> Answer:
        if endpoint is None:
            return Answer(404, b"Not Found")
        if method != endpoint.method:
            return Answer(405, b"Method Not Allowed", headers={"Allow": endpoint.method})
        switches = self.switches()
        try:
            if not endpoint.needs_token:
                return json_answer(_mapped(self, argument, now))
            if grant is None:
                return _unauthorized(switches)
            if endpoint.scopes and not set(endpoint.scopes) & set(grant.scopes):
                if switches.missing_scope_status == 401:
                    return _unauthorized(switches)
                return Answer(403, b"Forbidden")
            member = self.timeline.member(grant.user_id, now)
            value = endpoint.answer(self, member, argument, query, now)
        except _RefusedError as refusal:
            return Answer(refusal.status, refusal.text.encode())
        return Answer(204) if value is None else json_answer(value)

    def dress(self, row: records.Row) -> records.Row:
        """Give a record as the switches want it."""
        switches = self.switches()
        row = dict(row)
        if "step_count" in row and switches.step_count == "absent":
            del row["step_count"]
        elif "step_count" in row and switches.step_count == "null":
            row["step_count"] = None
        if switches.future_field:
            row["x_future_field"] = {"of": "a later version"}
        return row


def _unauthorized(switches: Switches) -> Answer:
    if switches.unauthorized_body == "json":
        return json_answer({"message": "Authorization was not valid"}, 401)
    return Answer(401, b"Authorization was not valid")


# --- parameters
# ------------------------------------------------------------------------------------------


def _moment(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        if _RFC3339.fullmatch(text) is None:
            raise ValueError
        # a fraction finer than the record's milliseconds is cut
        return to_milli(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        raise _RefusedError(400, f"{name} is not an RFC 3339 date-time") from None


def _limit(query: Mapping[str, str], switches: Switches) -> int:
    text = query.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise _RefusedError(400, "limit is not a number from 1 to 25")
    limit = int(text)
    if limit > _MOST and switches.limit_above_maximum == "error":
        raise _RefusedError(400, "limit is above 25")
    return min(limit, _MOST)


def _token(offset: int, mark: str) -> str:
    return base64.urlsafe_b64encode(f"{offset}:{mark}".encode()).decode()


def _offset(token: str, mark: str) -> int:
    """Read a page token; it fits the member, the collection and the filter it was made for."""
    try:
        offset, _, made_for = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if made_for == mark and re.fullmatch(r"[0-9]{1,9}", offset):
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise _RefusedError(400, "nextToken was not given for this request")


def _page(resource: str) -> Callable[[Api, Member, str, Mapping[str, str], int], Any]:
    def answer(api: Api, member: Member, _: str, query: Mapping[str, str], now: int) -> Any:
        switches = api.switches()
        limit = _limit(query, switches)
        start, end = _moment(query, "start"), _moment(query, "end")
        user_id = member.athlete.user_id
        told = (resource, user_id, query.get("start"), query.get("end"), limit)
        mark = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
        first = _offset(query["nextToken"], mark) if query.get("nextToken") else 0
        until = now if end is None else end
        found = [
            version.row
            for _key, version in collection(member, resource, now)
            if version.start < until
            # what is open lasts until now
            and (start is None or (now if version.end is None else version.end) >= start)
        ]
        page: dict[str, Any] = {
            "records": [api.dress(row) for row in found[first : first + limit] if row is not None]
        }
        if first + limit < len(found):
            page["next_token"] = _token(first + limit, mark)
        elif switches.last_page != "absent":
            page["next_token"] = None if switches.last_page == "null" else ""
        return page

    return answer


# --- single records
# --------------------------------------------------------------------------------------


def _int64(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or abs(int(text)) > _MOST_INT64:
        raise _RefusedError(400, "the id is not an integer of 64 bits")
    return int(text)


def _uuid(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise _RefusedError(400, "the id is not a UUID")
    return str(uuid.UUID(text))


def _one(api: Api, record: Any, now: int) -> records.Row:
    version = record.at(now) if record is not None else None
    if version is None or version.row is None:
        raise _RefusedError(404, "Not Found")
    return api.dress(version.row)


def _cycle(api: Api, member: Member, argument: str, _: Mapping[str, str], now: int) -> Any:
    return _one(api, member.cycles.get(_int64(argument)), now)


def _sleep(api: Api, member: Member, argument: str, _: Mapping[str, str], now: int) -> Any:
    return _one(api, member.sleeps.get(_uuid(argument)), now)


def _workout(api: Api, member: Member, argument: str, _: Mapping[str, str], now: int) -> Any:
    return _one(api, member.workouts.get(_uuid(argument)), now)


def _cycle_recovery(api: Api, member: Member, argument: str, _: Mapping[str, str], now: int) -> Any:
    return _one(api, member.recoveries.get(_int64(argument)), now)


def _cycle_sleep(api: Api, member: Member, argument: str, _: Mapping[str, str], now: int) -> Any:
    cycle_id = _int64(argument)
    for sleep_id, of_cycle in member.cycle_of_sleep.items():
        if of_cycle == cycle_id:
            version = member.sleeps[sleep_id].at(now)
            if version is not None and version.row is not None and not version.row["nap"]:
                return api.dress(version.row)
    raise _RefusedError(404, "Not Found")


def _profile(_: Api, member: Member, __: str, ___: Mapping[str, str], ____: int) -> Any:
    return records.profile_row(member.athlete)


def _body(_: Api, member: Member, __: str, ___: Mapping[str, str], ____: int) -> Any:
    if not member.athlete.has_body:
        raise _RefusedError(404, "Not Found")
    return records.body_row(member.athlete)


def _revoke(api: Api, member: Member, _: str, __: Mapping[str, str], ___: int) -> Any:
    api.oauth.revoke(member.athlete.user_id)


def _mapped(api: Api, argument: str, now: int) -> Any:
    activity_id = api.timeline.mapped(_int64(argument), now)
    if activity_id is None:
        raise _RefusedError(404, "Not Found")
    return {"v2_activity_id": activity_id}


def _unused(_: Api, __: Member, ___: str, ____: Mapping[str, str], _____: int) -> Any:
    raise AssertionError("answered without a member")


def _endpoint(template: str, scopes: tuple[str, ...], answer: Any, **kind: Any) -> _Endpoint:
    pattern = re.compile(re.escape(template).replace(r"\{id\}", "([^/]+)"))
    return _Endpoint(template, pattern, scopes, answer, **kind)


_V2 = "/developer/v2"
_ENDPOINTS = (
    _endpoint(f"{_V2}/cycle", ("read:cycles",), _page(CYCLE)),
    _endpoint(f"{_V2}/cycle/{{id}}", ("read:cycles",), _cycle),
    # the document declares no scope here
    _endpoint(f"{_V2}/cycle/{{id}}/sleep", ("read:sleep", "read:cycles"), _cycle_sleep),
    _endpoint(f"{_V2}/cycle/{{id}}/recovery", ("read:recovery",), _cycle_recovery),
    _endpoint(f"{_V2}/recovery", ("read:recovery",), _page(RECOVERY)),
    _endpoint(f"{_V2}/activity/sleep", ("read:sleep",), _page(SLEEP)),
    _endpoint(f"{_V2}/activity/sleep/{{id}}", ("read:sleep",), _sleep),
    _endpoint(f"{_V2}/activity/workout", ("read:workout",), _page(WORKOUT)),
    _endpoint(f"{_V2}/activity/workout/{{id}}", ("read:workout",), _workout),
    _endpoint(f"{_V2}/user/profile/basic", ("read:profile",), _profile),
    _endpoint(f"{_V2}/user/measurement/body", ("read:body_measurement",), _body),
    _endpoint(f"{_V2}/user/access", (), _revoke, method="DELETE"),
    _endpoint("/developer/v1/activity-mapping/{id}", (), _unused, needs_token=False),
)


def _find(path: str) -> tuple[_Endpoint | None, str]:
    for endpoint in _ENDPOINTS:
        match = endpoint.pattern.fullmatch(path)
        if match is not None:
            return endpoint, match[1] if match.groups() else ""
    return None, ""
