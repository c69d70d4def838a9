-- Grain: one row per shot: a field goal attempt or a free throw, of any game at any time.
-- With all that is known of it when it is taken, and the cells it is compared in (docs/methods/expected_points.md).
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select
        games.game_id,
        games.utc_date,
        games.is_final or {{ var('include_live_games') }} as is_counted
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

shot_types as (
    select
        action_type,
        points as shot_value
    from {{ ref('known_action_types') }}
    where points > 0
),

shots as (
    select
        actions.*,
        shot_types.shot_value,
        games.utc_date,
        coalesce(games.is_counted, false) as is_counted,
        sqrt(
            actions.shot_x_tenths_of_feet::float8 * actions.shot_x_tenths_of_feet
            + actions.shot_y_tenths_of_feet::float8 * actions.shot_y_tenths_of_feet
        ) / 10::float8 as place_feet
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    inner join shot_types on actions.action_type = shot_types.action_type
    left join games on actions.game_id = games.game_id
),

-- the one free throw of a basket that counted; the fouled player may be hurt and another one shoot it
and_ones as (
    select distinct
        free_throws.game_id,
        free_throws.order_number
    from {{ ref('int_actions_sequenced') }} as free_throws
    inner join changed_games on free_throws.game_id = changed_games.game_id
    inner join {{ ref('int_actions_sequenced') }} as baskets
        on
            free_throws.game_id = baskets.game_id
            and free_throws.period = baskets.period
            and free_throws.seconds_remaining = baskets.seconds_remaining
            and free_throws.team_id = baskets.team_id
    where
        free_throws.action_type = 'freethrow'
        and free_throws.action_subtype = '1 of 1'
        -- a technical foul, a foul away from the play and a take foul give one free throw too
        and coalesce(free_throws.descriptor, 'flagrant') = 'flagrant'
        and baskets.is_made
        and baskets.is_field_goal_attempt
),

compared as (
    select
        *,
        -- a place that contradicts the distance told is in another unit or of another basket
        coalesce(
            abs(place_feet - shot_distance_feet) > {{ var('game_quality_shot_tolerance_feet') }},
            false
        ) as is_place_elsewhere
    from shots
),

placed as (
    select
        shots.*,
        -- where they agree the place is finer: the stats service tells whole feet
        case
            when shots.shot_value = 1 then null
            when shots.is_place_elsewhere then shots.shot_distance_feet
            else coalesce(shots.place_feet, shots.shot_distance_feet)
        end as distance_feet,
        case
            when shots.shot_value = 1 then null
            when shots.is_place_elsewhere then null
            else degrees(atan2(
                abs(shots.shot_x_tenths_of_feet)::float8, shots.shot_y_tenths_of_feet::float8
            ))
        end as angle_degrees,
        and_ones.game_id is not null as is_and_one
    from compared as shots
    left join and_ones
        on
            shots.game_id = and_ones.game_id
            and shots.order_number = and_ones.order_number
),

stepped as (
    select
        *,
        least(
            floor(distance_feet * 2)::integer, {{ var('expected_points_max_feet') }} * 2
        ) as half_feet_reached,
        {{ clock_step('seconds_remaining') }} as clock_step
    from placed
),

ranged as (
    select
        stepped.*,
        -- least() passes over a null: a shot without a distance would be one from the other half
        case when stepped.distance_feet is not null then stepped.half_feet_reached end as half_feet,
        ranges.shot_range
    from stepped
    left join {{ ref('shot_ranges') }} as ranges
        on
            stepped.shot_value = ranges.shot_value
            and stepped.distance_feet >= ranges.from_feet
            and stepped.distance_feet < ranges.below_feet
)

select
    game_id,
    order_number,
    action_number,
    utc_date,
    is_counted,
    period,
    seconds_remaining,
    action_type as shot_type,
    shot_value,
    team_id,
    player_id,
    is_made,
    is_clutch,
    is_and_one,
    coalesce(shot_value = 1 and descriptor = 'technical', false) as is_technical,
    coalesce(shot_value = 1 and descriptor = 'flagrant', false) as is_flagrant,
    distance_feet,
    angle_degrees,
    shot_range,
    half_feet,
    -- 20000 and more for directions, 100 to 699 for the clock: both kinds of cells fit into one table
    shot_value * 10000
    + half_feet / (2 * {{ var('expected_points_angle_step_feet') }}) * 100
    + floor(angle_degrees / {{ var('expected_points_angle_step_degrees') }})::integer as angle_cell,
    shot_range * 100 + clock_step as clock_cell,
    -- a close game near its end is defended unlike the rest, the last minutes of a decided one too
    shot_range * 10 + case
        when is_clutch then 2
        when
            period >= {{ var('clutch_min_period') }}
            and seconds_remaining <= {{ var('clutch_max_seconds_remaining') }}
            then 1
        else 0
    end as moment_cell
from ranged
