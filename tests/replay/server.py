"""Serve real seasons over HTTP as both of the league's services do, faults included.

The host of static files answers 403 for what it does not have and supports conditional requests;
the stats service answers 404, and empty tables for a ``playbyplayv2`` that it does not have. Each
has an address of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import gzip
import hashlib
import re
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from ingestion.settings import Settings
from tests.replay import edits
from tests.replay.faults import Fault, FaultPlan, Kind
from tests.replay.legacy import LEGACY_SEASONS, LegacySeason, unknown_play_by_play
from tests.replay.log import LoggedRequest, RequestLog
from tests.replay.seasons import CDN_SEASONS, ReplaySeason, Season

UNHURRIED_PER_SECOND = 100_000.0

ALL_SEASONS = (*LEGACY_SEASONS, *CDN_SEASONS)
SCHEDULE_PATH = "/static/json/staticData/scheduleLeagueV2.json"
_LIVE_PATH = re.compile(
    r"/static/json/liveData/(playbyplay|boxscore)/(playbyplay|boxscore)_(\d{10})\.json"
)
_STATS_PATH = re.compile(r"/stats/(playbyplayv2|playbyplayv3|boxscoretraditionalv3)")
_LIVE_RESOURCES = ("playbyplay", "boxscore")

_ABSENT = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code></Error>"
_BLOCK_PAGE = (
    b"<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n"
    b"You don't have permission to access this page on this server.\n</BODY>\n</HTML>\n"
)
_AGE_OF_STALE_SECONDS = 86_400

Service = Literal["cdn", "stats"]


@dataclass(frozen=True)
class Content:
    """A body as it is kept: compressed, with the validators of a conditional request."""

    packed: bytes
    etag: str
    modified: datetime | None

    @classmethod
    def of(cls, body: bytes, modified: datetime | None) -> Content:
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        return cls(gzip.compress(body, compresslevel=1, mtime=0), etag, modified)

    @property
    def body(self) -> bytes:
        """The body, not compressed."""
        return gzip.decompress(self.packed)


@dataclass(frozen=True)
class Target:
    """What a path asks for: a game's resource, or (without a game) a season's schedule."""

    resource: str
    key: str
    periods: tuple[int, int] = (0, 0)


class Library:
    """Seasons, and the version of every game that is the newest just now.

    Args:
        seasons: The seasons; the static schedule is that of the newest one.
        keep: Whether to keep every payload in memory once it was built.
    """

    def __init__(self, seasons: list[Season], *, keep: bool) -> None:
        self.seasons = {season.season: season for season in seasons}
        self._season_of = {game: season for season in seasons for game in season.game_ids}
        self._keep = keep
        self._kept: dict[Target, Content | None] = {}
        self._versions: dict[str, int] = {}
        self._edited: dict[str, list[tuple[Content, Content]]] = {}
        # polars and the cached properties are filled once; handler threads must not race for them
        self._lock = threading.RLock()

    @property
    def games(self) -> list[str]:
        """All games of all seasons."""
        return list(self._season_of)

    def build_all(self) -> None:
        """Build every payload now."""
        for game_id, season in self._season_of.items():
            for resource in season.resources:
                self.find(Target(resource, game_id))
        for name in self.seasons:
            self.find(Target("schedule", name))

    def set_version(self, game_id: str, version: int) -> None:
        """Let a game be served as it was after so many edits."""
        with self._lock:
            if game_id not in self._edited:
                season = self._season_of[game_id]
                play_by_play, box_score = (
                    season.payload(resource, game_id) for resource in _LIVE_RESOURCES
                )
                if play_by_play is None or box_score is None:
                    raise LookupError(f"game {game_id} has no play-by-play or no box score")
                saved = _time(box_score)
                self._edited[game_id] = [
                    (
                        Content.of(edited, saved and saved + timedelta(days=number)),
                        Content.of(edited_box, saved and saved + timedelta(days=number)),
                    )
                    for number, (edited, edited_box) in enumerate(
                        edits.versions(play_by_play, box_score)
                    )
                ]
            if not 0 <= version < len(self._edited[game_id]):
                raise ValueError(f"a game has the versions 0 to {edits.EDITS}, not {version}")
            self._versions[game_id] = version

    def find(self, target: Target, *, is_stale: bool = False) -> Content | None:
        """The newest content, or the version before it, which may be the same; None without any."""
        with self._lock:
            if target.key in self._versions and target.resource in _LIVE_RESOURCES:
                version = self._versions[target.key] - is_stale
                both = self._edited[target.key][max(0, version)]
                return both[_LIVE_RESOURCES.index(target.resource)]
            if target not in self._kept:
                found = self._build(target)
                if not self._keep:
                    return found
                self._kept[target] = found
            return self._kept[target]

    def of_another_game(self, target: Target) -> Content | None:
        """The same resource of the next game of the season."""
        with self._lock:
            season = self._season_of.get(target.key)
            if season is None:
                return None
            games = season.game_ids
            other = games[(games.index(target.key) + 1) % len(games)]
            if other == target.key:
                raise LookupError("one game alone cannot be mixed up with another")
            return self.find(dataclasses.replace(target, key=other))

    def _build(self, target: Target) -> Content | None:
        if target.resource == "schedule":
            season = self.seasons.get(target.key)
            return None if season is None else Content.of(season.schedule(), None)
        of_game = self._season_of.get(target.key)
        if target.resource == "playbyplayv2":
            if isinstance(of_game, LegacySeason):
                body = of_game.play_by_play(target.key, *target.periods)
            else:
                body = unknown_play_by_play(target.key, *target.periods)
            return Content.of(body, None)
        found = of_game.payload(target.resource, target.key) if of_game else None
        if found is None or of_game is None:
            return None
        # the play-by-play was saved with the box score, whose time is known
        box_score = found if target.resource == "boxscore" else None
        if target.resource == "playbyplay":
            box_score = of_game.payload("boxscore", target.key)
        return Content.of(found, _time(box_score))


def _time(box_score: bytes | None) -> datetime | None:
    if box_score is None:
        return None
    time: str = orjson.loads(box_score)["meta"]["time"]
    return datetime.fromisoformat(time).replace(tzinfo=UTC)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive: the client's connection reuse is part of the replay
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._connection = self.server.log.new_connection()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        number, total = self.server.count(self.path)
        with self.server.log.answering(self.path, self._connection, headers) as request:
            self._log_of_this = request
            fault = self.server.plan.fault(self.path, number, total)
            refusal = self.server.refusal
            if refusal is not None and not _is_browser(headers):
                fault = refusal
            request.fault = None if fault is None else fault.name
            # a client may hang up on a slow answer
            with contextlib.suppress(ConnectionError):
                self._answer(fault)

    def _answer(self, fault: Fault | None) -> None:
        match fault:
            case None:
                self._serve()
            case Fault(kind=Kind.STATUS):
                self._send_status(fault)
            case Fault(kind=Kind.BLOCKED):
                self._send(403, _BLOCK_PAGE, {"Content-Type": "text/html"})
            case Fault(kind=Kind.HTML):
                self._send(200, _BLOCK_PAGE, {"Content-Type": "text/html"})
            case Fault(kind=Kind.SILENCE):
                self.server.stopped.wait(fault.seconds)
                self.close_connection = True
            case Fault(kind=Kind.RESET_BEFORE_ANSWER):
                self._reset()
            case Fault(kind=Kind.SLOW_HEADERS):
                self.server.stopped.wait(fault.seconds)
                self._serve()
            case _:
                self._serve_damaged(fault)

    def _serve(self) -> None:
        """Answer in good order; also 304, and 403 or 404 for what is not there."""
        content = self.server.find(self.path)
        if content is None:
            self._send_absent()
            return
        headers = _validators(content)
        if self._is_unchanged(content):
            self._send(304, b"", headers)
        else:
            self._send(200, content.body, headers, packed=content.packed)

    def _serve_damaged(self, fault: Fault) -> None:
        target = self.server.target(self.path)
        content = None
        if target is not None and fault.kind is Kind.WRONG_GAME:
            content = self.server.library.of_another_game(target)
        elif target is not None:
            content = self.server.library.find(target, is_stale=fault.kind is Kind.STALE)
        if content is None:  # a schedule has no other game, an absent file no body
            self._serve()
            return
        headers = _validators(content)
        body = content.body
        match fault.kind:
            case Kind.STALE:
                headers["Age"] = str(_AGE_OF_STALE_SECONDS)
                self._send(200, body, headers, packed=content.packed)
            case Kind.WRONG_GAME:
                self._send(200, body, headers, packed=content.packed)
            case Kind.CUT_JSON:
                self._send(200, body[: len(body) // 2], headers)
            case Kind.CUT_GZIP:
                headers["Content-Encoding"] = "gzip"
                self._send(200, content.packed[: -len(content.packed) // 3], headers)
            case Kind.SHORT_BODY | Kind.RESET_IN_BODY:
                headers["Content-Length"] = str(len(body))
                self._send(200, body[: len(body) // 2], headers)
                self.close_connection = True
                if fault.kind is Kind.RESET_IN_BODY:
                    # a reset overtakes what the client has not read yet
                    self.server.stopped.wait(0.05)
                    self._reset()
            case Kind.SLOW_BODY:
                headers["Content-Length"] = str(len(body))
                self._send(200, b"", headers)
                parts = 10
                for part in range(parts):
                    self.server.stopped.wait(fault.seconds / parts)
                    self.wfile.write(
                        body[part * len(body) // parts : (part + 1) * len(body) // parts]
                    )
            case _:
                raise AssertionError(fault)

    def _is_unchanged(self, content: Content) -> bool:
        known = self.headers.get("If-None-Match")
        if known is not None:
            return content.etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}
        since = self.headers.get("If-Modified-Since")
        if since is None or content.modified is None:
            return False
        return content.modified.replace(microsecond=0) <= email.utils.parsedate_to_datetime(since)

    def _send_absent(self) -> None:
        if self.server.service == "cdn":
            self._send(403, _ABSENT, {"Content-Type": "application/xml"})
        else:
            self._send(404, b"Not Found", {"Content-Type": "text/plain"})

    def _send_status(self, fault: Fault) -> None:
        headers = {"Content-Type": "text/plain"}
        if fault.retry_after == "seconds":
            headers["Retry-After"] = f"{fault.seconds:.0f}"
        elif fault.retry_after == "date":
            moment = datetime.now(UTC) + timedelta(seconds=fault.seconds)
            headers["Retry-After"] = email.utils.format_datetime(moment, usegmt=True)
        self._send(fault.status, b"try again", headers)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], packed: bytes | None = None
    ) -> None:
        self._log_of_this.status = status
        accepts_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        if packed is not None and accepts_gzip and self.server.use_gzip:
            body = packed
            headers = {**headers, "Content-Encoding": "gzip"}
        self.send_response(status)
        if status != 304:
            headers = {"Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Close the connection with RST instead of FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # it holds the socket open
        self.connection.close()

    def log_message(self, *args: object) -> None:
        """Keep quiet: thousands of lines would bury what a test prints."""

    _log_of_this: LoggedRequest


def _validators(content: Content) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "ETag": content.etag}
    if content.modified is not None:
        headers["Last-Modified"] = email.utils.format_datetime(content.modified, usegmt=True)
    return headers


def _is_browser(headers: dict[str, str]) -> bool:
    """Whether a request looks like the league's own pages asking, which the stats service wants."""
    return (
        headers.get("user-agent", "").startswith("Mozilla/")
        and headers.get("referer", "").startswith("https://www.nba.com/")
        and headers.get("origin", "") == "https://www.nba.com"
    )


class _Server(ThreadingHTTPServer):
    """One of the two hosts."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, service: Service, port: int, library: Library, log: RequestLog, *, use_gzip: bool
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service
        self.library = library
        self.log = log
        self.use_gzip = use_gzip
        self.plan = FaultPlan()
        self.refusal: Fault | None = None
        self.stopped = threading.Event()
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, path: str) -> tuple[int, int]:
        """Count a request; how many came before, for this path and for all."""
        with self._lock:
            before = self._asked[path], self._asked.total()
            self._asked[path] += 1
            return before

    def forget(self) -> None:
        """Begin to count again."""
        with self._lock:
            self._asked.clear()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about a client that was killed; anything else is printed as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def find(self, path: str) -> Content | None:
        target = self.target(path)
        return None if target is None else self.library.find(target)

    def target(self, path: str) -> Target | None:
        return _static_target(path, self.library) if self.service == "cdn" else _stats_target(path)


def _static_target(path: str, library: Library) -> Target | None:
    if path == SCHEDULE_PATH:
        return Target("schedule", max(library.seasons))
    match = _LIVE_PATH.fullmatch(path)
    return Target(match[1], match[3]) if match is not None and match[1] == match[2] else None


def _stats_target(path: str) -> Target | None:
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/stats/scheduleleaguev2" and query.get("LeagueID") == "00":
        return Target("schedule", query.get("Season", ""))
    match = _STATS_PATH.fullmatch(parts.path)
    if match is None or not re.fullmatch(r"\d{10}", query.get("GameID", "")):
        return None
    if match[1] == "playbyplayv2":  # the service repeats the periods that it was asked for
        periods = int(query.get("StartPeriod", 0)), int(query.get("EndPeriod", 0))
        return Target(match[1], query["GameID"], periods)
    return Target(match[1], query["GameID"])


class ReplayServer:
    """A context manager that serves seasons on 127.0.0.1.

    Args:
        seasons: The seasons; all their games are served, the static schedule is that of the newest.
        games: Limits every season to those of these game ids that it has.
        include_play_in: Also list the play-in games, which have no box score.
        port: TCP port of the static files, 0 for a free one.
        stats_port: TCP port of the stats service, 0 for a free one.
        use_gzip: Compress the answers for clients that accept it.
        keep: Keep every payload in memory once it was built (about 35 kB a game).

    Attributes:
        base_url: The value for ``NBA_CDN_BASE_URL``.
        stats_base_url: The value for ``NBA_STATS_BASE_URL``.
        log: What the static files were asked for.
        stats_log: What the stats service was asked for.
    """

    def __init__(
        self,
        seasons: Iterable[str],
        *,
        games: Collection[str] | None = None,
        include_play_in: bool = False,
        port: int = 0,
        stats_port: int = 0,
        use_gzip: bool = False,
        keep: bool = False,
    ) -> None:
        self.log, self.stats_log = RequestLog(), RequestLog()
        self._library = Library(open_seasons(seasons, games, include_play_in), keep=keep)
        self._cdn = _Server("cdn", port, self._library, self.log, use_gzip=use_gzip)
        self._stats = _Server("stats", stats_port, self._library, self.stats_log, use_gzip=use_gzip)
        self.base_url = self._cdn.address
        self.stats_base_url = self._stats.address

    def settings(self, settings: Settings) -> Settings:
        """Settings that point at this server, which needs no polite rate of requests."""
        rates: dict[str, Any] = {
            field.name: UNHURRIED_PER_SECOND
            for field in dataclasses.fields(settings)
            if field.name.endswith("_requests_per_second")
        }
        return dataclasses.replace(
            settings,
            nba_cdn_base_url=self.base_url,
            nba_stats_base_url=self.stats_base_url,
            **rates,
        )

    def environment(self) -> dict[str, str]:
        """The same for a process of its own."""
        return {
            "NBA_CDN_BASE_URL": self.base_url,
            "NBA_STATS_BASE_URL": self.stats_base_url,
            "NBA_CDN_REQUESTS_PER_SECOND": str(UNHURRIED_PER_SECOND),
            "NBA_STATS_REQUESTS_PER_SECOND": str(UNHURRIED_PER_SECOND),
        }

    @property
    def game_ids(self) -> list[str]:
        """All games of all seasons."""
        return self._library.games

    def build_all(self) -> None:
        """Build every payload now; only worth it with ``keep``."""
        self._library.build_all()

    def set_plan(self, plan: FaultPlan, stats: FaultPlan | None = None) -> None:
        """From now on answer with these faults; requests are counted anew, the logs are emptied.

        Args:
            plan: For the static files.
            stats: For the stats service; default: no faults.
        """
        for server, of_server in ((self._cdn, plan), (self._stats, stats or FaultPlan())):
            server.plan = of_server
            server.forget()
            server.log.clear()

    def refuse_others_than_browsers(self, fault: Fault | None) -> None:
        """Let the stats service answer clients without a browser's headers with this fault.

        The real one keeps silent (swar/nba_api, issues 124 and 176) or sends 403.
        """
        self._stats.refusal = fault

    def set_version(self, game_id: str, version: int) -> None:
        """Serve a game as it was after 0 to 3 edits; see ``tests.replay.edits``."""
        self._library.set_version(game_id, version)

    def serve_forever(self) -> None:
        """Serve until interrupted: static files in this thread, the stats service in another."""
        threading.Thread(target=self._stats.serve_forever, daemon=True).start()
        self._cdn.serve_forever()

    def __enter__(self) -> Self:
        for server in (self._cdn, self._stats):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        for server in (self._cdn, self._stats):
            server.stopped.set()
            server.shutdown()
            server.server_close()


def open_season(
    season: str, games: Collection[str] | None = None, *, include_play_in: bool = False
) -> Season:
    """A season of whichever kind it is, limited to those of ``games`` that it has."""
    is_legacy = season in LEGACY_SEASONS
    of_season = games
    if games is not None:
        whole = LegacySeason(season) if is_legacy else ReplaySeason(season, include_play_in=True)
        having = set(whole.game_ids)
        of_season = [game for game in games if game in having]
    if is_legacy:
        return LegacySeason(season, games=of_season)
    return ReplaySeason(season, games=of_season, include_play_in=include_play_in)


def open_seasons(
    seasons: Iterable[str], games: Collection[str] | None, include_play_in: bool
) -> list[Season]:
    """Every season by :func:`open_season`."""
    return [open_season(season, games, include_play_in=include_play_in) for season in seasons]
