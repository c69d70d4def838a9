"""The league's two services: static and live-data files first, the stats service second.

The content network (CDN) has what the arena's scorers enter, with wall clocks and coordinates, from
season 2020-21 on. The stats service has every season, in a newer form (v3) and an older one (v2).
It is asked for a finished game only, when the first has nothing or does not answer.
"""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson

from ingestion.errors import ClutchError, SettingError
from ingestion.nba.http import Answer, CircuitOpenError, HttpClient, UnavailableError, Validators
from ingestion.nba.payloads import PayloadError, Resource
from ingestion.nba.rereads import BOX_SCORES, PLAY_BY_PLAYS, Reads, of_the_same_kind
from ingestion.nba.schedule import LIVE, NOT_STARTED
from ingestion.nba.source import Arrival
from ingestion.settings import Settings

FIRST_CDN_YEAR = 2020
"""First year of the first season of which the CDN has every game."""
CONCURRENT_CDN_REQUESTS = 4
CONCURRENT_STATS_REQUESTS = 2
CONCURRENT_GAMES = 4

SCHEDULE_PATH = "/static/json/staticData/scheduleLeagueV2.json"
STATS_SCHEDULE_PATH = "/stats/scheduleleaguev2?LeagueID=00&Season={key}"
_GAME_PATHS: Mapping[Resource, str] = {
    "playbyplay": "/static/json/liveData/playbyplay/playbyplay_{key}.json",
    "boxscore": "/static/json/liveData/boxscore/boxscore_{key}.json",
    "playbyplayv3": "/stats/playbyplayv3?GameID={key}&StartPeriod=0&EndPeriod=0",
    "boxscoretraditionalv3": "/stats/boxscoretraditionalv3?GameID={key}&StartPeriod=0&EndPeriod=0"
    "&StartRange=0&EndRange=0&RangeType=0",
    "playbyplayv2": "/stats/playbyplayv2?GameID={key}&StartPeriod=0&EndPeriod=0",
}
_OF_CDN: tuple[Resource, ...] = ("playbyplay", "boxscore")

_OK = 200
_NOT_MODIFIED = 304
_NOT_THERE = frozenset({403, 404, 410})  # the CDN answers 403 for a file that does not exist


class League:
    """Both services.

    Args:
        settings: Hosts, ``User-Agent`` and rates.
        stop: Ends waiting early when it is set.
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        agent = {"User-Agent": settings.nba_stats_user_agent}
        self.cdn = HttpClient(
            settings.nba_cdn_base_url,
            "NBA_CDN_BASE_URL",
            agent,
            concurrent_requests=CONCURRENT_CDN_REQUESTS,
            requests_per_second=settings.nba_cdn_requests_per_second,
            stop=stop,
        )
        self.stats = HttpClient(
            settings.nba_stats_base_url,
            "NBA_STATS_BASE_URL",
            # the service answers its own web site only
            {**agent, "Referer": "https://www.nba.com/", "Origin": "https://www.nba.com"},
            concurrent_requests=CONCURRENT_STATS_REQUESTS,
            requests_per_second=settings.nba_stats_requests_per_second,
            stop=stop,
        )

    def close(self) -> None:
        """Close the connections."""
        self.cdn.close()
        self.stats.close()

    @property
    def requests_sent(self) -> int:
        """Requests to both, retries included."""
        return self.cdn.requests_sent + self.stats.requests_sent

    @property
    def retries(self) -> int:
        """How many of them repeated one that had failed."""
        return self.cdn.retries + self.stats.retries

    def open_circuits(self) -> list[str]:
        """One sentence for every host that is not asked any more."""
        return [
            f"{client.setting}: {client.base_url} {client.open_because}"
            for client in (self.cdn, self.stats)
            if client.open_because is not None
        ]

    def schedule_in_play(self) -> Arrival:
        """The static schedule: of the season in play."""
        return self._ask(self.cdn, "schedule", SCHEDULE_PATH.rpartition("/")[2], SCHEDULE_PATH)

    def schedule_of(self, season: str) -> Arrival:
        """The schedule of any season, by the stats service."""
        path = STATS_SCHEDULE_PATH.format(key=season)
        return self._ask(self.stats, "schedule", season, path)

    def game(self, game_id: str, known: Reads, *, is_final: bool | None) -> list[Arrival]:
        """Play-by-play and box score of a game.

        Args:
            game_id: Ten digits.
            known: What is stored, so that unchanged files cost no body.
            is_final: Whether the schedule says that it is over, None where nobody says.

        Returns:
            One arrival per kind, before them (marked as superseded) what was asked for in vain.

        Raises:
            CircuitOpenError: If no host is left to ask.
        """
        last: dict[tuple[Resource, ...], Arrival] = {}
        in_vain: list[Arrival] = []

        def ask(client: HttpClient, resource: Resource) -> None:
            kind = of_the_same_kind(resource)
            arrival = self._ask_for_game(client, resource, game_id, known, is_final=is_final)
            if kind not in last:
                last[kind] = arrival
            elif _is_lacking(arrival):
                # what the first source said of a file that nobody has is what a person should read
                in_vain.append(replace(arrival, is_superseded=True))
            else:
                in_vain.append(replace(last[kind], is_superseded=True))
                last[kind] = arrival

        if _first_year(game_id) >= FIRST_CDN_YEAR:
            # the box score first: when it says that the game is over, the play-by-play read after
            # it is whole
            ask(self.cdn, "boxscore")
            ask(self.cdn, "playbyplay")
        box_score = last.get(BOX_SCORES)
        if is_final is False or (box_score and _is_before_the_end(box_score, known)):
            return list(last.values())  # the stats service is no place for a game in progress
        for kind in (PLAY_BY_PLAYS, BOX_SCORES):
            for resource in kind:
                if (
                    resource not in _OF_CDN
                    and self.stats.open_because is None
                    and (kind not in last or _is_lacking(last[kind]))
                ):
                    ask(self.stats, resource)
        if len(self.open_circuits()) == 2 and all(map(_is_unavailable, last.values())):
            raise CircuitOpenError("; ".join(self.open_circuits()))
        return [*in_vain, *last.values()]

    def _ask_for_game(
        self,
        client: HttpClient,
        resource: Resource,
        game_id: str,
        known: Reads,
        *,
        is_final: bool | None,
    ) -> Arrival:
        path = _GAME_PATHS[resource].format(key=game_id)
        read = known.get((resource, game_id))
        validators = read.validators if read is not None else None
        # one file of a game may be lacking for good, but not every file of every game
        must_exist = bool(is_final) or client is self.stats
        arrival = self._ask(client, resource, game_id, path, validators, must_exist=must_exist)
        if client is self.stats and _is_empty(arrival):
            failure = PayloadError("not_found", f"{arrival.origin} has no row for this game")
            arrival = replace(arrival, body=None, failure=failure)
        return replace(arrival, is_expected=is_final is not False)

    def _ask(
        self,
        client: HttpClient,
        resource: Resource,
        key: str,
        path: str,
        known: Validators | None = None,
        *,
        must_exist: bool = True,
    ) -> Arrival:
        origin = client.base_url + path
        arrival = Arrival(resource, key, origin, source="stats" if client is self.stats else "cdn")
        try:
            answer = client.get(path, known, must_exist=must_exist)
        except (UnavailableError, CircuitOpenError) as error:
            failure = PayloadError("unavailable", f"{origin} was not available: {error}")
            return replace(arrival, failure=failure)
        return _arrived(arrival, answer)


def _arrived(arrival: Arrival, answer: Answer) -> Arrival:
    arrival = replace(
        arrival,
        http_status=answer.status,
        validators=answer.validators,
        body=answer.body,
        is_gzip=answer.is_gzip,
    )
    if answer.status == _OK:
        return arrival
    if answer.status == _NOT_MODIFIED:
        return replace(arrival, body=None)
    if answer.status in _NOT_THERE:
        failure = PayloadError(
            "not_found", f"{arrival.origin} does not exist: HTTP {answer.status}"
        )
        return replace(arrival, body=None, failure=failure)
    failure = PayloadError("unexpected_status", f"{arrival.origin} answered HTTP {answer.status}")
    return replace(arrival, failure=failure)


def _is_lacking(arrival: Arrival) -> bool:
    return arrival.failure is not None and arrival.failure.reason in ("not_found", "unavailable")


def _is_unavailable(arrival: Arrival) -> bool:
    return arrival.failure is not None and arrival.failure.reason == "unavailable"


def _is_before_the_end(box_score: Arrival, known: Reads) -> bool:
    """Whether a box score, as it arrived or unchanged as it is known, is of a game not yet over."""
    if box_score.is_unchanged:
        status: Any = known[box_score.resource, box_score.key].game_status
    else:
        game = _content(box_score).get("game")
        status = game.get("gameStatus") if isinstance(game, dict) else None
    return status in (NOT_STARTED, LIVE)


def _content(arrival: Arrival) -> dict[str, Any]:
    """The JSON object that arrived, empty when it is none; damage is named where it is checked."""
    if arrival.body is None:
        return {}
    try:
        is_gzip = arrival.is_gzip
        content = orjson.loads(zlib.decompress(arrival.body, 31) if is_gzip else arrival.body)
    except (zlib.error, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_empty(arrival: Arrival) -> bool:
    """Whether an answer of the stats service is a form without rows: it does not have the game."""
    content = _content(arrival)
    game = content.get("game")
    if isinstance(game, dict):
        return not game.get("actions")
    tables = content.get("resultSets")
    if isinstance(tables, list):
        return not any(isinstance(table, dict) and table.get("rowSet") for table in tables)
    box_score = content.get("boxScoreTraditional")
    if isinstance(box_score, dict):
        return not box_score.get("homeTeam")
    return arrival.body is not None and arrival.body.strip() == b"{}"


def _first_year(game_id: str) -> int:
    digits = int(game_id[3:5])
    return (1900 if digits >= 46 else 2000) + digits  # the league began in 1946


class LeagueSource:
    """Games of the league's services.

    Args:
        league: The services.
        games: Game ids in the order in which they are to be stored; whether each is over by the
            schedule, None where nobody says.
        known: What is stored already.
        schedules: Schedules that were read on the way.
    """

    def __init__(
        self,
        league: League,
        games: Mapping[str, bool | None],
        known: Reads,
        schedules: Sequence[Arrival] = (),
    ) -> None:
        self._league = league
        self._games = games
        self._known = known
        self.game_keys = list(games)
        self.schedules = schedules

    def fetch(self, game_keys: Sequence[str]) -> Iterator[list[Arrival]]:
        """Yield what there is of each of these games, in order, a few games ahead.

        Raises:
            SettingError: If no host has ever answered.
            ClutchError: If every host has stopped answering.
        """
        ahead: deque[Future[list[Arrival]]] = deque()
        with ThreadPoolExecutor(CONCURRENT_GAMES, thread_name_prefix="nba-game") as executor:
            try:
                for key in game_keys:
                    is_final = self._games[key]
                    ahead.append(
                        executor.submit(self._league.game, key, self._known, is_final=is_final)
                    )
                    if len(ahead) >= 2 * CONCURRENT_GAMES:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            except CircuitOpenError as error:
                raise self._nobody_left() from error
            finally:
                for future in ahead:
                    future.cancel()

    def _nobody_left(self) -> ClutchError:
        problems = self._league.open_circuits()
        if all("cannot be reached" in problem for problem in problems):
            setting, _, problem = problems[0].partition(": ")
            return SettingError(
                setting,
                problem,
                "check the address and the network, or ingest saved files with --from",
            )
        return ClutchError(
            f"{'; '.join(problems)}. Fix: run the same command again later; what is loaded is kept."
        )
