-- Grain: one row per game: what its play-by-play says against itself.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

actions as (
    select
        actions.game_id,
        actions.order_number,
        actions.action_number,
        actions.period,
        actions.seconds_remaining,
        actions.recorded_at,
        actions.action_type,
        actions.action_subtype,
        actions.score_home,
        actions.score_away,
        actions.shot_distance_feet,
        -- squares, so that a million shots need no root
        actions.shot_x_tenths_of_feet::float8 * actions.shot_x_tenths_of_feet
        + actions.shot_y_tenths_of_feet::float8 * actions.shot_y_tenths_of_feet
            as distance_squared,
        coalesce(actions.team_id = games.home_team_id, false) as is_home,
        case when actions.shot_result = 'Made' then coalesce(known.points, 0) else 0 end
            as points_explained,
        case when known.action_type is null then actions.action_type end as unknown_action_type,
        case when actions.period <= 4 then 720 else 300 end as period_seconds
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    inner join {{ ref('int_games_described') }} as games on actions.game_id = games.game_id
    left join {{ ref('known_action_types') }} as known on actions.action_type = known.action_type
),

sequenced as (
    select
        *,
        lag(action_number) over game_before as action_number_before,
        lag(period) over game_before as period_before,
        lag(seconds_remaining) over game_before as seconds_remaining_before,
        coalesce(max(score_home) over game_before, 0) as score_home_before,
        coalesce(max(score_away) over game_before, 0) as score_away_before
    from actions
    window game_before as (
        partition by game_id order by order_number
        rows between unbounded preceding and 1 preceding
    )
),

checked as (
    select
        *,
        period = period_before and seconds_remaining > seconds_remaining_before
            as is_clock_step_back,
        score_home < score_home_before or score_away < score_away_before as is_score_decrease,
        -- against the highest score so far: a slip that is put right is one slip, not two
        greatest(score_home - score_home_before, 0) as points_home,
        greatest(score_away - score_away_before, 0) as points_away,
        case when is_home then points_explained else 0 end as points_explained_home,
        case when is_home then 0 else points_explained end as points_explained_away
    from sequenced
)

select
    game_id,
    count(*)::integer as playbyplay_actions,
    sum(case when action_type = 'game' and action_subtype = 'end' then 1 else 0 end) > 0
        as has_closing_action,
    max(period)::integer as periods,
    count(distinct period)::integer as periods_present,
    sum(case when is_clock_step_back then 1 else 0 end)::integer as clock_steps_back,
    sum(case
        when seconds_remaining between 0 and period_seconds then 0 else 1
    end)::integer as clock_out_of_range,
    sum(case when recorded_at is null then 1 else 0 end)::integer as timestamps_missing,
    sum(case when action_number < action_number_before then 1 else 0 end)::integer as order_steps,
    sum(case when is_score_decrease then 1 else 0 end)::integer as score_decreases,
    sum(case
        when points_home <> points_explained_home or points_away <> points_explained_away then 1
        else 0
    end)::integer as unexplained_score_changes,
    coalesce(max(score_home), 0)::integer as score_home,
    coalesce(max(score_away), 0)::integer as score_away,
    sum(points_explained_home)::integer as points_explained_home,
    sum(points_explained_away)::integer as points_explained_away,
    count(distance_squared + shot_distance_feet)::integer as shots_located,
    sum(case
        when
            distance_squared between
            power(10 * greatest(
                shot_distance_feet - {{ var('game_quality_shot_tolerance_feet') }}::float8,
                0::float8
            ), 2)
            and
            power(10 * (
                shot_distance_feet + {{ var('game_quality_shot_tolerance_feet') }}::float8
            ), 2)
            then 0
        when distance_squared + shot_distance_feet is null then 0
        else 1
    end)::integer as shots_contradicting,
    {{ joined_text('distinct unknown_action_type', 'unknown_action_type') }}
        as unknown_action_types
from checked
group by game_id
