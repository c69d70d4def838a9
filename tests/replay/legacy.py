"""Seasons before the live-data files, as the older stats service served them.

The tables of ``legacy/`` hold every row of ``playbyplayv2`` as it was served, in order, and nothing
else: no box score, no date, no arena. So the schedule of such a season lists games without any of
them; teams and final scores come from the rows themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from tests.replay.seasons import FINAL, Season, chosen_games, schedule_of, shared_nba_directory

LEGACY_SEASONS = ("2018-19", "2019-20")

# PERSON1TYPE of a player, by side; PLAYER1_TEAM_... then name that side's team
_PLAYER_TYPES = {"home": 4, "away": 5}


class LegacySeason(Season):
    """A season of ``playbyplayv2``, its payloads built when they are asked for.

    Args:
        season: ``2018-19`` or ``2019-20``.
        games: Limits the season to these game ids.
        directory: Folder with ``legacy/``; default: the shared one.

    Raises:
        FileNotFoundError: If the data are not there.
        ValueError: If a game id is not one of the season.
    """

    resources = ("playbyplayv2",)

    def __init__(
        self,
        season: str,
        *,
        games: Collection[str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.season = season
        found = directory or shared_nba_directory()
        if found is None:
            raise FileNotFoundError("shared/data/nba is not beside this checkout")
        self._path = found / "legacy" / f"stats_pbp_v2_{season}.parquet"
        of_season = pl.read_parquet(self._path, columns=["GAME_ID"])["GAME_ID"].unique()
        self._game_ids = chosen_games(season, of_season.sort().to_list(), games)

    @property
    def game_ids(self) -> list[str]:
        """The ids of the games that the schedule lists, in ascending order."""
        return list(self._game_ids)

    @functools.cached_property
    def _rows(self) -> pl.DataFrame:
        return pl.read_parquet(self._path).filter(pl.col("GAME_ID").is_in(self._game_ids))

    @functools.cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """First row and number of rows of every game; its rows stand together."""
        lengths = self._rows.group_by("GAME_ID", maintain_order=True).len()
        offsets = lengths["len"].cum_sum() - lengths["len"]
        return {
            game_id: (offset, length)
            for game_id, offset, length in zip(
                lengths["GAME_ID"], offsets, lengths["len"], strict=True
            )
        }

    def payload(self, resource: str, game_id: str) -> bytes | None:
        """The payload for a request of all periods."""
        if resource != "playbyplayv2" or game_id not in self._game_ids:
            return None
        return self.play_by_play(game_id)

    def play_by_play(self, game_id: str, start_period: int = 0, end_period: int = 0) -> bytes:
        """The payload as UTF-8 JSON.

        Args:
            game_id: One of :attr:`game_ids`.
            start_period: As the request named it; the service repeats it.
            end_period: As the request named it; all rows are given whatever the periods.
        """
        rows = self._rows.slice(*self._places[game_id])
        video = rows["VIDEO_AVAILABLE_FLAG"].max()
        tables = [
            _table("PlayByPlay", rows.columns, rows.rows()),
            _table("AvailableVideo", ["VIDEO_AVAILABLE_FLAG"], [(video,)]),
        ]
        return play_by_play_payload(game_id, start_period, end_period, tables)

    def schedule(self) -> bytes:
        """The schedule; it has no date, because the data have none."""
        teams = {side: self._teams(side) for side in _PLAYER_TYPES}
        scores = self._final_scores()
        games = [
            {
                "gameId": game_id,
                "gameStatus": FINAL,
                "gameStatusText": "Final",
                "homeTeam": {**teams["home"][game_id], "score": scores[game_id][1]},
                "awayTeam": {**teams["away"][game_id], "score": scores[game_id][0]},
            }
            for game_id in self._game_ids
        ]
        return schedule_of(self.season, [{"games": games}])

    def _teams(self, side: str) -> dict[str, dict[str, Any]]:
        of_players = self._rows.filter(
            (pl.col("PERSON1TYPE") == _PLAYER_TYPES[side]) & pl.col("PLAYER1_TEAM_ID").is_not_null()
        ).unique("GAME_ID", keep="first")
        return {
            row["GAME_ID"]: {
                "teamId": row["PLAYER1_TEAM_ID"],
                "teamName": row["PLAYER1_TEAM_NICKNAME"],
                "teamCity": row["PLAYER1_TEAM_CITY"],
                "teamTricode": row["PLAYER1_TEAM_ABBREVIATION"],
            }
            for row in of_players.iter_rows(named=True)
        }

    def _final_scores(self) -> dict[str, tuple[int, int]]:
        """Away and home points, from the last score of every game."""
        last = (
            self._rows.filter(pl.col("SCORE").is_not_null())
            .group_by("GAME_ID", maintain_order=True)
            .agg(pl.col("SCORE").last())
        )
        scores = {}
        for game_id, score in last.rows():
            away, _, home = score.partition(" - ")
            scores[game_id] = (int(away), int(home))
        return scores


def play_by_play_payload(
    game_id: str, start_period: int, end_period: int, tables: list[dict[str, Any]]
) -> bytes:
    """The envelope of ``playbyplayv2`` around its tables."""
    return orjson.dumps(
        {
            "resource": "playbyplay",
            "parameters": {
                "GameID": game_id,
                "StartPeriod": start_period,
                "EndPeriod": end_period,
            },
            "resultSets": tables,
        }
    )


@functools.cache
def _columns() -> list[str]:
    found = shared_nba_directory()
    if found is None:
        raise FileNotFoundError("shared/data/nba is not beside this checkout")
    path = found / "legacy" / f"stats_pbp_v2_{LEGACY_SEASONS[0]}.parquet"
    return list(pl.read_parquet_schema(path))


def unknown_play_by_play(game_id: str, start_period: int, end_period: int) -> bytes:
    """What the service answers about a game that it does not have: 200 and empty tables.

    Source: swar/nba_api, issues 110 and 591 ("Empty DataFrame playbyplayv2").
    """
    tables = [
        _table("PlayByPlay", _columns(), []),
        _table("AvailableVideo", ["VIDEO_AVAILABLE_FLAG"], []),
    ]
    return play_by_play_payload(game_id, start_period, end_period, tables)


def _table(name: str, headers: list[str], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {"name": name, "headers": headers, "rowSet": rows}
