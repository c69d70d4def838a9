"""One request to WHOOP: whole answer or none, with what is known of a request that failed.

Nothing here keeps, shows or logs a header or a body: errors of ``requests`` hold the request with
its token, so they end here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0
ANSWER_SECONDS = 60.0
"""For a whole answer: one that drips never runs into the read timeout."""
MAX_ANSWER_BYTES = 8 << 20
"""A page of 25 records has some 25 kB."""
CONNECTIONS = 16


@dataclass(frozen=True)
class Reply:
    """A whole answer.

    Attributes:
        status: HTTP status.
        headers: As sent, names in any case.
        body: Decoded bytes; never shown.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is none; without the body.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            pass
        raise ValueError("not JSON")


class NoAnswer(Exception):  # noqa: N818
    """No whole answer came.

    Args:
        problem: For example ``no answer in time``.
        may_be_done: Whether the service may have carried the request out.
    """

    def __init__(self, problem: str, *, may_be_done: bool) -> None:
        super().__init__(problem)
        self.problem = problem
        self.may_be_done = may_be_done


class HttpClient:
    """Requests over connections that are kept open; safe for several threads.

    Args:
        user_agent: Sent with every request.
    """

    def __init__(self, user_agent: str) -> None:
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        bearer: str | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request once; redirects are not followed, a token goes to no other place.

        Raises:
            NoAnswer: If no whole answer came.
        """

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # as `auth`: without one requests puts in what a .netrc file says of the host
            if bearer is not None:
                request.headers["Authorization"] = f"Bearer {bearer}"
            return request

        try:
            with self._session.request(
                method,
                url,
                params=params,
                data=form,
                auth=authorize,
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Reply(response.status_code, response.headers, _body(response))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = _failure(error)
        # outside of the handler: the new error must not carry the old one, which holds the token
        raise failure


def _body(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    deadline = time.monotonic() + ANSWER_SECONDS
    for part in response.iter_content(1 << 16):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise requests.RequestException("the answer is too large")
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return b"".join(parts)


def _failure(error: Exception) -> NoAnswer:
    if isinstance(error, requests.ConnectTimeout):
        return NoAnswer("no connection in time", may_be_done=False)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return NoAnswer("no answer in time", may_be_done=True)
    if isinstance(error, requests.ConnectionError):
        cause = error.args[0] if error.args else None
        reason = getattr(cause, "reason", None)
        if isinstance(reason, urllib3.exceptions.NewConnectionError):
            return NoAnswer("no connection", may_be_done=False)
        return NoAnswer("the connection broke off", may_be_done=True)
    return NoAnswer(f"the answer broke off ({type(error).__name__})", may_be_done=True)
