"""Serve rebuilt seasons over HTTP, or write them as a folder for ``--from``."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Collection, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.replay.seasons import ReplaySeason

SCHEDULE_PATH = "/static/json/staticData/scheduleLeagueV2.json"
_LIVE_PATH = re.compile(
    r"/static/json/liveData/(playbyplay|boxscore)/(playbyplay|boxscore)_(\d{10})\.json"
)


class _Handler(BaseHTTPRequestHandler):
    """Answers the league's three paths; everything else is 403, as on the real host."""

    protocol_version = "HTTP/1.1"  # keep-alive: the client's connection reuse is part of the replay
    server: _Server

    def do_GET(self) -> None:
        body = self.server.find(self.path)
        if body is None:
            self._send(403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", False)
        else:
            accepts_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
            self._send(200, body, accepts_gzip and self.server.use_gzip)

    def _send(self, status: int, body: bytes, use_gzip: bool) -> None:
        if use_gzip:
            body = gzip.compress(body, compresslevel=1)
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/xml")
        if use_gzip:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet: thousands of lines would bury what a test prints."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, seasons: list[ReplaySeason], use_gzip: bool) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.use_gzip = use_gzip
        self._season_of = {game: season for season in seasons for game in season.game_ids}
        # the league's static file always is the one of the current season: the last one given
        self._scheduled = seasons[-1]
        # polars and the cached properties are filled once; handler threads must not race for them
        self._lock = threading.Lock()

    def find(self, path: str) -> bytes | None:
        with self._lock:
            if path == SCHEDULE_PATH:
                return self._scheduled.schedule()
            match = _LIVE_PATH.fullmatch(path)
            if match is None or match[1] != match[2] or match[3] not in self._season_of:
                return None
            season = self._season_of[match[3]]
            return (
                season.play_by_play(match[3])
                if match[1] == "playbyplay"
                else season.box_score(match[3])
            )


class ReplayServer:
    """A context manager that serves seasons on 127.0.0.1.

    Args:
        seasons: The seasons; all their games are served, the schedule is that of the last one.
        games: Limits every season to those of these game ids that it has.
        include_play_in: Also list the play-in games, which have no box score.
        port: TCP port, 0 for a free one.
        use_gzip: Compress the answers for clients that accept it.

    Attributes:
        base_url: The value for ``NBA_CDN_BASE_URL``.
    """

    def __init__(
        self,
        seasons: Iterable[str],
        *,
        games: Collection[str] | None = None,
        include_play_in: bool = False,
        port: int = 0,
        use_gzip: bool = False,
    ) -> None:
        self._server = _Server(port, _open_seasons(seasons, games, include_play_in), use_gzip)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve_forever(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._server.serve_forever()

    def __enter__(self) -> ReplayServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _open_seasons(
    seasons: Iterable[str], games: Collection[str] | None, include_play_in: bool
) -> list[ReplaySeason]:
    opened = []
    for season in seasons:
        of_season = games
        if games is not None:
            all_games = ReplaySeason(season, include_play_in=True).game_ids
            of_season = [game for game in games if game in all_games]
        opened.append(ReplaySeason(season, games=of_season, include_play_in=include_play_in))
    return opened


def write_files(
    seasons: Iterable[str],
    directory: Path,
    games: Collection[str] | None = None,
    *,
    include_play_in: bool = False,
    use_gzip: bool = False,
) -> int:
    """Write the payloads as ``playbyplay_<id>.json`` and ``boxscore_<id>.json`` for ``--from``.

    Args:
        seasons: The seasons to write, for example ``["2021-22"]``.
        directory: Made when it does not exist.
        games: Limits every season to those of these game ids that it has.
        include_play_in: Also write the play-in games, which have no box score.
        use_gzip: Write ``.json.gz``.

    Returns:
        How many files were written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    count = 0
    for season in _open_seasons(seasons, games, include_play_in):
        for resource, game_id, payload in season.payloads():
            name = f"{resource}_{game_id}.json"
            if use_gzip:
                packed = gzip.compress(payload, compresslevel=1, mtime=0)
                (directory / f"{name}.gz").write_bytes(packed)
            else:
                (directory / name).write_bytes(payload)
            count += 1
    return count
