"""The WHOOP API as the sync and the webhook worker use it.

Every request goes through the budget and carries a token that was valid a moment ago. What is
decided, is decided by status: WHOOP documents no bodies of errors.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ingestion.errors import ClutchError
from ingestion.settings import Settings
from ingestion.whoop.budget import Budget, Priority
from ingestion.whoop.clock import Clock, SystemClock
from ingestion.whoop.errors import (
    AccessWithdrawn,
    MissingScope,
    ReconnectNeeded,
    RequestRefused,
    ServiceUnavailable,
)
from ingestion.whoop.http import HttpClient, NoAnswer, Reply
from ingestion.whoop.sessions import Sessions
from ingestion.whoop.settings import WhoopSettings
from ingestion.whoop.tokens import (
    REVOCATION_ANSWERED,
    REVOCATION_CONFIRMED,
    REVOCATION_UNCONFIRMED,
    Credentials,
    TokenSource,
)

PAGE_SIZE = 25
"""The largest that WHOOP takes."""
MOST_PAGES = 2_000
"""50,000 records of one kind: 13 years with ten a day. More is a server that never ends."""
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.5
"""Doubled by each attempt: five wait about 8 s in all."""
PATIENCE_SECONDS = 600.0
"""For the budget: the minute's room always comes within it, the day's only by chance."""
STALE_TOKEN_SECONDS = 2.0
"""A wait for the budget longer than this, and the token is looked at again."""
CONFIRM_SECONDS = 2.0
"""Before a fresh token is asked with once more: the API may know it later than the token endpoint
gave it, and what follows is that the athlete has to connect again."""
ROUNDS_OF_REFUSAL = 3

_ACCESS = "/v2/user/access"
_TRY_AGAIN = frozenset({408, 425, 500, 502, 503, 504})
_SCOPES = (
    (re.compile(r"/v2/(cycle/[^/]+/)?recovery$"), "read:recovery"),
    (re.compile(r"/v2/cycle(/[^/]+)?$"), "read:cycles"),
    (re.compile(r"/v2/activity/sleep(/[^/]+)?$"), "read:sleep"),
    (re.compile(r"/v2/activity/workout(/[^/]+)?$"), "read:workout"),
    (re.compile(r"/v2/user/profile/basic$"), "read:profile"),
    (re.compile(r"/v2/user/measurement/body$"), "read:body_measurement"),
)
_SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True)
class Answer:
    """An answer of the API.

    Attributes:
        status: 200, or 404 where there is no such record.
        payload: The JSON that came; None with 404.
        fetched_at: When it was there (aware, UTC).
    """

    status: int
    payload: Any | None
    fetched_at: datetime


class WhoopApi:
    """Requests for members' records, each within the budget and with a token that works.

    Safe for several threads. Making one opens everything that is stored, so that a wrong key is
    told before the first request.

    Args:
        settings: Database and state directory.
        whoop: Addresses, client and keys.
        clock: Tells the time and waits.

    Raises:
        SettingError: If no key of ``ENCRYPTION_KEY`` opens what is stored.

    Attributes:
        budget: The app's budget.
        tokens: The connections' tokens.
    """

    def __init__(
        self, settings: Settings, whoop: WhoopSettings, *, clock: Clock = _SYSTEM_CLOCK
    ) -> None:
        self._base_url = whoop.api_base_url
        self._clock = clock
        self._sessions = Sessions(settings)
        self._http = HttpClient(whoop.user_agent)
        self.budget = Budget(settings, whoop, clock, self._sessions)
        self.tokens = TokenSource(settings, whoop, clock, self.budget, self._sessions)
        self.tokens.check()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self.tokens.close()
        self._sessions.close()

    def get(
        self,
        connection_id: UUID,
        path: str,
        *,
        endpoint: str,
        priority: Priority,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for one thing; 200 and 404 are answers.

        Args:
            connection_id: Whose.
            path: Below ``WHOOP_API_BASE_URL``, e.g. ``/v2/cycle/93845``.
            endpoint: The same without ids, e.g. ``/v2/cycle/{id}``.
            priority: Its place in the budget.
            params: Query.

        Raises:
            ReconnectNeeded: If the connection's tokens do not work (:class:`AccessWithdrawn`: the
                member ended the access).
            MissingScope: If the grant does not cover it.
            RequestRefused: If WHOOP refuses what is asked (400 and the like).
            ServiceUnavailable: If there is no usable answer after several attempts.
            BudgetExhausted: If the budget has no room within the patience.
        """
        scope = scope_of(path)
        refused: int | None = None
        suspect: int | None = None
        rounds = failures = 0
        while True:
            credentials, request_id = self._ready(connection_id, endpoint, priority, refused, scope)
            try:
                reply = self._send("GET", path, credentials, request_id, params)
            except NoAnswer as error:
                problem = error.problem
            else:
                if reply.status == 404:
                    return Answer(404, None, self._clock.now())
                if reply.status == 403:
                    raise MissingScope(connection_id, endpoint, scope or "(WHOOP names none)")
                if reply.status == 200:
                    try:
                        return Answer(200, reply.json(), self._clock.now())
                    except ValueError:
                        problem = "HTTP 200 without JSON"
                elif reply.status == 401:
                    version = credentials.token_version
                    if refused is None:
                        refused = version
                    elif suspect != version:
                        suspect = version
                        self._clock.sleep(CONFIRM_SECONDS)
                    elif self.tokens.withdrawn(connection_id, version):
                        raise AccessWithdrawn(connection_id)
                    else:  # refreshed elsewhere meanwhile: the newer one may work
                        rounds += 1
                        if rounds == ROUNDS_OF_REFUSAL:
                            raise ServiceUnavailable(endpoint, "HTTP 401 for one token after other")
                    continue
                elif reply.status == 429 or reply.status in _TRY_AGAIN:
                    problem = f"HTTP {reply.status}"
                else:
                    raise RequestRefused(endpoint, reply.status)
            failures += 1
            if failures == ATTEMPTS:
                raise ServiceUnavailable(endpoint, problem)
            if problem != "HTTP 429":  # for that the budget waits
                self._pause(failures)

    def pages(
        self,
        connection_id: UUID,
        path: str,
        *,
        endpoint: str,
        priority: Priority,
        start: datetime | None,
        end: datetime | None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a collection, newest records first.

        A record that arrives meanwhile may shift the pages: the same one can come twice.

        Args:
            connection_id: Whose.
            path: For example ``/v2/cycle``.
            endpoint: The same: a collection has no ids.
            priority: Its place in the budget.
            start: Records during or after this (aware); None for no bound.
            end: Records before or across this (aware); None for now.

        Raises:
            ClutchError: As :meth:`get`; ServiceUnavailable also where pages do not end or are none,
                RequestRefused where the collection is not there (404).
        """
        query = {"limit": str(PAGE_SIZE)}
        if start is not None:
            query["start"] = moment(start)
        if end is not None:
            query["end"] = moment(end)
        seen: set[str] = set()
        token: str | None = None
        while True:
            params = query if token is None else {**query, "nextToken": token}
            answer = self.get(
                connection_id, path, endpoint=endpoint, priority=priority, params=params
            )
            if answer.status == 404:
                raise RequestRefused(endpoint, 404)
            records, token = _page(endpoint, answer.payload)
            yield records
            if token is None:
                return
            if token in seen or len(seen) == MOST_PAGES:
                raise ServiceUnavailable(endpoint, "its pages do not end")
            seen.add(token)

    def revoke(self, connection_id: UUID) -> bool:
        """Fence the connection off, end its grant at WHOOP, and see that it has ended.

        Safe to repeat: each step is noted, and the tokens go when it is over.

        Returns:
            Whether WHOOP confirmed it; False if no token is left that could end the grant, which
            the athlete can do in WHOOP's app.

        Raises:
            ReconnectNeeded: If there is no such connection.
            ServiceUnavailable: If there is no usable answer; call it again.
            BudgetExhausted: If the budget has no room; call it again.
        """
        reason = self.tokens.fence(connection_id)
        if reason in (REVOCATION_CONFIRMED, REVOCATION_UNCONFIRMED):
            return reason == REVOCATION_CONFIRMED
        is_taken = reason == REVOCATION_ANSWERED
        refused: int | None = None
        failures = 0
        while True:
            try:
                credentials, request_id = self._ready(
                    connection_id, _ACCESS, Priority.WEBHOOK, refused, None, revoking=True
                )
            except ReconnectNeeded:
                return self._revocation_over(connection_id, is_confirmed=is_taken)
            try:
                reply = self._send("DELETE", _ACCESS, credentials, request_id)
            except NoAnswer as error:
                problem = error.problem
            else:
                if reply.status == 401:
                    # a token that has just ended another way says nothing of the grant
                    if is_taken or refused is not None:
                        return self._revocation_over(connection_id, is_confirmed=is_taken)
                    refused = credentials.token_version
                    continue
                problem = f"HTTP {reply.status}"
                if reply.status in (200, 204):
                    self.tokens.note_revocation(connection_id, REVOCATION_ANSWERED, forget=False)
                    # seen to have ended: the same request with the same token is refused now
                    is_taken = True
                    problem += " and the token still works"
                    if failures == 0:
                        failures = 1
                        continue
                elif reply.status != 429 and reply.status not in _TRY_AGAIN:
                    raise RequestRefused(_ACCESS, reply.status)
            failures += 1
            if failures >= ATTEMPTS:
                raise ServiceUnavailable(_ACCESS, problem)
            self._pause(failures)

    def _revocation_over(self, connection_id: UUID, *, is_confirmed: bool) -> bool:
        reason = REVOCATION_CONFIRMED if is_confirmed else REVOCATION_UNCONFIRMED
        self.tokens.note_revocation(connection_id, reason, forget=True)
        return is_confirmed

    def _ready(
        self,
        connection_id: UUID,
        endpoint: str,
        priority: Priority,
        refused: int | None,
        scope: str | None,
        *,
        revoking: bool = False,
    ) -> tuple[Credentials, int]:
        """A token and a place in the budget, both to be used at once."""
        while True:
            credentials = self.tokens.credentials(connection_id, refused=refused, revoking=revoking)
            if scope is not None and credentials.scopes and scope not in credentials.scopes:
                raise MissingScope(connection_id, endpoint, scope)
            asked_at = self._clock.now()
            request_id = self.budget.acquire(
                priority,
                endpoint=endpoint,
                connection_id=connection_id,
                patience_seconds=PATIENCE_SECONDS,
            )
            if (self._clock.now() - asked_at).total_seconds() < STALE_TOKEN_SECONDS:
                return credentials, request_id
            try:
                usable = self.tokens.usable(connection_id, refused=refused, revoking=revoking)
            except ClutchError:
                self.budget.release(request_id)
                raise
            if usable is not None:
                return usable, request_id
            self.budget.release(request_id)

    def _send(
        self,
        method: str,
        path: str,
        credentials: Credentials,
        request_id: int,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        try:
            reply = self._http.send(
                method, self._base_url + path, bearer=credentials.token, params=params
            )
        except NoAnswer:
            self.budget.answered(request_id, None, {})
            raise
        self.budget.answered(request_id, reply.status, reply.headers)
        return reply

    def _pause(self, failures: int) -> None:
        self._clock.sleep(FIRST_WAIT_SECONDS * 2 ** (failures - 1) * random.uniform(0.75, 1.25))  # noqa: S311


def scope_of(path: str) -> str | None:
    """The scope that a path needs; None where WHOOP declares none (``/v2/cycle/{id}/sleep``)."""
    for pattern, scope in _SCOPES:
        if pattern.match(path):
            return scope
    return None


def moment(time: datetime) -> str:
    """A time as WHOOP takes it: RFC 3339, UTC, milliseconds, ``Z``.

    Raises:
        ValueError: If the time has no zone.
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    utc = time.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _page(endpoint: str, payload: Any) -> tuple[list[dict[str, Any]], str | None]:
    """Records and next token of a page; the last page's token is absent, null or empty."""
    records = payload.get("records") if isinstance(payload, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ServiceUnavailable(endpoint, "HTTP 200 without a list of records")
    token = payload.get("next_token")
    if token is not None and not isinstance(token, str):
        raise ServiceUnavailable(endpoint, "its next_token is no text")
    return records, token or None
