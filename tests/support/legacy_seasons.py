"""Payloads of the seasons before the live data, from the saved tables of ``playbyplayv2``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import orjson
import polars as pl

LEGACY_SEASONS = ("2018-19", "2019-20")


def legacy_game_ids(shared_nba: Path, season: str) -> list[str]:
    """The games of a season, in ascending order."""
    games = pl.scan_parquet(_path(shared_nba, season)).select("GAME_ID").unique().collect()
    return sorted(games["GAME_ID"].to_list())


def write_legacy_games(
    shared_nba: Path, season: str, game_ids: Collection[str], directory: Path
) -> Path:
    """Write ``stats_playbyplayv2_<id>.json`` of some games, in the form that the service sends."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = pl.col("GAME_ID").is_in(list(game_ids))
    rows = pl.scan_parquet(_path(shared_nba, season)).filter(wanted).collect()
    for (game_id,), game in rows.partition_by("GAME_ID", as_dict=True, maintain_order=True).items():
        table = {"name": "PlayByPlay", "headers": game.columns, "rowSet": game.rows()}
        payload = {
            "resource": "playbyplay",
            "parameters": {"GameID": game_id, "StartPeriod": 0, "EndPeriod": 10},
            "resultSets": [table],
        }
        (directory / f"stats_playbyplayv2_{game_id}.json").write_bytes(orjson.dumps(payload))
    return directory


def _path(shared_nba: Path, season: str) -> Path:
    return shared_nba / "legacy" / f"stats_pbp_v2_{season}.parquet"
