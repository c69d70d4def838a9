-- Grain: one row per action whose wall clock cannot be the one that was recorded.
-- The repaired clock never runs back inside a game and leaves every credible row as it was
-- (docs/methods/data_quality.md). Few rows of a game are here; int_actions_sequenced joins them.
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

inversions as (
    select inversions.*
    from {{ ref('int_action_time_inversions') }} as inversions
    inner join changed_games on inversions.game_id = changed_games.game_id
),

sides as (
    select
        game_id,
        earlier_order_number as order_number
    from inversions
    union all
    select
        game_id,
        later_order_number as order_number
    from inversions
),

counted as (
    select
        game_id,
        order_number,
        count(*) as inversion_count
    from sides
    group by game_id, order_number
),

-- of a pair the row that contradicts more others is wrong; of two alike the one before, because
-- rows are entered late, never early
blamed as (
    select distinct
        inversions.game_id,
        case
            when earlier.inversion_count >= later.inversion_count
                then inversions.earlier_order_number
            else inversions.later_order_number
        end as order_number
    from inversions
    inner join counted as earlier
        on
            inversions.game_id = earlier.game_id
            and inversions.earlier_order_number = earlier.order_number
    inner join counted as later
        on
            inversions.game_id = later.game_id
            and inversions.later_order_number = later.order_number
),

judged as (
    select
        actions.game_id,
        actions.order_number,
        actions.recorded_at,
        case
            when
                limits.game_id is null
                or actions.recorded_at between limits.earliest_at and limits.latest_at
                then actions.recorded_at
        end as plausible_at,
        blamed.order_number is not null as is_blamed
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    left join {{ ref('int_game_time_limits') }} as limits on actions.game_id = limits.game_id
    left join blamed
        on
            actions.game_id = blamed.game_id
            and actions.order_number = blamed.order_number
),

credible as (
    select
        *,
        case when not is_blamed then plausible_at end as credible_at
    from judged
),

numbered as (
    select
        *,
        max(credible_at) over game_so_far as previous_at,
        count(credible_at) over game_so_far as credible_number,
        lag(credible_at) over game_so_far is null as follows_doubtful
    from credible
    window game_so_far as (partition by game_id order by order_number)
),

-- the doubtful rows and the credible row behind each run of them: the few that the rest looks at
edges as (
    select * from numbered
    where credible_at is null or follows_doubtful
),

bounded as (
    select
        doubtful.game_id,
        doubtful.order_number,
        doubtful.recorded_at,
        doubtful.plausible_at,
        doubtful.credible_number,
        doubtful.previous_at,
        following.credible_at as next_at,
        -- the first time after the credible one before it that is whole hours from the recorded one
        doubtful.recorded_at - interval '1 hour' * floor(
            extract(epoch from doubtful.recorded_at - doubtful.previous_at) / 3600
        ) as shifted_at
    from edges as doubtful
    left join edges as following
        on
            doubtful.game_id = following.game_id
            and doubtful.credible_number + 1 = following.credible_number
            and following.credible_at is not null
    where doubtful.credible_at is null
),

repaired as (
    select
        game_id,
        order_number,
        recorded_at,
        max(case
            -- corrections are often dated in another zone or on the next day, to the second
            when
                shifted_at <= coalesce(
                    next_at,
                    previous_at
                    + interval '{{ var("wall_clock_max_minutes_to_last_action") }} minutes'
                )
                then shifted_at
            when plausible_at is null then coalesce(previous_at, next_at)
            else least(greatest(plausible_at, previous_at), next_at)
        end) over (
            partition by game_id, credible_number order by order_number
        ) as action_timestamp
    from bounded
)

select
    game_id,
    order_number,
    action_timestamp
from repaired
-- doubtful rows that fit between their neighbours after all are no repair
where action_timestamp is not null and (recorded_at is null or action_timestamp <> recorded_at)
