"""Rebuild the payloads of a season from the tables of ``../shared/data/nba``.

The play-by-play was saved as one Parquet table per season. A payload is rebuilt in the form that
the game had when it was saved (README beside the data, "Things to know"):

* full form: ``meta`` beside ``game``, scores as text, ``x``, ``y``, ``side``, ``xLegacy`` and
  ``yLegacy`` on every action (null without a value), other keys without a value left out; since
  June 2022 also ``subType`` on every action, as an empty text where it has none;
* sparse form: no ``meta``, scores as numbers, every key without a value left out.

Full are all games of 2020-21, all playoffs, and games with an empty ``subType``; two more
regular-season games of 2021-22 were full too but left no trace in the table, and are served in the
sparse form. Not saved, and therefore not rebuilt: the order of keys, ``meta.time`` of the
play-by-play (the box score's is used), and whether a whole number was written ``5`` or ``5.0``. Box
scores are the saved lines, byte for byte. Payloads of the newer stats service exist for one game
only and are the recorded ones.
"""

from __future__ import annotations

import csv
import functools
import gzip
import lzma
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

CDN_SEASONS = ("2020-21", "2021-22", "2022-23", "2023-24")

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_ALWAYS_PRESENT_IN_FULL_FORM = ("x", "y", "side", "xLegacy", "yLegacy")
_PLAYOFFS = "4"
_PLAY_IN = "5"
FINAL = 3


def shared_nba_directory() -> Path | None:
    """The folder with the real data beside the checkout, or None where it is absent."""
    directory = _PROJECT_ROOT.parent / "shared" / "data" / "nba"
    return directory if (directory / "games.csv").is_file() else None


class Season(ABC):
    """One season's payloads, whatever service they come from.

    Attributes:
        season: For example ``2021-22``.
        resources: What :meth:`payloads` yields of every game, in that order.
    """

    season: str
    resources: Sequence[str]

    @property
    @abstractmethod
    def game_ids(self) -> list[str]:
        """The ids of the games that the schedule lists, in ascending order."""

    @abstractmethod
    def payload(self, resource: str, game_id: str) -> bytes | None:
        """A game's payload as UTF-8 JSON, or None where there is none."""

    @abstractmethod
    def schedule(self) -> bytes:
        """The season's schedule in the shape of ``scheduleLeagueV2.json``; every game is final."""

    def payloads(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield ``(resource, game id, payload)`` of every listed game, game by game."""
        for game_id in self.game_ids:
            for resource in self.resources:
                payload = self.payload(resource, game_id)
                if payload is not None:
                    yield resource, game_id, payload


def chosen_games(
    season: str, of_season: Sequence[str], games: Collection[str] | None
) -> dict[str, None]:
    """The ids of ``of_season`` that are wanted, all of them if ``games`` is None.

    Raises:
        ValueError: If a wanted id is not one of the season.
    """
    if games is not None and (unknown := sorted(set(games) - set(of_season))):
        raise ValueError(f"not in season {season}: {', '.join(unknown)}")
    return dict.fromkeys(game for game in of_season if games is None or game in games)


def schedule_of(season: str, game_dates: list[dict[str, Any]]) -> bytes:
    """A schedule payload around its games by date."""
    return orjson.dumps(
        {
            "meta": _meta(f"league/00/{season}/scheduleleaguev2", "1970-01-01T00:00:00.0000Z"),
            "leagueSchedule": {
                "seasonYear": season,
                "leagueId": "00",
                "gameDates": game_dates,
                "weeks": [],
                "broadcasterList": [],
            },
        }
    )


def _meta(path: str, time: str) -> dict[str, Any]:
    return {
        "version": 1,
        "code": 200,
        "request": f"http://nba.cloud/{path}?Format=json",
        "time": time,
    }


def _full_form(action: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in action.items()
        if value is not None or key in _ALWAYS_PRESENT_IN_FULL_FORM
    }
    kept["scoreHome"] = str(action["scoreHome"])
    kept["scoreAway"] = str(action["scoreAway"])
    return kept


def _sparse_form(action: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in action.items() if value is not None}


class ReplaySeason(Season):
    """A season of the league's live-data files, built when they are asked for.

    Args:
        season: For example ``2021-22``.
        games: Limits the season to these game ids.
        include_play_in: Also list the play-in games, which have no box score.
        directory: Folder with ``games.csv``, ``pbp/`` and ``boxscore/``; default: the shared one.

    Raises:
        FileNotFoundError: If the data are not there.
        ValueError: If a game id is not one of the season.
    """

    resources = ("playbyplay", "boxscore")

    def __init__(
        self,
        season: str,
        *,
        games: Collection[str] | None = None,
        include_play_in: bool = False,
        directory: Path | None = None,
    ) -> None:
        found = directory or shared_nba_directory()
        if found is None:
            raise FileNotFoundError("shared/data/nba is not beside this checkout")
        self.season = season
        self._directory = found
        with (found / "games.csv").open(encoding="utf-8", newline="") as lines:
            of_season = {
                row["game_id"]: row for row in csv.DictReader(lines) if row["season"] == season
            }
        self._games = {
            game_id: of_season[game_id]
            for game_id in chosen_games(season, sorted(of_season), games)
            if include_play_in or game_id[2] != _PLAY_IN or games is not None
        }

    @property
    def game_ids(self) -> list[str]:
        """The ids of the games that the schedule lists, in ascending order."""
        return list(self._games)

    def payload(self, resource: str, game_id: str) -> bytes | None:
        """A payload of live data, or of the newer stats service where it was recorded."""
        if game_id not in self._games:
            return None
        if resource == "playbyplay":
            return self.play_by_play(game_id)
        if resource == "boxscore":
            return self.box_score(game_id)
        recorded = self._directory / "wire" / "stats" / f"stats_{resource}_{game_id}.json.gz"
        return gzip.decompress(recorded.read_bytes()) if recorded.is_file() else None

    @functools.cached_property
    def _box_scores(self) -> dict[str, bytes]:
        path = self._directory / "boxscore" / f"cdn_boxscore_{self.season}.jsonl.xz"
        wanted: dict[str, bytes] = {}
        with lzma.open(path) as lines:
            for line in lines:
                # the id stands near the front of every line; parsing 35 kB to find it would cost a
                # season 2 s
                start = line.index(b'"gameId":"') + len(b'"gameId":"')
                game_id = line[start : start + 10].decode()
                if game_id in self._games:
                    wanted[game_id] = gzip.compress(line.rstrip(b"\n"), compresslevel=1)
        return wanted

    @functools.cached_property
    def _actions(self) -> dict[str, pl.DataFrame]:
        path = self._directory / "pbp" / f"cdn_pbp_{self.season}.parquet"
        frame = pl.read_parquet(path).filter(pl.col("gameId").is_in(list(self._games)))
        groups = frame.partition_by("gameId", as_dict=True, include_key=False)
        return {str(key[0]): group for key, group in groups.items()}

    def play_by_play(self, game_id: str) -> bytes | None:
        """The play-by-play payload as UTF-8 JSON, or None for a game that is not listed."""
        if game_id not in self._games:
            return None
        frame = self._actions[game_id]
        is_full = (
            self.season == "2020-21"
            or game_id[2] == _PLAYOFFS
            or bool((frame["subType"] == "").any())
        )
        to_form = _full_form if is_full else _sparse_form
        payload: dict[str, Any] = {}
        if is_full:
            payload["meta"] = _meta(f"games/{game_id}/playbyplay", self._saved_at(game_id))
        payload["game"] = {
            "gameId": game_id,
            "actions": [to_form(action) for action in frame.iter_rows(named=True)],
        }
        return orjson.dumps(payload)

    def _saved_at(self, game_id: str) -> str:
        box_score = self.box_score(game_id)
        if box_score is None:
            return "1970-01-01 00:00:00.000000"
        time: str = orjson.loads(box_score)["meta"]["time"]
        return time

    def box_score(self, game_id: str) -> bytes | None:
        """The box score payload as saved, or None for a play-in or an unlisted game."""
        packed = self._box_scores.get(game_id)
        return None if packed is None else gzip.decompress(packed)

    def schedule(self) -> bytes:
        """The season's schedule in the shape of the static ``scheduleLeagueV2.json``.

        Every listed game is final. Keys of games that ``games.csv`` has no value for (broadcasters,
        week, series) are left out.
        """
        by_date: dict[str, list[dict[str, Any]]] = {}
        for game in self._games.values():
            by_date.setdefault(game["game_date_et"], []).append(_scheduled_game(game))
        game_dates = [
            {"gameDate": f"{date[5:7]}/{date[8:10]}/{date[:4]} 00:00:00", "games": games}
            for date, games in sorted(by_date.items())
        ]
        return schedule_of(self.season, game_dates)


def _scheduled_game(game: dict[str, str]) -> dict[str, Any]:
    scheduled: dict[str, Any] = {
        "gameId": game["game_id"],
        "gameCode": f"{game['game_date_et'].replace('-', '')}/"
        f"{game['away_tricode']}{game['home_tricode']}",
        "gameStatus": FINAL,
        "gameStatusText": "Final",
        "gameDateEst": f"{game['game_date_et']}T00:00:00Z",
        "arenaName": game["arena_name"],
        "arenaCity": game["arena_city"],
        "arenaState": game["arena_state"],
        "postponedStatus": "A",
    }
    if game["game_time_utc"]:
        scheduled["gameDateTimeUTC"] = game["game_time_utc"]
    for side in ("home", "away"):
        scheduled[f"{side}Team"] = {
            "teamId": int(game[f"{side}_team_id"]),
            "teamName": game[f"{side}_name"],
            "teamCity": game[f"{side}_city"],
            "teamTricode": game[f"{side}_tricode"],
            "score": int(game[f"{side}_score"]),
        }
    return scheduled
