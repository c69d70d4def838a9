-- Clutch time and plus-minus rest on the five players a side: at anything but a substitution there must be five.
-- A warning, not an error: a substitution that the scorer forgot must be seen, it must not stop the build.
{{ config(severity='warn') }}

with actions as (
    select * from {{ ref('int_clutch_actions') }}
    where action_type in ('2pt', '3pt', 'freethrow', 'turnover', 'rebound')
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
)

select * from counted
where players <> 5
