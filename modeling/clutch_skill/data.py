"""Shots, circumstances and nights from the marts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from psycopg import Connection

from modeling.clutch_skill.observations import (
    KINDS,
    NIGHT_VALUES,
    Cells,
    Observations,
    PlayerGames,
)
from modeling.errors import ModelError
from modeling.marts import read_columns, reading

USUAL_SEASONS = 3
"""Seasons that are fitted by default, the newest. A skill is one number over them all."""

# Reasons why a game has no night that say nothing about the athlete's day.
NOT_WORN = ("before_device", "withdrawn", "consent_expired", "no_tipoff_time")

# Games of these seasons that are over, and games to come when the newest season is among them.
# Without a date nobody can tell what came before.
_CHOSEN = """
    with chosen as (
        select
            contexts.*,
            row_number() over (order by contexts.game_id, contexts.player_id) - 1 as row_number
        from analytics.player_game_contexts as contexts
        where contexts.season = any(%(seasons)s)
            and contexts.game_date is not null
            and contexts.opponent_team_id is not null
            and (contexts.is_final or contexts.is_upcoming)
    ),

    -- the nights of the last build, but only of who permits it now
    nights as (
        select pregame.*
        from analytics.pregame_baselines as pregame
        where (pregame.missing_reason is null or pregame.missing_reason <> all(%(not_worn)s))
            and exists (
                select from analytics.wearables_permissions as permitted
                where permitted.player_id = pregame.player_id
                    and (pregame.device_id is null or permitted.device_id = pregame.device_id)
            )
    )
"""

_ROWS = (
    _CHOSEN
    + """
    select
        chosen.player_id,
        chosen.game_id,
        chosen.season,
        chosen.game_date::text,
        chosen.opponent_team_id,
        nights.device_id
    from chosen
    left join nights on chosen.player_id = nights.player_id and chosen.game_id = nights.game_id
    order by chosen.row_number
"""
)

_CONTEXTS = (
    _CHOSEN
    + """
    select {columns}
    from chosen
    left join nights on chosen.player_id = nights.player_id and chosen.game_id = nights.game_id
    order by chosen.row_number
"""
)

_CONTEXT_COLUMNS = {
    "is_home": ("chosen.is_home::integer", "f8"),
    "is_playoff": ("coalesce(chosen.playoff_game, false)::integer", "f8"),
    "is_back_to_back": ("chosen.is_back_to_back::integer", "f8"),
    "rest_days": ("coalesce(chosen.rest_days, 'nan'::float8)", "f8"),
    "opponent_rating": ("chosen.opponent_rating", "f8"),
    "is_upcoming": ("chosen.is_upcoming::integer", "i2"),
    "has_clutch_action": ("chosen.has_clutch_action::integer", "i2"),
    "is_worn": ("(nights.player_id is not null)::integer", "i2"),
    **{name: (f"coalesce(nights.{name}, 'nan'::float8)", "f8") for name in NIGHT_VALUES},
    "hrv_level": ("coalesce(nights.ln_hrv_baseline_mean, 'nan'::float8)", "f8"),
}

_CELLS = (
    _CHOSEN
    + """
    select {columns}
    from analytics.player_game_shots as shots
    inner join chosen on shots.player_id = chosen.player_id and shots.game_id = chosen.game_id
    order by chosen.row_number, shots.shot_kind, shots.phase
"""
)

_KIND = "case shots.shot_kind " + " ".join(
    f"when '{kind}' then {number}" for number, kind in enumerate(KINDS)
)
_CELL_COLUMNS = {
    "row": ("chosen.row_number", "i4"),
    "kind": (f"{_KIND} end", "i2"),
    "is_clutch": ("shots.is_clutch::integer", "i2"),
    "is_late": ("(shots.phase <> 'early')::integer", "i2"),
    "is_overtime": ("(shots.phase in ('overtime', 'clutch_overtime'))::integer", "i2"),
    "attempts": ("shots.attempts", "f8"),
    "residual": ("shots.points_scored - shots.average_expected_points", "f8"),
    "residual_squares": ("shots.residual_squares", "f8"),
    "leverage": ("shots.leverage_sum", "f8"),
    "leverage_squares": ("shots.leverage_squares", "f8"),
    "leverage_residual": ("shots.leverage_residuals", "f8"),
    "margin": ("shots.margin_sum", "f8"),
    "margin_squares": ("shots.margin_squares", "f8"),
    "margin_residual": ("shots.margin_residuals", "f8"),
    "leverage_margin": ("shots.leverage_margin_products", "f8"),
}


def seasons_there(connection: Connection[Any]) -> list[str]:
    """Seasons with a dated, finished game, in ascending order."""
    with reading("analytics.player_game_contexts"):
        rows = connection.execute(
            "select distinct season from analytics.player_game_contexts"
            " where is_final and game_date is not null order by season"
        ).fetchall()
    return [season for (season,) in rows]


def read_observations(connection: Connection[Any], seasons: Sequence[str]) -> Observations:
    """Everything the model reads of some seasons.

    Args:
        connection: A connection that may read ``analytics``.
        seasons: For example ``["2022-23", "2023-24"]``.

    Returns:
        Finished games with a date, and games to come of the same seasons.

    Raises:
        ModelError: If a season has no finished game there, or a value is missing.
    """
    parameters = {"seasons": list(seasons), "not_worn": list(NOT_WORN)}
    with reading("analytics.player_game_contexts"):
        named = connection.execute(_ROWS, parameters).fetchall()
        contexts = read_columns(
            connection,
            _CONTEXTS,
            _CONTEXT_COLUMNS,
            parameters,
            "analytics.player_game_contexts",
        )
    if missing := sorted(set(seasons) - {row[2] for row in named}):
        raise ModelError(
            f"season {', '.join(missing)}: analytics.player_game_contexts has no finished game of "
            "it with a date. Fix: clutch ingest nba --season, then dbt build."
        )
    with reading("analytics.player_game_shots"):
        cells = read_columns(
            connection, _CELLS, _CELL_COLUMNS, parameters, "analytics.player_game_shots"
        )
    players, player = np.unique([row[0] for row in named], return_inverse=True)
    season_names, season = np.unique([row[2] for row in named], return_inverse=True)
    teams, opponent = np.unique([row[4] for row in named], return_inverse=True)
    devices = sorted({row[5] for row in named} - {None})
    number_of = {device: number for number, device in enumerate(devices)}
    flags = {"is_upcoming", "has_clutch_action", "is_worn"}
    return Observations(
        player_ids=players.tolist(),
        season_names=season_names.tolist(),
        team_ids=teams.tolist(),
        device_ids=devices,
        game_ids=[row[1] for row in named],
        game_dates=[row[3] for row in named],
        player_games=PlayerGames(
            player=player,
            season=season,
            opponent=opponent,
            device=np.array([number_of.get(row[5], -1) for row in named]),
            nights=np.stack([contexts[name] for name in NIGHT_VALUES], axis=1).astype(np.float64),
            **{
                name: contexts[name].astype(bool if name in flags else np.float64)
                for name in _CONTEXT_COLUMNS
                if name not in NIGHT_VALUES
            },
        ),
        cells=Cells(
            row=cells["row"].astype(np.int64),
            kind=cells["kind"].astype(np.int64),
            **{
                name: cells[name].astype(bool if name.startswith("is_") else np.float64)
                for name in _CELL_COLUMNS
                if name not in ("row", "kind")
            },
        ),
    )


def read_newest(
    connection: Connection[Any], seasons: Sequence[str] = (), *, with_wearables: bool = True
) -> Observations:
    """Seasons of the marts; without any named, those that are fitted by default.

    What is read ends here: a fit must not hold a transaction open.

    Args:
        connection: A connection that may read ``analytics``.
        seasons: For example ``["2022-23", "2023-24"]``.
        with_wearables: Whether nights may enter; without them they are not in the hash either.

    Raises:
        ModelError: If one is not there, or none at all.
    """
    chosen = list(seasons) or seasons_there(connection)[-USUAL_SEASONS:]
    if not chosen:
        raise ModelError(
            "analytics.player_game_contexts has no finished game with a date. Fix: clutch ingest "
            "nba, then dbt build."
        )
    observations = read_observations(connection, chosen)
    connection.commit()
    return observations if with_wearables else _without_wearables(observations)


def _without_wearables(observations: Observations) -> Observations:
    """As if nobody wore anything."""
    games = observations.player_games
    return observations._replace(
        device_ids=[],
        player_games=games._replace(
            device=np.full_like(games.device, -1),
            nights=np.full_like(games.nights, np.nan),
            hrv_level=np.full_like(games.hrv_level, np.nan),
            is_worn=np.zeros_like(games.is_worn),
        ),
    )


def hash_of(observations: Observations) -> str:
    """SHA-256 over all that was read, the same for the same data in any order of loading."""
    digest = hashlib.sha256()
    for part in observations:
        if isinstance(part, (PlayerGames, Cells)):
            for values in part:
                digest.update(np.ascontiguousarray(values).tobytes())
        else:
            digest.update("\n".join(part).encode() + b"\0")
    return digest.hexdigest()
