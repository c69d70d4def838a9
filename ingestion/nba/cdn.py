"""The league's static and live-data files over HTTP.

One session for all requests, at most ``CONCURRENT_REQUESTS`` at a time. What may pass (429, 5xx,
time-outs, dropped connections) is asked again after a growing wait; a ``Retry-After`` is obeyed, by
all requests and not only by the one that was told. What stays unavailable is a gap of one game,
until the host has stopped answering altogether.
"""

from __future__ import annotations

import email.utils
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Literal

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ingestion.errors import ClutchError, SettingError, UsageError
from ingestion.nba.payloads import MAX_BODY_BYTES, PayloadError, Resource, read_payload
from ingestion.nba.schedule import final_games
from ingestion.nba.source import Arrival

CONCURRENT_REQUESTS = 4
ATTEMPTS = 5
ATTEMPTS_BEFORE_FIRST_ANSWER = 3  # a wrong address must not take the patience of a busy host
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 300.0
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
UNAVAILABLE_IN_A_ROW = 6  # three whole games: by then it is the host and not a file

SCHEDULE_PATH = "/static/json/staticData/scheduleLeagueV2.json"

_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_THERE = frozenset({403, 404, 410})  # the host answers 403 for a file that does not exist


class UnavailableError(Exception):
    """The host did not give an answer, although it was asked again.

    Args:
        problem: What happened last, for example ``HTTP 503``.
        is_unreachable: Whether no connection could be made.
    """

    def __init__(self, problem: str, *, is_unreachable: bool) -> None:
        super().__init__(problem)
        self.is_unreachable = is_unreachable


class CdnClient:
    """GET requests to one host, with patience.

    Args:
        base_url: ``NBA_CDN_BASE_URL``.
        user_agent: ``NBA_STATS_USER_AGENT``.
        stop: Ends waiting early when it is set.
    """

    def __init__(self, base_url: str, user_agent: str, stop: threading.Event) -> None:
        self.base_url = base_url
        self._stop = stop
        self._lock = threading.Lock()
        self._not_before = 0.0  # on time.monotonic(): when the host wants to be asked again
        self._has_answered = False
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=CONCURRENT_REQUESTS)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update(
            {
                "User-Agent": user_agent,
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            }
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def has_answered(self) -> bool:
        """Whether the host has answered anything yet."""
        return self._has_answered

    def get(self, path: str) -> tuple[int, bytes, bool]:
        """Ask until there is an answer that asking again would not change.

        Args:
            path: Path below the host.

        Returns:
            Status, body as received (not decompressed) and whether the host says that it is gzip.

        Raises:
            UnavailableError: If there was none after the last attempt.
        """
        attempt = 0
        while True:
            attempt += 1
            self._wait_for_turn()
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(1.0, 1.25)  # noqa: S311
            is_unreachable = False
            try:
                answer, retry_after = self._get_once(path)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                is_unreachable = isinstance(error, requests.ConnectionError)
                problem = _why(error)
            else:
                self._has_answered = True
                if answer[0] not in _TRY_AGAIN:
                    return answer
                problem = f"HTTP {answer[0]}"
                if retry_after is not None:
                    wait = min(retry_after, LONGEST_WAIT_SECONDS)
                    self._pause_all(wait)
            attempts = ATTEMPTS if self._has_answered else ATTEMPTS_BEFORE_FIRST_ANSWER
            if attempt >= attempts or self._stop.is_set():
                raise UnavailableError(problem, is_unreachable=is_unreachable)
            self._stop.wait(wait)

    def _get_once(self, path: str) -> tuple[tuple[int, bytes, bool], float | None]:
        with self._session.get(
            self.base_url + path,
            stream=True,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        ) as response:
            # undecoded: a damaged gzip stream is kept as it came, and decompressed in one place
            # only
            parts: list[bytes] = []
            size = 0
            while size <= MAX_BODY_BYTES and (
                part := response.raw.read(1 << 20, decode_content=False)
            ):
                parts.append(part)
                size += len(part)
            is_gzip = response.headers.get("Content-Encoding", "").lower() == "gzip"
            retry_after = _seconds(response.headers.get("Retry-After"))
            return (response.status_code, b"".join(parts), is_gzip), retry_after

    def _pause_all(self, seconds: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait_for_turn(self) -> None:
        while (seconds := self._not_before - time.monotonic()) > 0:
            if self._stop.wait(seconds):
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


class CdnSource:
    """Games from the league's host.

    Make it with :meth:`of_games` or :meth:`of_schedule`.
    """

    kind: Literal["cdn", "file"] = "cdn"

    def __init__(
        self, client: CdnClient, game_keys: Sequence[str], schedules: Sequence[Arrival]
    ) -> None:
        self._client = client
        self.game_keys = game_keys
        self.schedules = schedules
        self._unavailable_in_a_row = 0

    @classmethod
    def of_games(cls, client: CdnClient, game_ids: Sequence[str]) -> CdnSource:
        """Exactly these games, whatever their state."""
        return cls(client, game_ids, [])

    @classmethod
    def of_schedule(
        cls, client: CdnClient, *, season: str | None, since: date | None
    ) -> tuple[CdnSource, PayloadError | None]:
        """The final games of the schedule that the host offers.

        Args:
            client: Connection to the host.
            season: The season that it must be, None for whichever it is.
            since: Leave out games before this date.

        Returns:
            The source, and what is wrong with the schedule if it is damaged (then there are no
            games).

        Raises:
            SettingError: If the host cannot be reached or does not have the file.
            UsageError: If the host offers another season.
        """
        arrival = _get_arrival(client, "schedule", SCHEDULE_PATH.rpartition("/")[2], SCHEDULE_PATH)
        if arrival.body is None:
            failure = arrival.failure or PayloadError("unavailable", "no answer")
            raise SettingError(
                "NBA_CDN_BASE_URL",
                f"no schedule from {client.base_url}: {failure.detail}",
                "check the address and NBA_STATS_USER_AGENT, or try again later",
            )
        try:
            schedule = read_payload("schedule", None, arrival.body, is_gzip=arrival.is_gzip)
        except PayloadError as error:
            return cls(client, [], [arrival]), error
        if season is not None and schedule.key != season:
            raise UsageError(
                f"--season: {client.base_url} offers only season {schedule.key}, not {season}. "
                f"Fix: ask for --season {schedule.key}, name games of {season} with --games, "
                "or ingest saved files with --from."
            )
        return cls(client, final_games(schedule, since), [arrival]), None

    def fetch(self, game_keys: Sequence[str]) -> Iterator[Arrival]:
        """Yield play-by-play and box score of these games, in order, a few requests ahead.

        Raises:
            SettingError: If the host cannot be reached, or has stopped answering.
        """
        wanted: list[tuple[Resource, str]] = [
            (resource, key) for key in game_keys for resource in _GAME_RESOURCES
        ]
        ahead: deque[Future[Arrival]] = deque()
        with ThreadPoolExecutor(CONCURRENT_REQUESTS, thread_name_prefix="nba-cdn") as executor:
            try:
                for resource, key in wanted:
                    path = f"/static/json/liveData/{resource}/{resource}_{key}.json"
                    ahead.append(executor.submit(_get_arrival, self._client, resource, key, path))
                    if len(ahead) >= 2 * CONCURRENT_REQUESTS:
                        yield self._checked(ahead.popleft().result())
                while ahead:
                    yield self._checked(ahead.popleft().result())
            finally:
                for future in ahead:
                    future.cancel()

    def _checked(self, arrival: Arrival) -> Arrival:
        if arrival.failure is None or arrival.failure.reason != "unavailable":
            self._unavailable_in_a_row = 0
            return arrival
        self._unavailable_in_a_row += 1
        if self._unavailable_in_a_row >= UNAVAILABLE_IN_A_ROW:
            raise ClutchError(
                f"NBA_CDN_BASE_URL: {self._client.base_url} has stopped answering "
                f"({arrival.failure.detail}). "
                "Fix: run the same command again later; what is loaded is kept."
            )
        return arrival


_GAME_RESOURCES: tuple[Resource, Resource] = ("playbyplay", "boxscore")


def _get_arrival(client: CdnClient, resource: Resource, key: str, path: str) -> Arrival:
    origin = client.base_url + path
    try:
        status, body, is_gzip = client.get(path)
    except UnavailableError as error:
        if error.is_unreachable and not client.has_answered:
            raise SettingError(
                "NBA_CDN_BASE_URL",
                f"{client.base_url} cannot be reached ({error})",
                "check the address and the network, or ingest saved files with --from",
            ) from error
        failure = PayloadError("unavailable", f"{origin} was not available: {error}")
        return Arrival(resource, key, origin, failure=failure)
    if status in _NOT_THERE:
        failure = PayloadError("not_found", f"{origin} does not exist: HTTP {status}")
        return Arrival(resource, key, origin, failure=failure)
    if status != requests.codes.ok:
        failure = PayloadError("unexpected_status", f"{origin} answered HTTP {status}")
        return Arrival(resource, key, origin, body, is_gzip, failure)
    return Arrival(resource, key, origin, body, is_gzip)
