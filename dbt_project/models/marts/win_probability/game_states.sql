-- Grain: one row per play-by-play action.
-- What can be known of a game right after the action and bears on who wins it; what win probability is fitted on and scored from.
{{ incremental_by_game() }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select games.*
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

possession_states as (
    select * from {{ ref('int_possession_states') }}
),

actions as (
    select
        actions.game_id,
        actions.order_number,
        actions.action_number,
        actions.action_timestamp,
        actions.period::integer as period,
        actions.is_clutch,
        actions.score_home - actions.score_away as home_margin,
        games.home_team_id,
        games.away_team_id,
        -- the clock steps back where a row was entered late; what has been played is played
        min(actions.seconds_remaining) over period_so_far as seconds_remaining,
        actions.period >= 4
        and actions.action_type = 'period'
        and actions.action_subtype = 'end' as ends_regulation_or_overtime,
        games.is_final
    from {{ ref('int_actions_sequenced') }} as actions
    inner join games on actions.game_id = games.game_id
    window period_so_far as (
        partition by actions.game_id, actions.period order by actions.order_number
    )
),

ended as (
    select
        *,
        ends_regulation_or_overtime and home_margin = 0 as leads_to_overtime,
        (is_final and lead(order_number) over game_so_far is null)
        or max(case when ends_regulation_or_overtime and home_margin <> 0 then period else 0 end)
            over game_so_far
        = period as is_over
    from actions
    -- the order of the window above, so that one sort serves them both
    window game_so_far as (partition by game_id order by period, order_number)
)

select
    ended.game_id,
    ended.order_number,
    ended.action_number,
    ended.action_timestamp,
    ended.period,
    ended.seconds_remaining::numeric(8, 2) as seconds_remaining,
    -- a tie when time is up is the start of an overtime
    (case
        when ended.leads_to_overtime then 300
        when ended.period <= 4 then (4 - ended.period) * 720 + ended.seconds_remaining
        else ended.seconds_remaining
    end)::numeric(8, 2) as seconds_left,
    ended.period > 4 or ended.leads_to_overtime as is_overtime,
    ended.is_over,
    ended.is_clutch,
    ended.home_margin::integer as home_margin,
    case
        when ended.leads_to_overtime then 0
        when possession_states.ball_team_id = ended.home_team_id then 1
        when possession_states.ball_team_id = ended.away_team_id then -1
        else 0
    end as ball_side,
    possession_states.ball_state = 'loose_after_shot' as is_loose_after_shot,
    possession_states.ball_state = 'loose_after_free_throw' as is_loose_after_free_throw,
    case
        when possession_states.free_throw_team_id = ended.home_team_id
            then possession_states.pending_free_throws
        when possession_states.free_throw_team_id = ended.away_team_id
            then -possession_states.pending_free_throws
        else 0
    end::integer as home_pending_free_throws
from ended
inner join possession_states
    on
        ended.game_id = possession_states.game_id
        and ended.order_number = possession_states.order_number
