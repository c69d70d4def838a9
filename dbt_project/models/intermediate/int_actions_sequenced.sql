-- Grain: one row per play-by-play action, in the true order of the game.
-- Everything that needs the action before it: margin before, points of the action, seconds that led to it,
-- and whose five were on the floor. The rule is the league's own (docs/methods/clutch_time.md).
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

actions as (
    select
        actions.*,
        repaired.action_timestamp as repaired_timestamp,
        -- whole hundredths of a second: exact, and three times as fast to compare as numeric
        (actions.seconds_remaining * 100)::integer as clock_hundredths
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    left join {{ ref('int_action_times_repaired') }} as repaired
        on
            actions.game_id = repaired.game_id
            and actions.order_number = repaired.order_number
),

sequenced as (
    select
        *,
        -- points are never taken back: a score that is lower for single plays is a slip of the feed
        coalesce(max(score_home) over game_before, 0)::smallint as score_home_before,
        coalesce(max(score_away) over game_before, 0)::smallint as score_away_before,
        -- substitutions and corrections entered late make the clock step back: the running minimum is the
        -- time that has really been played
        min(clock_hundredths) over period_so_far as clock_reached,
        -- the last foul so far, its order number and its clock in one number
        max(case
            when action_type = 'foul' then order_number * 100000::bigint + clock_hundredths
        end) over period_so_far as last_foul
    from actions
    -- the same order in both windows, so that one sort serves them
    window
        game_before as (
            partition by game_id order by period, order_number
            rows between unbounded preceding and 1 preceding
        ),
        period_so_far as (partition by game_id, period order by order_number)
),

timed as (
    select
        *,
        greatest(score_home, score_home_before) as running_score_home,
        greatest(score_away, score_away_before) as running_score_away,
        lag(clock_reached, 1, case when period <= 4 then 72000 else 30000 end) over (
            partition by game_id, period order by order_number
        ) - clock_reached as elapsed_hundredths
    from sequenced
)

select
    game_id,
    order_number,
    action_number,
    period,
    seconds_remaining,
    coalesce(repaired_timestamp, recorded_at) as action_timestamp,
    recorded_at,
    repaired_timestamp is not null as is_action_timestamp_repaired,
    action_type,
    action_subtype,
    descriptor,
    team_id,
    player_id,
    assist_player_id,
    foul_drawn_player_id,
    is_field_goal_attempt,
    coalesce(shot_result = 'Made', false) as is_made,
    shot_distance_feet,
    shot_x_tenths_of_feet,
    shot_y_tenths_of_feet,
    running_score_home as score_home,
    running_score_away as score_away,
    score_home_before,
    score_away_before,
    running_score_home - score_home_before as points_home,
    running_score_away - score_away_before as points_away,
    elapsed_hundredths,
    -- the five at the foul own its free throws, whoever comes in before the last of them
    case
        when action_type = 'freethrow' and mod(last_foul, 100000) = clock_hundredths
            then (last_foul / 100000)::integer
        else order_number
    end as floor_order_number,
    period >= {{ var('clutch_min_period') }}
    and seconds_remaining <= {{ var('clutch_max_seconds_remaining') }}
    and abs(score_home_before - score_away_before)
    <= {{ var('clutch_max_score_margin') }} as is_clutch
from timed
