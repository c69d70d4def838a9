-- Grain: one row per clutch action that is anything but a substitution, and team that has not five on the floor.
{{ incremental_by_game(['game_id', 'order_number', 'team_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

actions as (
    select
        actions.game_id,
        actions.order_number
    from {{ ref('int_clutch_actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where actions.action_type in ('2pt', '3pt', 'freethrow', 'turnover', 'rebound')
),

first_actions as (
    select
        game_id,
        min(order_number) as order_number
    from actions
    group by game_id
),

-- most stays are over before clutch time begins
stints as (
    select stints.*
    from {{ ref('int_player_stints') }} as stints
    inner join first_actions
        on
            stints.game_id = first_actions.game_id
            and stints.order_number_out >= first_actions.order_number
),

counted as (
    select
        actions.game_id,
        actions.order_number,
        stints.team_id,
        count(*) as players
    from actions
    inner join stints
        on
            actions.game_id = stints.game_id
            and actions.order_number > stints.order_number_in
            and actions.order_number <= stints.order_number_out
    group by actions.game_id, actions.order_number, stints.team_id
),

-- a side of which nobody is known has no row to count
sides as (
    select
        game_id,
        home_team_id as team_id
    from {{ ref('int_games_described') }}
    union all
    select
        game_id,
        away_team_id as team_id
    from {{ ref('int_games_described') }}
),

expected as (
    select
        actions.game_id,
        actions.order_number,
        sides.team_id
    from actions
    inner join sides on actions.game_id = sides.game_id
)

select
    expected.game_id,
    expected.order_number,
    expected.team_id,
    coalesce(counted.players, 0)::integer as players
from expected
left join counted
    on
        expected.game_id = counted.game_id
        and expected.order_number = counted.order_number
        and expected.team_id = counted.team_id
where coalesce(counted.players, 0) <> 5
