"""What the possession parser is measured against: the feed's own possession field."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings

# Rows during which nobody plays; a run that opens a period with nothing else carries the team of
# the period before.
NO_PLAY = """
    action_type in ('substitution', 'timeout', 'period', 'stoppage', 'instantreplay', 'memo',
        'game', 'ejection')
    or coalesce(action_subtype, '') = 'delay-of-game'
"""

# Every run of rows with the same team in a period, and which of our possessions of that team it
# shares a row with. The row that ended the possession before counts too: a defensive rebound is the
# rebounder's in the feed and the last action of the shooters' possession in ours.
MATCH = f"""
    create temporary table feed as
    select *,
        sum(is_play) over (
            partition by game_id, period order by order_number
            rows between unbounded preceding and 1 preceding
        ) as plays_before
    from (
        select game_id, order_number, period, seconds_remaining, action_type, descriptor,
            possession_team_id as team_id, case when {NO_PLAY} then 0 else 1 end as is_play
        from staging.stg_nba__actions_cdn
    ) as actions;

    create temporary table feed_rows as
    select *,
        sum(starts) over (partition by game_id, period order by order_number) as run_number
    from (
        select *, case
            when team_id is distinct from
                lag(team_id) over (partition by game_id, period order by order_number) then 1
            else 0
        end as starts
        from feed where team_id is not null
    ) as started;

    create temporary table runs as
    select game_id, period, run_number, max(team_id) as team_id,
        case
            when bool_and(is_play = 0 and coalesce(plays_before, 0) = 0)
                then 'rows before the first play'
            when max(seconds_remaining) = 0 then 'rows after the last second'
            when bool_or(descriptor = 'technical') then 'technical foul'
            when bool_or(descriptor in
                ('flagrant-type-1', 'flagrant-type-2', 'flagrant', 'clear-path', 'transition take',
                'away-from-play')) then 'foul that keeps the ball'
            when bool_or(action_type = 'jumpball') then 'jump ball'
            when bool_or(action_type = 'instantreplay') then 'replay'
            when bool_and(action_type = 'substitution') then 'substitutions'
            when bool_or(action_type = 'foul') then 'foul row'
            else 'other row'
        end as cause
    from feed_rows group by game_id, period, run_number;

    create temporary table ours as
    select game_id, period, possession_number, offense_team_id as team_id, last_order_number,
        counts_as_possession,
        coalesce(
            lag(last_order_number) over (partition by game_id, period order by possession_number),
            first_order_number
        ) as first_order_number
    from analytics.possessions where game_id in (select game_id from feed);

    create temporary table matches as
    select distinct ours.game_id, ours.period, ours.possession_number, feed_rows.run_number
    from ours
    inner join feed_rows
        on ours.game_id = feed_rows.game_id and ours.period = feed_rows.period
        and ours.team_id = feed_rows.team_id
        and feed_rows.order_number between ours.first_order_number and ours.last_order_number;
"""

# A run without a possession counts one too many; one that cuts a possession in two counts another.
CAUSES = """
    select cause, sum(n)::integer as n from (
        select 'counted too often: ' || runs.cause as cause, 1 as n
        from runs
        where not exists (
            select 1 from matches where matches.game_id = runs.game_id
                and matches.period = runs.period and matches.run_number = runs.run_number
        )
        union all
        select 'counted too often: ' || between_them.cause, 1
        from (
            select *, row_number() over (
                partition by game_id, period, possession_number order by run_number
            ) as place
            from matches
        ) as later
        inner join runs as between_them
            on later.game_id = between_them.game_id and later.period = between_them.period
            and between_them.run_number = later.run_number - 1
        where later.place > 1
        union all
        select 'not counted: no row of the feed shows it', -1
        from ours
        where not exists (
            select 1 from matches where matches.game_id = ours.game_id
                and matches.period = ours.period
                and matches.possession_number = ours.possession_number
        )
        union all
        select 'not counted: no row of the feed shows it', 1 - count(*)
        from matches group by game_id, period, run_number having count(*) > 1
        union all
        select 'not counted: the same team on both sides of a break', -1
        from (
            select team_id, lag(team_id) over w as team_before, period,
                lag(period) over w as period_before
            from feed_rows window w as (partition by game_id order by order_number)
        ) as neighbours
        where team_id = team_before and period <> period_before
    ) as counted
    group by cause order by abs(sum(n)) desc
"""


@dataclass(frozen=True)
class RunsAgainstPossessions:
    """How often the feed's team changes, and how often the ball does.

    Attributes:
        team_games: Games times two.
        runs: Runs of rows with the same team, over the whole game.
        possessions: Ours.
        stubs: Those of ours that do not count: no time, no point.
        causes: ``runs - possessions`` by cause; their sum is the difference.
    """

    team_games: int
    runs: int
    possessions: int
    stubs: int
    causes: dict[str, int]

    def lines(self) -> list[str]:
        """The decomposition, per team and game."""

        def each(count: int) -> str:
            return f"{count / self.team_games:+9.4f}"

        return [
            f"{self.runs / self.team_games:9.4f}  runs of the feed's possession field",
            *(f"{each(-count)}  {cause} ({abs(count)})" for cause, count in self.causes.items()),
            f"{self.possessions / self.team_games:9.4f}  possessions",
            f"{each(-self.stubs)}  began in the last two seconds and brought no point",
            f"{(self.possessions - self.stubs) / self.team_games:9.4f}  possessions that count",
        ]


def runs_against_possessions(settings: Settings) -> RunsAgainstPossessions:
    """Compare every game of the live data."""
    with connect(settings, roles.TRANSFORM) as connection:
        connection.execute(MATCH)
        for table in ("feed_rows", "runs", "ours", "matches"):
            connection.execute(f"analyze {table}")
        totals = _row(
            connection,
            """
            select
                (select count(distinct game_id) * 2 from feed) as team_games,
                (select count(*) from (
                    select team_id is distinct from lag(team_id) over (
                        partition by game_id order by order_number
                    ) as starts from feed_rows
                ) as started where starts) as runs,
                (select count(*) from ours) as possessions,
                (select count(*) from ours where not counts_as_possession) as stubs
            """,
        )
        causes = dict(connection.execute(CAUSES).fetchall())
        connection.rollback()
    return RunsAgainstPossessions(**totals, causes=causes)


AGREEMENT = f"""
    with actions as (
        select states.*, actions.period, actions.action_type, actions.action_subtype,
            actions.team_id, actions.shot_result,
            lead(actions.possession_team_id) over w as next_team_id,
            lead(actions.action_type) over w as next_action_type,
            sum(case when {NO_PLAY} then 0 else 1 end) over w as plays_so_far
        from intermediate.int_possession_states as states
        inner join staging.stg_nba__actions_cdn as actions using (game_id, order_number)
        window w as (partition by states.game_id, actions.period order by states.order_number)
    )
    select
        count(*) as compared,
        count(*) filter (where next_team_id = coalesce(free_throw_team_id, ball_team_id)) as same,
        -- the row that follows is part of the same play: an extra throw, goaltending, a turnover
        count(*) filter (
            where next_team_id <> coalesce(free_throw_team_id, ball_team_id)
            and (
                (shot_result = 'Made' and action_type <> 'freethrow' and next_team_id = team_id)
                or (action_type in ('foul', 'jumpball') and next_action_type = 'turnover')
                or (action_type = 'violation' and next_action_type = 'foul')
            )
        ) as same_play,
        count(*) filter (
            where next_team_id <> coalesce(free_throw_team_id, ball_team_id)
            and free_throw_team_id <> ball_team_id
        ) as throws_to_come
    from actions
    where ball_state = 'held' and next_team_id is not null and plays_so_far > 0
"""


def agreement_with_the_feed(settings: Settings) -> dict[str, int]:
    """Who has the ball after an action, against the team of the next one."""
    with connect(settings, roles.TRANSFORM) as connection:
        return _row(connection, AGREEMENT)


THROWS = """
    select
        count(*) as trips,
        count(*) filter (where known and throws = throws_told) as right_number,
        count(*) filter (where known is not true) as unknown
    from (
        select
            action_type = 'freethrow' and action_subtype like '1 of _'
            and coalesce(descriptor, '') <> 'technical' as is_first,
            split_part(action_subtype, ' of ', 2) as throws,
            (lag(states.pending_free_throws) over w)::text as throws_told,
            lag(states.free_throw_team_id) over w = actions.team_id as known
        from intermediate.int_possession_states as states
        inner join staging.stg_nba__actions_{source} as actions using (game_id, order_number)
        window w as (partition by states.game_id, actions.period order by states.order_number)
    ) as throws
    where is_first
"""


def throws_known_before(settings: Settings, source: str) -> dict[str, int]:
    """Trips to the line, and for how many the number was known after the action before."""
    with connect(settings, roles.TRANSFORM) as connection:
        return _row(connection, THROWS.format(source=source))


SEASONS = """
    with ours as (
        select game_id, offense_team_id, count(*) as possessions,
            sum(case when counts_as_possession then 1 else 0 end) as counted,
            sum(points_scored) as points, sum(opponent_points) as opponent_points,
            sum(duration_seconds) as seconds
        from analytics.possessions group by game_id, offense_team_id
    ),

    games as (
        select game_id, sum(possessions) as possessions, sum(counted) as counted,
            sum(points) as points, sum(points + opponent_points) as all_points,
            sum(seconds) as seconds, max(possessions) - min(possessions) as sides_apart
        from ours group by game_id
    ),

    twice as (
        select game_id, count(*) as n from (
            select game_id, offense_team_id = lag(offense_team_id) over (
                partition by game_id, period order by possession_number
            ) as is_same from analytics.possessions
        ) as neighbours
        where is_same group by game_id
    ),

    -- Oliver, Basketball on Paper (2004): every attempt, less the rebounds that continue
    box as (
        select game_id,
            sum(case when is_field_goal_attempt then 1 else 0 end)
            - sum(case
                when action_type = 'rebound' and action_subtype = 'offensive'
                    and player_id is not null then 1
                else 0
            end)
            + sum(case when action_type = 'turnover' then 1 else 0 end)
            + 0.44 * sum(case when action_type = 'freethrow' then 1 else 0 end) as oliver
        from staging.stg_nba__actions group by game_id
    )

    select
        described.season,
        count(*) as games,
        sum(games.possessions) as possessions,
        round(avg(games.possessions) / 2, 3) as per_team_game,
        round(avg(games.counted) / 2, 3) as counted_per_team_game,
        round(avg(box.oliver) / 2, 3) as oliver_per_team_game,
        round(sum(games.points) / sum(games.counted), 4) as points_per_possession,
        max(games.sides_apart) as most_apart,
        count(*) filter (where games.sides_apart > 2) as games_more_than_two_apart,
        coalesce(sum(twice.n), 0) as same_side_twice,
        sum(described.home_score + described.away_score - games.all_points) as points_outside,
        sum(2880 + 300 * (described.periods - 4) - games.seconds) as seconds_outside
    from intermediate.int_games_described as described
    inner join games using (game_id)
    inner join box using (game_id)
    left join twice using (game_id)
    where described.is_final
    group by described.season order by described.season
"""


def seasons(settings: Settings) -> list[dict[str, Decimal | int | str]]:
    """Counts of every season, and what they must add up to."""
    with connect(settings, roles.TRANSFORM) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(SEASONS).fetchall()


def _row(connection: psycopg.Connection, query: str) -> dict[str, Any]:
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return cursor.execute(query).fetchone() or {}
