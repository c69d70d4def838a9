"""P20: a trade ends what an athlete permitted his team, as soon as a box score tells of it.

A permission is given to one team: that of ``CONSENT_TEAM_ID`` where it is set; else the one whose
box score listed him last before he agreed, or, if none did, the first one afterwards. He has left
it when a box score of another team lists him, dressed or not, in a finished game that tipped off
after he agreed. Whatever he permits later is judged from that moment on: a permission given after
the trade stays. Without the setting, one that is given between a trade and the first box score of
the new team ends too, and he is asked anew: better once too often than his old team looking on.

Box scores say nothing of a waiver or the end of a contract: ``clutch consent end`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from ingestion.consent import ledger
from ingestion.nba.games import PLAYED_FOR_RECORD, season_name, season_of

REASON = "trade"
LOOK_BACK = timedelta(days=300)
"""Before a permission: a whole season on the injured list, or an off-season, says which team."""

_BEHIND_UTC = timedelta(hours=5)
"""US Eastern, whose date a season belongs to."""
_STAMP = "%Y-%m-%dT%H:%M:%SZ"

# Times are compared as the text that they are sent as: one that is none counts as absent.
_MOVED = r"""
    with scheduled as materialized (
        -- of a game listed twice, as while it is being moved, the later entry
        select distinct on (game ->> 'gameId')
            game ->> 'gameId' as game_id,
            game ->> 'gameDateTimeUTC' as tipoff_at
        from (
            select distinct on (season) payload from raw_nba.schedule
            where season = any(%(seasons)s) order by season, fetched_at desc
        ) as newest
        cross join lateral jsonb_path_query(
            payload, 'lax $.leagueSchedule.gameDates[*].games[*]'
        ) with ordinality as entry (game, place)
        order by game ->> 'gameId', place desc
    ),

    newest as (
        -- the payloads are large: which, before what is in them
        select distinct on (game_id) game_id, source, fetched_at
        from (
            select game_id, 'cdn' as source, fetched_at from raw_nba.boxscore
            union all
            select game_id, 'stats', fetched_at from raw_nba.boxscoretraditionalv3
        ) as versions
        where substr(game_id, 3, 1) = any(%(played_for_record)s)
            and substr(game_id, 4, 2) = any(%(years)s)
        order by game_id, source, fetched_at desc
    ),

    games as (
        select
            newest.game_id,
            box_score.game,
            substring(
                coalesce(box_score.game ->> 'gameTimeUTC', scheduled.tipoff_at)
                from '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$'
            ) collate "C" as tipoff_at
        from newest
        left join scheduled on newest.game_id = scheduled.game_id
        cross join lateral (
            select payload -> 'game' as game from raw_nba.boxscore as cdn
            where newest.source = 'cdn'
                and cdn.game_id = newest.game_id and cdn.fetched_at = newest.fetched_at
            union all
            select payload -> 'boxScoreTraditional' from raw_nba.boxscoretraditionalv3 as v3
            where newest.source = 'stats'
                and v3.game_id = newest.game_id and v3.fetched_at = newest.fetched_at
        ) as box_score
        -- the stats service says no status: its games are over when it is asked
        where coalesce(box_score.game ->> 'gameStatus', '3') = '3'
    ),

    listed as materialized (
        select player ->> 'personId' as player_id, team ->> 'teamId' as team_id, game_id, tipoff_at
        from games
        cross join lateral (values (game -> 'homeTeam'), (game -> 'awayTeam')) as side (team)
        cross join lateral jsonb_path_query(team, 'lax $.players[*]') as player
        where
            tipoff_at >= %(since)s and tipoff_at <= %(now)s
            and player ->> 'personId' = any(%(players)s)
    ),

    permitted as (
        select *
        from unnest(%(players)s::text[], %(entries)s::bigint[], %(moments)s::text[])
            as entry (player_id, consent_id, agreed_at)
    ),

    given_to as (
        select distinct on (permitted.player_id)
            permitted.*,
            coalesce(%(team)s, listed.team_id) as team_id
        from permitted
        left join listed on permitted.player_id = listed.player_id
        order by
            permitted.player_id,
            -- before he agreed the newest first, afterwards the oldest
            listed.tipoff_at collate "C" > permitted.agreed_at collate "C",
            case when listed.tipoff_at collate "C" <= permitted.agreed_at collate "C"
                then listed.tipoff_at end desc,
            listed.tipoff_at
    )

    select distinct on (given_to.player_id)
        given_to.player_id, given_to.consent_id, given_to.team_id,
        listed.team_id as other_team_id, listed.game_id, listed.tipoff_at
    from given_to
    inner join listed on given_to.player_id = listed.player_id
    where
        listed.tipoff_at collate "C" > given_to.agreed_at collate "C"
        and listed.team_id <> given_to.team_id
    order by given_to.player_id, listed.tipoff_at
"""


@dataclass(frozen=True)
class Move:
    """An athlete who left the team that he permitted something.

    Attributes:
        player_id: NBA player id.
        consent_id: Number of the permission in the ledger.
        team_id: NBA id of the team that he permitted it.
        other_team_id: Of the team that lists him now.
        game_id: The first game that does.
        tipoff_at: When that began (UTC), as the league writes it.
    """

    player_id: str
    consent_id: int
    team_id: str
    other_team_id: str
    game_id: str
    tipoff_at: str

    def __str__(self) -> str:
        """For people."""
        return (
            f"player {self.player_id}: permission {self.consent_id}, given to team "
            f"{self.team_id}, ended ({REASON}): team {self.other_team_id} lists him in game "
            f"{self.game_id} of {self.tipoff_at[:10]}"
        )


def moved(connection: psycopg.Connection[Any], team_id: str | None, now: datetime) -> list[Move]:
    """Athletes whose newest decision permits something to a team that they have left.

    Args:
        connection: As role ``clutch_ingest``.
        team_id: The team that asks; None to tell from the games.
        now: The time (aware).
    """
    granted = connection.execute(
        """
        select player_id, consent_id, recorded_at
        from (
            select distinct on (player_id) * from operations.consents
            order by player_id, consent_id desc
        ) as newest
        where decision = %s and expires_at > %s
        order by player_id
        """,
        [ledger.GRANTED, now],
    ).fetchall()
    if not granted:
        return []
    since = min(recorded_at for _, _, recorded_at in granted).astimezone(UTC)
    if team_id is None:
        since -= LOOK_BACK
    years = range(
        int(season_of((since - _BEHIND_UTC).date())[:4]),
        int(season_of((now.astimezone(UTC) - _BEHIND_UTC).date())[:4]) + 1,
    )
    with connection.cursor(row_factory=class_row(Move)) as cursor:
        return cursor.execute(
            _MOVED,
            {
                "seasons": [season_name(year) for year in years],
                "years": [f"{year % 100:02d}" for year in years],
                "played_for_record": list(PLAYED_FOR_RECORD),
                "since": since.strftime(_STAMP),
                "now": now.astimezone(UTC).strftime(_STAMP),
                "players": [player_id for player_id, _, _ in granted],
                "entries": [consent_id for _, consent_id, _ in granted],
                "moments": [moment.astimezone(UTC).strftime(_STAMP) for *_, moment in granted],
                "team": team_id,
            },
        ).fetchall()


def end_for_moved(
    connection: psycopg.Connection[Any], team_id: str | None, now: datetime
) -> list[Move]:
    """End what athletes permitted who have left their team since; safe to repeat.

    Args:
        connection: As role ``clutch_ingest``; commits after each.
        team_id: The team that asks; None to tell from the games.
        now: The time (aware).

    Returns:
        Whose permission ended now.
    """
    ended = []
    for move in moved(connection, team_id, now):
        ledger.lock_player(connection, move.player_id)
        newest = ledger.newest(connection, move.player_id)
        # he may have decided anew in this moment
        if newest is not None and newest.consent_id == move.consent_id:
            ledger.end(connection, move.player_id, REASON)
            ended.append(move)
        connection.commit()
    return ended
