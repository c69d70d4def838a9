-- Grain: one row per unbroken stretch of clutch time in one period.
{{ incremental_by_game(versions='int_game_strength_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_strength_versions')) }}
),

actions as (
    select
        actions.*,
        row_number() over (
            partition by actions.situation_id order by actions.order_number
        ) as place_from_start,
        row_number() over (
            partition by actions.situation_id order by actions.order_number desc
        ) as place_from_end,
        win_probability.leverage
    from {{ ref('int_clutch_actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    inner join {{ ref('win_probability') }} as win_probability
        on
            actions.game_id = win_probability.game_id
            and actions.order_number = win_probability.order_number
),

stretches as (
    select
        situation_id,
        game_id,
        period,
        min(action_timestamp) as start_timestamp,
        max(action_timestamp) as end_timestamp,
        max(seconds_remaining)::numeric(8, 2) as seconds_remaining_start,
        min(seconds_remaining)::numeric(8, 2) as seconds_remaining_end,
        count(*)::integer as actions_total,
        -- leverage is a difference of two probabilities: it has the scale of an intensity already
        max(leverage)::numeric(5, 4) as clutch_intensity,
        max(case when place_from_start = 1 then score_home_before end)::integer as home_score,
        max(case when place_from_start = 1 then score_away_before end)::integer as away_score,
        max(case when place_from_end = 1 then score_home end)::integer as home_score_end,
        max(case when place_from_end = 1 then score_away end)::integer as away_score_end
    from actions
    group by situation_id, game_id, period
)

select
    stretches.situation_id,
    stretches.game_id,
    case when stretches.period <= 4 then 'fourth_quarter' else 'overtime' end as situation_type,
    stretches.start_timestamp,
    stretches.end_timestamp,
    {{ clock_text('stretches.seconds_remaining_start') }} as game_clock_start,
    {{ clock_text('stretches.seconds_remaining_end') }} as game_clock_end,
    stretches.seconds_remaining_start,
    stretches.seconds_remaining_end,
    stretches.period::integer as period,
    stretches.home_score - stretches.away_score as score_margin,
    abs(stretches.home_score - stretches.away_score) as score_margin_absolute,
    stretches.home_score,
    stretches.away_score,
    stretches.home_score_end,
    stretches.away_score_end,
    stretches.actions_total,
    true as is_clutch_time,
    stretches.clutch_intensity,
    games.playoff_game,
    versions.data_source
from stretches
inner join {{ ref('int_games_described') }} as games on stretches.game_id = games.game_id
inner join {{ ref('stg_nba__game_versions') }} as versions on stretches.game_id = versions.game_id
