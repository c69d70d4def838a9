"""Requests to one of the league's hosts, with manners.

One session and few connections per host, a highest rate, and a mark of the host's own validators so
that an unchanged file costs no body. What may pass (429, 5xx, time-outs, dropped connections) is
asked again after a growing, jittered wait; a ``Retry-After`` is obeyed by all requests and not only
by the one that was told. When a host has stopped answering, or refuses everything, its circuit
opens: nothing more is asked of it in this run, and the reason says so.

``urllib3``'s own ``Retry`` is not used: it retries each request by itself, where a host that asks
for patience must get it from all of them, and it has nothing that stops.
"""

from __future__ import annotations

import email.utils
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ingestion.nba.payloads import MAX_BODY_BYTES

ATTEMPTS = 5
ATTEMPTS_BEFORE_FIRST_ANSWER = 3  # a wrong address must not take the patience of a busy host
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 300.0
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
BODY_SECONDS = 180.0  # for a whole answer: one that drips never runs into the read timeout
UNAVAILABLE_IN_A_ROW = 6  # three whole games: by then it is the host and not a file
REFUSALS_IN_A_ROW = 12

_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_FORBIDDEN = 403


class UnavailableError(Exception):
    """The host did not give an answer, although it was asked again.

    Args:
        problem: What happened last, for example ``HTTP 503``.
    """


class CircuitOpenError(Exception):
    """The host is not asked any more in this run.

    Args:
        problem: Why, for example ``has stopped answering (HTTP 503)``.
    """


@dataclass(frozen=True)
class Validators:
    """What a host said to tell whether a file has changed since.

    Attributes:
        etag: Header ``ETag``.
        last_modified: Header ``Last-Modified``.
    """

    etag: str | None = None
    last_modified: str | None = None


NO_VALIDATORS = Validators()


@dataclass(frozen=True)
class Answer:
    """An answer that asking again would not change.

    Attributes:
        status: HTTP status.
        body: As received, not decompressed.
        is_gzip: Whether the host says that the body is gzip.
        validators: For the next request.
    """

    status: int
    body: bytes
    is_gzip: bool
    validators: Validators


class HttpClient:
    """GET requests to one host.

    Args:
        base_url: The host.
        setting: Name of its setting, for messages.
        headers: Sent with every request.
        concurrent_requests: How many may be under way at a time.
        requests_per_second: Highest rate, attempts included (1/s).
        stop: Ends waiting early when it is set.

    Attributes:
        requests_sent: Attempts so far.
        retries: How many of them repeated an earlier one.
    """

    def __init__(
        self,
        base_url: str,
        setting: str,
        headers: dict[str, str],
        *,
        concurrent_requests: int,
        requests_per_second: float,
        stop: threading.Event,
    ) -> None:
        self.base_url = base_url
        self.setting = setting
        self.requests_sent = 0
        self.retries = 0
        self._stop = stop
        self._interval = 1.0 / requests_per_second
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(concurrent_requests)
        self._next_turn = 0.0  # on time.monotonic()
        self._not_before = 0.0  # when the host wants to be asked again
        self._has_answered = False
        self._unavailable_in_a_row = 0
        self._refusals_in_a_row = 0
        self._open_because: str | None = None
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=concurrent_requests)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update(
            {"Accept": "application/json", "Accept-Encoding": "gzip", **headers}
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def open_because(self) -> str | None:
        """Why the host is not asked any more, None while it is."""
        return self._open_because

    def get(
        self, path: str, known: Validators | None = None, *, must_exist: bool = False
    ) -> Answer:
        """Ask until there is an answer that asking again would not change.

        Args:
            path: Path and query below the host.
            known: Validators of what is stored; the answer may then be 304 without a body.
            must_exist: Whether 403 can only be a refusal. The CDN answers 403 for a file that it
                does not have, which is nothing to worry about before a game is over.

        Raises:
            UnavailableError: If there was no answer after the last attempt.
            CircuitOpenError: If the host is not asked any more.
        """
        if self._open_because is not None:
            raise CircuitOpenError(self._open_because)
        try:
            answer = self._get_patiently(path, known or NO_VALIDATORS)
        except UnavailableError as error:
            with self._lock:
                self._unavailable_in_a_row += 1
                if not self._has_answered:
                    self._open(f"cannot be reached ({error})")
                elif self._unavailable_in_a_row >= UNAVAILABLE_IN_A_ROW:
                    self._open(f"has stopped answering ({error})")
            raise
        with self._lock:
            self._unavailable_in_a_row = 0
            if answer.status != _FORBIDDEN:
                self._refusals_in_a_row = 0
            elif must_exist:
                self._refusals_in_a_row += 1
                if self._refusals_in_a_row >= REFUSALS_IN_A_ROW:
                    self._open(
                        f"blocks us (HTTP 403 for {REFUSALS_IN_A_ROW} files in a row that must "
                        "exist)"
                    )
        return answer

    def _open(self, problem: str) -> None:
        if self._open_because is None:
            self._open_because = problem

    def _get_patiently(self, path: str, known: Validators) -> Answer:
        attempt = 0
        while True:
            attempt += 1
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(1.0, 1.25)  # noqa: S311
            with self._places:
                self._wait_for_turn()
                if self._open_because is not None:
                    raise CircuitOpenError(self._open_because)
                with self._lock:
                    self.requests_sent += 1
                    self.retries += attempt > 1
                try:
                    answer, retry_after = self._get_once(path, known)
                except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                    problem = _why(error)
                else:
                    self._has_answered = True
                    if answer.status not in _TRY_AGAIN:
                        return answer
                    problem = f"HTTP {answer.status}"
                    if retry_after is not None:
                        wait = retry_after
                        self._pause_all(retry_after)
            attempts = ATTEMPTS if self._has_answered else ATTEMPTS_BEFORE_FIRST_ANSWER
            if attempt >= attempts or self._stop.is_set() or self._open_because is not None:
                raise UnavailableError(problem)
            self._stop.wait(wait)

    def _get_once(self, path: str, known: Validators) -> tuple[Answer, float | None]:
        headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
        with self._session.get(
            self.base_url + path,
            stream=True,
            headers={name: value for name, value in headers.items() if value},
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        ) as response:
            # undecoded: a damaged gzip stream is kept as it came, and decompressed in one place
            # only
            parts: list[bytes] = []
            size = 0
            deadline = time.monotonic() + BODY_SECONDS
            while size <= MAX_BODY_BYTES and (
                part := response.raw.read1(1 << 20, decode_content=False)
            ):
                parts.append(part)
                size += len(part)
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout(f"no whole answer in {BODY_SECONDS:.0f} s")
            answer = Answer(
                response.status_code,
                b"".join(parts),
                response.headers.get("Content-Encoding", "").lower() == "gzip",
                Validators(response.headers.get("ETag"), response.headers.get("Last-Modified")),
            )
            return answer, _seconds(response.headers.get("Retry-After"))

    def _pause_all(self, seconds: float) -> None:
        with self._lock:
            if seconds > LONGEST_WAIT_SECONDS:
                self._open(f"wants to be left alone for {seconds:,.0f} s (Retry-After)")
            else:
                self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next_turn = max(self._next_turn, now)
            turn = self._next_turn
            # uneven steps: runs that were started by one clock must not stay in step
            self._next_turn += self._interval * random.uniform(0.8, 1.2)  # noqa: S311
        while (seconds := max(turn, self._not_before) - time.monotonic()) > 0:
            if self._open_because is not None or self._stop.wait(seconds):
                return


def _seconds(retry_after: str | None) -> float | None:
    """Seconds to wait by a ``Retry-After`` header, None without a usable one.

    Source: RFC 9110, section 10.2.3: a number of seconds or a date.
    """
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _why(error: Exception) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"the answer broke off ({type(error).__name__})"
