-- Grain: one row per possession that has ended.
-- What happens from one change of the ball to the next; rules in int_possession_states.
{{ incremental_by_game() }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select
        games.game_id,
        games.home_team_id,
        games.away_team_id
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

actions as (
    select
        states.game_id,
        states.possession_number,
        states.ends_possession,
        states.ending_team_id,
        states.possession_result,
        actions.order_number,
        actions.period,
        actions.action_type,
        actions.team_id,
        actions.points_home,
        actions.points_away,
        actions.score_home_before - actions.score_away_before as score_margin_before,
        actions.elapsed_hundredths,
        -- that in which the possession ended: what lies between two periods is the second's
        max(actions.period) over (partition by states.game_id, states.possession_number)
            as possession_period
    from {{ ref('int_possession_states') }} as states
    inner join changed_games on states.game_id = changed_games.game_id
    inner join {{ ref('int_actions_sequenced') }} as actions
        on
            states.game_id = actions.game_id
            and states.order_number = actions.order_number
),

totals as (
    select
        game_id,
        possession_number,
        max(possession_period) as period,
        max(case when ends_possession then 1 else 0 end) as has_ended,
        max(ending_team_id) as offense_team_id,
        max(possession_result) as ended_by,
        min(order_number) as first_order_number,
        max(order_number) as last_order_number,
        count(*)::integer as actions_total,
        sum(points_home)::integer as points_home,
        sum(points_away)::integer as points_away,
        -- of the first action; 500 keeps it above zero
        (mod(min(order_number * 1000::bigint + 500 + score_margin_before), 1000) - 500)::integer
            as home_margin_start,
        sum(case when period = possession_period then elapsed_hundredths else 0 end)::integer
            as duration_hundredths
    from actions
    group by game_id, possession_number
),

steals as (
    select
        game_id,
        possession_number,
        team_id
    from actions
    where action_type = 'steal'
    group by game_id, possession_number, team_id
),

placed as (
    select
        totals.*,
        steals.team_id is not null as has_steal,
        games.home_team_id,
        case
            when totals.offense_team_id = games.home_team_id
                then games.away_team_id
            else games.home_team_id
        end as defense_team_id,
        lag(totals.ended_by) over in_period as previous_ended_by,
        case when totals.period <= 4 then 72000 else 30000 end
        - sum(totals.duration_hundredths) over in_period as hundredths_end
    from totals
    inner join games on totals.game_id = games.game_id
    left join steals
        on
            totals.game_id = steals.game_id
            and totals.possession_number = steals.possession_number
            and totals.offense_team_id = steals.team_id
    where totals.has_ended = 1
    window in_period as (
        partition by totals.game_id, totals.period order by totals.possession_number
    )
),

measured as (
    select
        *,
        offense_team_id = home_team_id as is_home,
        hundredths_end + duration_hundredths as hundredths_start
    from placed
)

select
    game_id || '-' || period::text || '-' || lpad(
        possession_number::text, greatest(3, length(possession_number::text)), '0'
    ) as possession_id,
    game_id,
    possession_number,
    period::integer as period,
    offense_team_id,
    defense_team_id,
    (hundredths_start / 100.0)::numeric(8, 2) as seconds_remaining_start,
    (hundredths_end / 100.0)::numeric(8, 2) as seconds_remaining_end,
    (duration_hundredths / 100.0)::numeric(8, 2) as duration_seconds,
    case when is_home then home_margin_start else -home_margin_start end as score_margin_start,
    case when is_home then points_home else points_away end as points_scored,
    case when is_home then points_away else points_home end as opponent_points,
    case
        when previous_ended_by is null
            then case when period between 2 and 4 then 'period_start' else 'tip' end
        when previous_ended_by in ('turnover', 'offensive_foul')
            then case when has_steal then 'steal' else 'turnover' end
        else previous_ended_by
    end as started_by,
    ended_by,
    actions_total,
    first_order_number,
    last_order_number,
    period >= {{ var('clutch_min_period') }}
    and hundredths_start <= {{ var('clutch_max_seconds_remaining') }} * 100
    and abs(home_margin_start) <= {{ var('clutch_max_score_margin') }} as is_clutch,
    hundredths_start > {{ var('possession_min_seconds') }} * 100
    or case when is_home then points_home else points_away end > 0 as counts_as_possession
from measured
