"""The pre-game window: last night's records of who plays today, ahead of all that can wait.

A delivery that got lost is found by the reconcile job within a day, which may be after the game. So
whoever's team tips off within :data:`WINDOW` and whose last night is not stored settled is read as
trailing weeks: once early in the window, and once more shortly before tip-off if it is still not
settled. Each round asks at most once for sleeps, recoveries and cycles, one page each, so that a
game costs an athlete at most :data:`MOST_REQUESTS`; one whose deliveries arrived costs none. A
record that was deleted meanwhile is asked for by id on top, as with every reading of a window.

Who plays when is what NBA ingestion stored: the newest schedule of the season, and the newest box
score of the last :data:`LISTED_WITHIN` that lists a player, dressed or not. So there is no window
in the off-season, before a team's first game of a season, for a player traded until his new team's
box score lists him, for one who was never listed, and without a schedule: then webhooks, watch-list
and reconcile job are all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ingestion.errors import ClutchError
from ingestion.nba.fixture_content import CALLED_OFF
from ingestion.nba.games import PLAYED_FOR_RECORD, season_of
from ingestion.nba.schedule import FLAGGED, moment
from ingestion.whoop import locks, raw_tables
from ingestion.whoop.budget import Priority
from ingestion.whoop.connections import Connection
from ingestion.whoop.errors import (
    AccountTaken,
    MissingScope,
    ReconnectNeeded,
    RequestRefused,
    ServiceUnavailable,
)
from ingestion.whoop.reads import TRAILING, Reads
from ingestion.whoop.records import PENDING
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.sessions import Sessions

WINDOW = timedelta(hours=6)
"""Before tip-off: of an evening game this is noon or later, when a night has been uploaded and
scored; and it leaves hours for those who decide."""

LAST_ROUND = timedelta(minutes=90)
"""Before tip-off: whoever synced his strap late has done it at the arena, and a budget that is
spent to the minute comes free well before the game."""

NIGHT = timedelta(hours=18)
"""A main sleep that ended within this before tip-off is last night's: nobody who plays at 22:30 was
up by 4:30, and the night before the last ended a day before a matinee."""

LISTED_WITHIN = timedelta(days=28)
"""Box scores older than this say nothing of today's team; the all-star break is a week."""

KINDS = ("sleep", "recovery", "cycle")
MOST_REQUESTS = 2 * len(KINDS)
"""Per athlete and game: two rounds of a page of each kind."""

DEAD_SERVICE_AFTER = 5
"""Athletes in a row for whom WHOOP gave no usable answer: then it is down, and the rest is left."""

_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_BEHIND_UTC = timedelta(hours=5)
"""US Eastern, whose date a game belongs to."""

# Times are compared as the text that they are sent as: one that is none cannot stop a run.
_NEXT_GAMES = r"""
    with schedule as (
        select payload from raw_nba.schedule
        where season = %(season)s order by fetched_at desc limit 1
    ),

    listed as (
        -- of a game listed twice, as while it is being moved, the later entry
        select distinct on (game ->> 'gameId')
            game ->> 'gameId' as game_id,
            substring(
                game ->> 'gameDateTimeUTC' from '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$'
            ) collate "C" as tipoff_at,
            game #>> '{homeTeam,teamId}' as home_team_id,
            game #>> '{awayTeam,teamId}' as away_team_id,
            coalesce(game ->> 'gameStatusText', '') ~* %(called_off)s as is_called_off,
            coalesce(game ->> 'postponedStatus', '') = any(%(flagged)s) as is_flagged
        from schedule
        cross join lateral jsonb_path_query(
            schedule.payload, 'lax $.leagueSchedule.gameDates[*].games[*]'
        ) with ordinality as entry (game, place)
        where substr(game ->> 'gameId', 3, 1) = any(%(played_for_record)s)
        order by game ->> 'gameId', place desc
    ),

    games as materialized (
        select
            *,
            -- a letter on most games of a season says nothing
            is_flagged and 2 * count(*) filter (where is_flagged) over () <= count(*) over ()
                as is_postponed
        from listed
    ),

    playing as materialized (
        select distinct on (team_id) team_id, game_id, tipoff_at
        from games
        cross join lateral (values (home_team_id), (away_team_id)) as team (team_id)
        where tipoff_at > %(now)s and tipoff_at <= %(window_end)s
            and not is_called_off and not is_postponed
        order by team_id, tipoff_at
    ),

    recent as materialized (
        select game_id, tipoff_at from games
        where tipoff_at > %(listed_since)s and tipoff_at <= %(now)s
            and exists (select from playing)
    ),

    newest_team as (
        select distinct on (player ->> 'personId')
            player ->> 'personId' as player_id,
            team ->> 'teamId' as team_id
        from recent
        cross join lateral (
            (
                select payload -> 'game' as game from raw_nba.boxscore
                where boxscore.game_id = recent.game_id order by fetched_at desc limit 1
            )
            union all
            (
                select payload -> 'boxScoreTraditional' from raw_nba.boxscoretraditionalv3 as v3
                where v3.game_id = recent.game_id order by fetched_at desc limit 1
            )
        ) as box_score
        cross join lateral (values (game -> 'homeTeam'), (game -> 'awayTeam')) as side (team)
        cross join lateral jsonb_path_query(team, 'lax $.players[*]') as player
        where player ->> 'personId' = any(%(players)s)
        order by player ->> 'personId', recent.tipoff_at desc
    )

    select newest_team.player_id, playing.game_id, playing.tipoff_at
    from newest_team
    inner join playing on newest_team.team_id = playing.team_id
"""

_NIGHT = f"""
    with newest as materialized (
        select resource, record_key, payload from {raw_tables.SCHEMA}.record_versions
        where connection_id = %(connection)s and resource = any(%(kinds)s)
            and is_newest and not is_deleted
    ),

    night as (
        select payload from newest
        where resource = 'sleep' and payload ->> 'nap' is distinct from 'true'
            and (payload ->> 'end')::timestamptz > %(since)s
        order by (payload ->> 'end')::timestamptz desc limit 1
    )

    select
        payload ->> 'score_state' is distinct from '{PENDING}',
        exists (
            select from newest as recovery
            where recovery.resource = 'recovery'
                and recovery.record_key = night.payload ->> 'cycle_id'
                and recovery.payload ->> 'score_state' is distinct from '{PENDING}'
        ),
        -- the cycle that it opened, and the end of the one before, with the day's final strain
        exists (
            select from newest as opened
            where opened.resource = 'cycle' and opened.record_key = night.payload ->> 'cycle_id'
        ) and not exists (
            select from newest as earlier
            where earlier.resource = 'cycle' and earlier.payload ->> 'end' is null
                and earlier.record_key <> night.payload ->> 'cycle_id'
                and (earlier.payload ->> 'start')::timestamptz
                    < (night.payload ->> 'start')::timestamptz
        )
    from night
"""


@dataclass(frozen=True)
class NextGame:
    """The game that an athlete's team plays within the window.

    Attributes:
        game_id: Ten digits.
        tipoff_at: Scheduled start (UTC).
    """

    game_id: str
    tipoff_at: datetime

    def round_began(self, now: datetime) -> datetime:
        """When the round that is on at a time began: what was read since then is not read again."""
        last = self.tipoff_at - LAST_ROUND
        return last if now >= last else self.tipoff_at - WINDOW


class Night(NamedTuple):
    """Whether what belongs to a night is stored in its final state."""

    sleep: bool
    recovery: bool
    cycle: bool


def next_games(
    connection: psycopg.Connection[Any], player_ids: Sequence[str], now: datetime
) -> dict[str, NextGame]:
    """The games that tip off within the window, by player.

    Args:
        connection: Connection of the role that ingests.
        player_ids: NBA person ids.
        now: The time (aware, UTC).

    Returns:
        Without those of whom no game soon is known.
    """
    if not player_ids:
        return {}
    now = now.astimezone(UTC)
    rows = connection.execute(
        _NEXT_GAMES,
        {
            "season": season_of((now - _BEHIND_UTC).date()),
            "players": list(player_ids),
            "now": now.strftime(_STAMP),
            "window_end": (now + WINDOW).strftime(_STAMP),
            "listed_since": (now - LISTED_WITHIN).strftime(_STAMP),
            "called_off": CALLED_OFF.pattern,
            "flagged": list(FLAGGED),
            "played_for_record": list(PLAYED_FOR_RECORD),
        },
    ).fetchall()
    return {
        player_id: NextGame(game_id, tipoff_at)
        for player_id, game_id, text in rows
        if (tipoff_at := moment(text)) is not None
    }


class Pregame:
    """Reads before games.

    Args:
        sessions: The database.
        reads: Reads and stores.
        report: Grows.
        failed: Called with account, kind of record and error where something cannot be read.
    """

    def __init__(
        self,
        sessions: Sessions,
        reads: Reads,
        report: WhoopReport,
        failed: Callable[[Connection, str | None, ClutchError], None],
    ) -> None:
        self._sessions = sessions
        self._reads = reads
        self._report = report
        self._failed = failed
        self._gave_up: set[tuple[UUID, datetime]] = set()

    def games(self, accounts: Sequence[Connection]) -> dict[str, NextGame]:
        """The games that athletes play within the window, by player."""
        with self._sessions.session() as connection:
            return next_games(
                connection, [account.player_id for account in accounts], self._reads.clock.now()
            )

    def read_due(self, accounts: Sequence[Connection]) -> set[tuple[UUID, str]]:
        """Read what is due before games, the earliest game first.

        Only one process does so at a time; another one leaves it to that. What could not be read is
        left to the next round of the game, or to another process.

        Args:
            accounts: The connections that can be asked for.

        Returns:
            Connection and kind of record of what was read.

        Raises:
            BudgetExhausted: If the budget has no room.
        """
        done: set[tuple[UUID, str]] = set()
        with (
            self._sessions.session() as session,
            locks.held_if_free(session, locks.PREGAME) as is_ours,
        ):
            if is_ours:
                self._read_all(accounts, done)
        return done

    def _read_all(self, accounts: Sequence[Connection], done: set[tuple[UUID, str]]) -> None:
        games = self.games(accounts)
        now = self._reads.clock.now()
        self._gave_up = {turn for turn in self._gave_up if turn[1] > now - WINDOW}
        players = [account for account in accounts if account.player_id in games]
        dead = 0
        for account in sorted(players, key=lambda each: games[each.player_id].tipoff_at):
            game = games[account.player_id]
            turn = (account.connection_id, game.round_began(self._reads.clock.now()))
            if turn in self._gave_up:
                continue
            kind: str | None = None
            try:
                for _ in KINDS:
                    kind = self._due(account, game)
                    if kind is None:
                        break
                    self._report.pregame_reads += 1
                    read = self._reads.trailing(
                        account, kind, priority=Priority.PREGAME, source="reconcile"
                    )
                    if read.written.is_fenced:
                        break
                    done.add((account.connection_id, kind))
            except _ONE_ATHLETES as error:
                self._gave_up.add(turn)
                self._failed(account, kind, error)
                dead = dead + 1 if isinstance(error, ServiceUnavailable) else 0
                if dead == DEAD_SERVICE_AFTER:
                    return
            else:
                dead = 0

    def _due(self, account: Connection, game: NextGame) -> str | None:
        """The kind of record that has to be read next in this round, None if there is none."""
        granted = self._reads.resources(account)
        wanted = [kind for kind in KINDS if kind in granted]
        # without the scope for sleeps nothing tells whether the night is settled
        if "sleep" in granted:
            night = self.night(account, game.tipoff_at)
            if night is None or not night.sleep:
                wanted = ["sleep"]  # recovery and cycle follow its score
            else:
                wanted = [kind for kind in wanted if not getattr(night, kind)]
        if not wanted:
            return None
        now = self._reads.clock.now()
        positions = self._reads.positions(account)
        for kind in wanted:
            known = positions.get(kind)
            # who was not read for a week, or never, is read completely, and first, by sync and
            # reconcile job: a page would leave a gap
            if known is None or now - known.complete_until > TRAILING:
                continue
            if known.synced_at < game.round_began(now):
                return kind
        return None

    def night(self, account: Connection, tipoff_at: datetime) -> Night | None:
        """How far the night before a game is stored, None without a main sleep."""
        with self._sessions.session() as connection:
            row = connection.execute(
                _NIGHT,
                {
                    "connection": str(account.connection_id),
                    "kinds": list(KINDS),
                    "since": tipoff_at - NIGHT,
                },
            ).fetchone()
        return None if row is None else Night(*row)


_ONE_ATHLETES = (ReconnectNeeded, AccountTaken, ServiceUnavailable, MissingScope, RequestRefused)
