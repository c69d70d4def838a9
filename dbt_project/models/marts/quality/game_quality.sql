-- Grain: one row per game: what is odd about its payloads, and whether that makes its figures doubtful.
{%- set reasons = [
    ('score_mismatch', 'is_final and (home_score_difference <> 0 or away_score_difference <> 0)'),
    ('score_decreased', 'score_decreases > 0'),
    ('unexplained_score_change', 'unexplained_score_changes > 0'),
    ('missing_plays', 'is_final and (periods_missing > 0 or points_missing <> 0 or longest_gap_seconds > '
        ~ var('game_quality_max_gap_seconds') ~ ')'),
    ('clock_out_of_range', 'clock_out_of_range > 0'),
    ('player_on_both_teams', 'players_on_both_teams > 0'),
    ('floor_not_five', 'floor_violations > 0'),
    ('statistics_differ', 'is_final and reconciliation_differences > '
        ~ var('game_quality_max_statistics_differing')),
    ('wall_clock_too_long', 'duration_minutes > ' ~ var('game_quality_max_duration_minutes')),
    ('shot_units_changed', 'shots_contradicting > shots_located * '
        ~ var('game_quality_max_contradicting_shots') ~ '::float8'),
    ('zero_minutes', 'is_final and players_without_minutes > '
        ~ var('game_quality_max_players_without_minutes')),
] %}
{{ incremental_by_game() }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select
        games.game_id,
        games.is_final
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

checks as (
    select * from {{ ref('int_game_action_checks') }}
),

gaps as (
    select * from {{ ref('int_game_clock_gaps') }}
),

boxscore_players as (
    select
        players.game_id,
        players.player_id,
        players.played_seconds
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join changed_games on players.game_id = changed_games.game_id
),

boxscores as (
    select
        boxscore_players.game_id,
        max(games.home_score) as home_score,
        max(games.away_score) as away_score
    from boxscore_players
    inner join {{ ref('stg_nba__games') }} as games on boxscore_players.game_id = games.game_id
    group by boxscore_players.game_id
),

reconciled as (
    select
        reconciliation.game_id,
        sum(reconciliation.differences_total) as reconciliation_differences,
        sum(case
            when coalesce(boxscore_players.played_seconds, 0) = 0 then 1 else 0
        end) as players_without_minutes
    from {{ ref('game_reconciliation') }} as reconciliation
    inner join changed_games on reconciliation.game_id = changed_games.game_id
    left join boxscore_players
        on
            reconciliation.game_id = boxscore_players.game_id
            and reconciliation.player_id = boxscore_players.player_id
    group by reconciliation.game_id
),

repaired_times as (
    select
        game_id,
        count(*) as timestamps_repaired
    from {{ ref('int_action_times_repaired') }}
    group by game_id
),

floors as (
    select
        game_id,
        count(distinct order_number) as floor_violations
    from {{ ref('int_clutch_floor_violations') }}
    group by game_id
),

both_teams as (
    select
        game_id,
        count(*) as players_on_both_teams
    from {{ ref('int_players_on_both_teams') }}
    group by game_id
),

gathered as (
    select
        games.game_id,
        games.is_final,
        checks.playbyplay_actions,
        boxscores.game_id is not null as has_box_score,
        checks.has_closing_action,
        greatest(checks.periods, 4) - checks.periods_present as periods_missing,
        checks.clock_steps_back,
        checks.clock_out_of_range,
        coalesce(repaired_times.timestamps_repaired, 0)::integer as timestamps_repaired,
        checks.timestamps_missing,
        checks.order_steps,
        checks.score_decreases,
        checks.unexplained_score_changes,
        checks.score_home - boxscores.home_score as home_score_difference,
        checks.score_away - boxscores.away_score as away_score_difference,
        checks.score_home + checks.score_away
        - checks.points_explained_home - checks.points_explained_away as points_missing,
        checks.unknown_action_types,
        reconciled.reconciliation_differences::integer as reconciliation_differences,
        reconciled.players_without_minutes::integer as players_without_minutes,
        coalesce(both_teams.players_on_both_teams, 0)::integer as players_on_both_teams,
        coalesce(floors.floor_violations, 0)::integer as floor_violations,
        greatest(
            gaps.longest_gap_seconds, case when games.is_final then gaps.longest_left_seconds end
        )::numeric(8, 2) as longest_gap_seconds,
        gaps.duration_minutes,
        checks.shots_located,
        checks.shots_contradicting
    from games
    inner join checks on games.game_id = checks.game_id
    inner join gaps on games.game_id = gaps.game_id
    left join boxscores on games.game_id = boxscores.game_id
    left join reconciled on games.game_id = reconciled.game_id
    left join repaired_times on games.game_id = repaired_times.game_id
    left join floors on games.game_id = floors.game_id
    left join both_teams on games.game_id = both_teams.game_id
),

judged as (
    select
        *,
        nullif(substr(
            {%- for code, condition in reasons %}
                {% if not loop.first %}|| {% endif -%}
                case when {{ condition }} then ',{{ code }}' else '' end
            {%- endfor %},
            2
        ), '') as suspect_reasons
    from gathered
)

select
    game_id,
    playbyplay_actions,
    has_box_score,
    has_closing_action,
    periods_missing,
    clock_steps_back,
    clock_out_of_range,
    timestamps_repaired,
    timestamps_missing,
    order_steps,
    score_decreases,
    unexplained_score_changes,
    home_score_difference,
    away_score_difference,
    points_missing,
    unknown_action_types,
    reconciliation_differences,
    players_without_minutes,
    players_on_both_teams,
    floor_violations,
    longest_gap_seconds,
    duration_minutes,
    shots_located,
    shots_contradicting,
    suspect_reasons is not null as is_suspect,
    suspect_reasons
from judged
