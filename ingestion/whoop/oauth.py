"""OAuth 2.0 at WHOOP: the address of its consent page, and the token endpoint.

Authorization-code grant of a confidential client (RFC 6749, sections 4.1 and 6), secret in the form
body as WHOOP's tutorials send it. A body of the token endpoint is never logged or shown.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import psycopg

from ingestion.errors import ClutchError, SettingError
from ingestion.whoop.budget import Budget, Priority
from ingestion.whoop.clock import Clock
from ingestion.whoop.errors import BudgetExhausted, InvalidGrant, ServiceUnavailable
from ingestion.whoop.http import HttpClient, NoAnswer, Reply
from ingestion.whoop.settings import WhoopSettings

log = logging.getLogger(__name__)

ENDPOINT = "token"
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
"""Doubled by each attempt: 4 attempts wait about 4 s in all, an athlete may be looking on."""
PATIENCE_SECONDS = 120.0
"""For the budget: two windows of a minute. A refresh holds up whoever needs the connection."""
DEFAULT_LIFE_SECONDS = 3600.0
"""If ``expires_in`` is missing: that of every documented example. Too long only costs a 401."""
SHORTEST_STATE = 8
"""WHOOP refuses a shorter ``state``."""

_OUR_FAULT = {
    "invalid_client": "WHOOP_CLIENT_SECRET",
    "unauthorized_client": "WHOOP_CLIENT_ID",
    "redirect_uri_mismatch": "WHOOP_REDIRECT_URI",
    "invalid_scope": "WHOOP_RESOURCES",
}
"""OAuth errors that tell of the app and not of the athlete, with the setting to look at."""


@dataclass(frozen=True)
class TokenSet:
    """What the token endpoint gave.

    Attributes:
        access_token: Bearer token.
        refresh_token: For the next pair; None if none was given.
        expires_at: When the access token ends (aware, UTC), from when the request was sent.
        scopes: What was granted.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime
    scopes: tuple[str, ...]


class OAuthClient:
    """Requests to the authorization server.

    Args:
        whoop: Addresses, client and secret.
        clock: Tells when tokens end, and waits between attempts.
        budget: Counts the requests; None where they are counted elsewhere.
    """

    def __init__(self, whoop: WhoopSettings, clock: Clock, budget: Budget | None = None) -> None:
        self._whoop = whoop
        self._clock = clock
        self._budget = budget
        self._http = HttpClient(whoop.user_agent)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def authorize_url(self, state: str, scopes: Sequence[str]) -> str:
        """The address of WHOOP's consent page.

        Args:
            state: Comes back in the callback; at least 8 characters.
            scopes: What to ask for, with ``offline`` for a refresh token.

        Raises:
            ValueError: If the state is too short.
        """
        if len(state) < SHORTEST_STATE:
            raise ValueError(f"a state has at least {SHORTEST_STATE} characters")
        query = {
            "response_type": "code",
            "client_id": self._whoop.client_id,
            "redirect_uri": self._whoop.redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
        }
        return f"{self._whoop.oauth_base_url}/auth?{urlencode(query)}"

    def exchange(self, code: str) -> TokenSet:
        """Turn a callback's code into tokens.

        Raises:
            InvalidGrant: If the code is wrong, used or too old.
            ServiceUnavailable: If there is no usable answer after several attempts.
            BudgetExhausted: If the budget has no room for the request.
            SettingError: If WHOOP refuses the app itself.
        """
        return self._ask(
            "authorization code",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._whoop.redirect_uri,
            },
        )

    def refresh(self, refresh_token: str, connection_id: UUID | None = None) -> TokenSet:
        """Turn a refresh token into a new pair; WHOOP ends the old pair at once.

        Args:
            refresh_token: The token.
            connection_id: Whose, for the budget's report.

        Raises:
            InvalidGrant: If the token is spent or the grant has ended.
            ServiceUnavailable: If there is no usable answer after several attempts.
            BudgetExhausted: If the budget has no room for the request.
            SettingError: If WHOOP refuses the app itself.
        """
        return self._ask(
            "refresh token",
            {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": "offline"},
            refresh_token,
            connection_id,
        )

    def _ask(
        self,
        what: str,
        form: Mapping[str, str],
        refresh_token: str | None = None,
        connection_id: UUID | None = None,
    ) -> TokenSet:
        client = {"client_id": self._whoop.client_id, "client_secret": self._whoop.client_secret}
        may_be_done = False
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._clock.sleep(FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.75, 1.25))  # noqa: S311
            request_id = self._take_turn(problem, connection_id)
            sent_at = self._clock.now()
            try:
                reply = self._http.send(
                    "POST", f"{self._whoop.oauth_base_url}/token", form={**form, **client}
                )
            except NoAnswer as error:
                self._answered(request_id, None, {})
                problem = error.problem
                may_be_done = may_be_done or error.may_be_done
                continue
            self._answered(request_id, reply.status, reply.headers)
            if reply.status == 200:
                tokens = _read_tokens(reply, sent_at, refresh_token)
                if tokens is not None:
                    return tokens
                problem = "HTTP 200 without tokens"
                may_be_done = True
                continue
            problem = f"HTTP {reply.status}"
            if reply.status in (400, 401, 403):
                error_code = _error_code(reply)
                if error_code is not None:
                    raise self._refused(what, error_code, may_be_done)
            # a page of something between us and WHOOP is no word of the authorization server
            elif reply.status >= 500:
                may_be_done = True
            elif reply.status not in (408, 425, 429):
                break
        raise _unavailable(problem, may_be_done)

    def _take_turn(self, problem: str, connection_id: UUID | None) -> int | None:
        if self._budget is None:
            return None
        try:
            # a request of any priority may be waiting for the token, so it goes first
            return self._budget.acquire(
                Priority.WEBHOOK,
                endpoint=ENDPOINT,
                connection_id=connection_id,
                patience_seconds=PATIENCE_SECONDS,
            )
        except BudgetExhausted:
            if not problem:
                raise
        raise _unavailable(problem, may_be_done=False)

    def _answered(
        self, request_id: int | None, status: int | None, headers: Mapping[str, str]
    ) -> None:
        if self._budget is None or request_id is None:
            return
        try:
            self._budget.answered(request_id, status, headers)
        except (psycopg.Error, ClutchError) as error:
            # the answer may hold the only tokens that work: it must not be lost for the count,
            # which then takes the request as under way
            log.warning("cannot count an answer of the token endpoint: %s", type(error).__name__)

    def _refused(
        self, what: str, error_code: str, may_be_done: bool
    ) -> InvalidGrant | SettingError:
        if error_code in _OUR_FAULT:
            return SettingError(
                _OUR_FAULT[error_code],
                f"WHOOP refuses this app ({error_code})",
                "compare it and WHOOP_CLIENT_ID with the app's page at WHOOP",
            )
        return InvalidGrant(what, error_code, after_lost_answer=may_be_done)


def _unavailable(problem: str, may_be_done: bool) -> ServiceUnavailable:
    return ServiceUnavailable(ENDPOINT, problem, may_be_done=may_be_done)


def _error_code(reply: Reply) -> str | None:
    """OAuth's error code (RFC 6749, section 5.2), None if the answer has none."""
    try:
        content = reply.json()
    except ValueError:
        return None
    code = content.get("error") if isinstance(content, dict) else None
    # it goes into messages: nothing but a code
    if isinstance(code, str) and len(code) <= 40 and code.replace("_", "").isalnum():
        return code
    return None


def _read_tokens(reply: Reply, sent_at: datetime, old_refresh_token: str | None) -> TokenSet | None:
    """The tokens of an answer, None if it holds none."""
    try:
        content = reply.json()
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    access, refresh = content.get("access_token"), content.get("refresh_token")
    scope, life = content.get("scope"), content.get("expires_in")
    if not isinstance(access, str) or not access:
        return None
    if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life < 1e9:
        life = DEFAULT_LIFE_SECONDS
    return TokenSet(
        access_token=access,
        # RFC 6749, section 6: without a new one the old one stays
        refresh_token=refresh if isinstance(refresh, str) and refresh else old_refresh_token,
        expires_at=sent_at + timedelta(seconds=life),
        scopes=tuple(scope.split()) if isinstance(scope, str) else (),
    )
