-- Grain: one row per action in clutch time and player credited with it.
{{ incremental_by_game(versions='int_game_valuation_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_valuation_versions')) }}
),

credited as (
    select * from {{ ref('credited_actions') }}
),

games as (
    select
        games.*,
        versions.data_source
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
    inner join {{ ref('stg_nba__game_versions') }} as versions on games.game_id = versions.game_id
),

actions as (
    select
        actions.*,
        games.home_team_id,
        games.data_source
    from {{ ref('int_clutch_actions') }} as actions
    inner join games on actions.game_id = games.game_id
),

shots as (
    select * from {{ ref('expected_points') }}
),

win_probability_credits as (
    select * from {{ ref('win_probability_credits') }}
),

credits as (
    select
        actions.*,
        credited.credited_action_type,
        credited.success_rule,
        case credited.credit_column
            when 'assist_player_id' then actions.assist_player_id
            else actions.player_id
        end as credited_player_id
    from actions
    inner join credited on actions.action_type = credited.action_type
)

select
    credits.game_id || '-' || lpad(
        credits.action_number::text, greatest(4, length(credits.action_number::text)), '0'
    )
    || '-' || credits.credited_action_type || '-' || credits.credited_player_id as action_id,
    credits.situation_id,
    credits.game_id,
    credits.credited_player_id as player_id,
    credits.team_id,
    credits.action_number,
    credits.order_number,
    credits.action_timestamp,
    credits.recorded_at as action_timestamp_recorded,
    credits.is_action_timestamp_repaired,
    {{ clock_text('credits.seconds_remaining') }} as game_clock,
    credits.seconds_remaining::numeric(8, 2) as seconds_remaining,
    credits.period::integer as period,
    credits.credited_action_type as action_type,
    credits.action_subtype,
    case credits.success_rule
        when 'made' then credits.is_made
        else credits.success_rule = 'always'
    end as is_successful,
    case when credits.success_rule = 'made' then shots.points_scored else 0 end as points_scored,
    case when credits.success_rule = 'made' then shots.expected_points end as expected_points,
    (case
        when credits.team_id = credits.home_team_id
            then credits.score_home_before - credits.score_away_before
        else credits.score_away_before - credits.score_home_before
    end)::integer as score_margin,
    win_probability_credits.win_probability_added,
    credits.data_source
from credits
left join shots
    on
        credits.game_id = shots.game_id
        and credits.order_number = shots.order_number
left join win_probability_credits
    on
        credits.game_id = win_probability_credits.game_id
        and credits.order_number = win_probability_credits.order_number
        and credits.credited_action_type = win_probability_credits.credit_type
        and credits.credited_player_id = win_probability_credits.player_id
where
    credits.credited_player_id is not null
    -- an assist belongs to a made shot only
    and (credits.credited_action_type <> 'assist' or credits.is_made)
