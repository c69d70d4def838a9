-- Grain: one row per athlete and game for which a closed cycle was known at tip-off: the last one before it.
-- The cycle that contains the game would hold the game itself.
{{ config(materialized='table') }}

with ranges as (
    select * from {{ ref('int_plausible_ranges') }}
),

forbidden as (
    select * from {{ ref('int_recordings_in_games') }}
    where not is_permitted
),

candidates as (
    select
        games.player_id,
        games.game_id,
        games.tipoff_at,
        cycles.device_id,
        cycles.cycle_id,
        cycles.cycle_start_at,
        cycles.cycle_end_at,
        cycles.score_state,
        cycles.strain,
        cycles.known_from as known_at,
        row_number() over (
            partition by games.player_id, games.game_id
            order by cycles.cycle_end_at desc, games.connected_at desc, cycles.cycle_id asc
        ) as place
    from {{ ref('int_device_games') }} as games
    inner join {{ ref('stg_whoop__cycles') }} as cycles
        on
            games.device_id = cycles.device_id
            and games.tipoff_at >= cycles.cycle_end_at
            and games.tipoff_at - interval '{{ var("strain_max_hours_before_tipoff") }} hours'
            <= cycles.cycle_end_at
            and {{ held_at('cycles', 'games.tipoff_at') }}
),

closed as (
    select * from candidates
    where place = 1
),

-- a recording of a game that was not allowed is in the strain of its day as well
contaminated as (
    select distinct
        closed.player_id,
        closed.game_id
    from closed
    inner join forbidden
        on
            closed.device_id = forbidden.device_id
            and closed.cycle_end_at > forbidden.workout_start_at
            and closed.cycle_start_at < forbidden.workout_end_at
            and {{ held_at('forbidden', 'closed.tipoff_at') }}
)

select
    closed.player_id,
    closed.game_id,
    closed.cycle_id as strain_cycle_id,
    closed.cycle_end_at as strain_cycle_end_at,
    closed.known_at as strain_known_at,
    contaminated.game_id is not null as is_contaminated,
    case
        when
            contaminated.game_id is null
            then {{ plausible('closed.strain', 'day_strain', 'closed.score_state') }}
    end as day_strain
from closed
cross join ranges
left join contaminated
    on closed.player_id = contaminated.player_id and closed.game_id = contaminated.game_id
