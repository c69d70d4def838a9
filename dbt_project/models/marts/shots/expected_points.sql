-- Grain: one row per shot: a field goal attempt or a free throw, of any game at any time.
{{ incremental_by_game(versions='int_game_scoring_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_scoring_versions')) }}
),

rated as (
    {{ shots_rated(['place', 'shooter', 'moment'], with_average=true) }}
),

free_throw_rates as (
    select * from {{ ref('int_free_throw_rates') }}
),

versions as (
    select
        game_id,
        data_source
    from {{ ref('stg_nba__game_versions') }}
),

-- every free throw is a shot of its own, worth its shooter's rate
shots as (
    select
        rated.*,
        versions.data_source,
        case
            when rated.shot_value = 1 then free_throw_rates.make_rate::float8
            else rated.rated_probability
        end as make_probability,
        case
            when rated.shot_value > 1 then rated.average_probability
            -- one that names no shooter is worth nothing that can be compared
            when free_throw_rates.make_rate is not null
                then {{ var('free_throw_prior_rate') }}::float8
        end as average_make_probability
    from rated
    inner join versions on rated.game_id = versions.game_id
    left join free_throw_rates
        on
            rated.game_id = free_throw_rates.game_id
            and rated.player_id = free_throw_rates.player_id
            and rated.shot_value = 1
)

select
    game_id || '-' || lpad(
        action_number::text, greatest(4, length(action_number::text)), '0'
    )
    || '-' || shot_type || '-' || coalesce(player_id, 'team') as shot_id,
    game_id,
    action_number,
    order_number,
    player_id,
    team_id,
    period::integer as period,
    seconds_remaining::numeric(8, 2) as seconds_remaining,
    shot_type,
    shot_value::integer as shot_value,
    distance_feet::numeric(6, 2) as distance_feet,
    angle_degrees::numeric(4, 1) as angle_degrees,
    is_made,
    case when is_made then shot_value else 0 end::integer as points_scored,
    make_probability::numeric(7, 6) as make_probability,
    (shot_value * make_probability)::numeric(6, 4) as expected_points,
    is_clutch,
    is_and_one,
    is_technical,
    is_flagrant,
    data_source,
    average_make_probability::numeric(7, 6) as average_make_probability,
    (shot_value * average_make_probability)::numeric(6, 4) as average_expected_points
from shots
