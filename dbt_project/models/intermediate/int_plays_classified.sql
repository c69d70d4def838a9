-- Grain: one row per play-by-play action.
-- What the action means for the ball, from it and the actions before (docs/methods/possessions.md).
-- Sides are 1 (home), 2 (visitors) and 0 (nobody). A clock and a side fit into one number with the
-- order number in front, so that the last foul, attempt or basket is a running maximum.
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

penalties as (
    select * from {{ ref('foul_penalties') }}
),

actions as (
    select
        actions.game_id,
        actions.order_number,
        actions.period,
        (actions.seconds_remaining * 100)::integer as clock_hundredths,
        case actions.team_id
            when games.home_team_id then 1
            when games.away_team_id then 2
            else 0
        end as side,
        case
            when actions.is_field_goal_attempt
                then case when actions.shot_result = 'Made' then 'made_shot' else 'missed_shot' end
            when actions.action_type = 'freethrow' and actions.descriptor = 'technical'
                then 'technical_throw'
            when actions.action_type = 'freethrow' then 'throw'
            when actions.action_type = 'foul' and actions.action_subtype = 'technical'
                then 'technical_foul'
            when actions.action_type = 'foul' and coalesce(penalties.moves_ball, true) then 'foul'
            -- the defence kicked the ball, or a jumper touched it too early: the other side's
            when
                actions.action_type = 'violation'
                and actions.action_subtype in ('kicked ball', 'jumpball')
                then 'violation'
            when actions.action_type = 'period' and actions.action_subtype = 'end' then 'period_end'
            when actions.action_type in ('rebound', 'turnover', 'jumpball')
                then actions.action_type
            else 'other'
        end as kind,
        actions.action_subtype,
        coalesce(actions.shot_result = 'Made', false) as is_made,
        coalesce(actions.action_subtype = 'jumpball violation', false) as is_jump_violation,
        coalesce(actions.qualifiers like '%deadball%', false) as is_deadball,
        -- 'k of n'
        coalesce(case
            when actions.action_type = 'freethrow'
                then {{ safe_integer("split_part(actions.action_subtype, ' of ', 1)") }}
        end, 1) as throw_number,
        coalesce(case
            when actions.action_type = 'freethrow'
                then {{ safe_integer("split_part(actions.action_subtype, ' of ', 2)") }}
        end, 1) as throws_of_trip,
        case
            when actions.action_type <> 'foul' then 0
            when actions.qualifiers like '%1freethrow%' then 1
            when actions.qualifiers like '%2freethrow%' then 2
            when actions.qualifiers like '%3freethrow%' then 3
        end as throws_told,
        coalesce(penalties.free_throws, 0) as throws_by_rule,
        coalesce(penalties.keeps_ball_up_to_throws, 0) as keeps_ball_up_to_throws,
        coalesce(actions.descriptor in ('flagrant', 'clear-path', 'transition take'), false)
            as is_named_as_keeping
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    left join {{ ref('int_games_described') }} as games on actions.game_id = games.game_id
    left join penalties
        on
            actions.action_type = 'foul'
            and actions.action_subtype = penalties.action_subtype
            and coalesce(actions.descriptor, '') = coalesce(penalties.descriptor, '')
),

-- the last foul, attempt and basket before
looked_back as (
    select
        *,
        case when side = 0 then 0 else 3 - side end as other_side,
        max(case
            when kind = 'foul'
                then
                    order_number * 10000000::bigint + clock_hundredths * 100
                    + side * 10 + keeps_ball_up_to_throws
        end) over before as last_foul,
        max(case
            when kind in ('made_shot', 'missed_shot', 'throw', 'technical_throw', 'turnover')
                then
                    order_number * 1000000::bigint + clock_hundredths * 10
                    + case
                        when kind = 'technical_throw' then 4
                        when kind = 'throw' and throw_number < throws_of_trip then 4
                        when kind = 'throw' and is_made then side
                        when kind = 'made_shot' then 3
                        when kind = 'turnover' then 5
                        else 0
                    end
        end) over before as last_attempt,
        max(case
            when kind = 'rebound' and action_subtype = 'defensive'
                then order_number * 1000000::bigint + clock_hundredths * 10
        end) over before as last_defensive_rebound,
        max(case
            when kind = 'made_shot'
                then order_number * 1000000::bigint + clock_hundredths * 10 + side
        end) over before as last_basket
    from actions
    window before as (
        partition by game_id, period order by order_number
        rows between unbounded preceding and 1 preceding
    )
),

judged as (
    select
        *,
        -- throws after which the side that was fouled has the ball again, made or missed; one for a
        -- foul away from the ball while a basket was made is like that of the shooter
        kind = 'throw' and (
            is_named_as_keeping
            or coalesce(
                mod(last_foul, 10000000) / 100 = clock_hundredths
                and throws_of_trip <= mod(last_foul, 10)
                and coalesce(mod(last_basket, 1000000) <> clock_hundredths * 10 + side, true),
                false
            )
        ) as keeps_ball,
        -- Nobody goes for the ball after a throw that others follow, a basket or a turnover. The
        -- stats service enters the rebound before a tip-in after it at times, and that of the
        -- shooters after that of the others.
        kind = 'rebound'
        and (
            is_deadball
            or coalesce(mod(last_attempt, 10) > 0, false)
            or coalesce(
                action_subtype = 'offensive'
                and last_defensive_rebound > last_attempt
                and mod(last_defensive_rebound, 1000000) = clock_hundredths * 10,
                false
            )
        ) as is_dead,
        -- entered after its throws
        kind = 'foul'
        and coalesce(
            mod(last_attempt, 1000000) = clock_hundredths * 10 + other_side
            and last_attempt > coalesce(last_basket, 0)
            and coalesce(mod(last_foul, 10000000) / 100 <> clock_hundredths, true),
            false
        ) as is_late,
        -- the row that says why: the foul before it has moved the ball and brought the throws
        kind = 'turnover'
        and coalesce(
            mod(last_foul, 10000000) / 10 = clock_hundredths * 10 + side
            and last_foul / 10000000 > coalesce(last_attempt / 1000000, 0),
            false
        ) as follows_own_foul,
        case
            when throws_told is not null then throws_told
            -- the basket counts
            when
                throws_by_rule = 2
                and kind = 'foul'
                and mod(last_basket, 1000000) = clock_hundredths * 10 + other_side
                then 1
            else throws_by_rule
        end as throws_awarded
    from looked_back
),

plays as (
    select
        *,
        -- whose ball it is after the play
        case
            when kind = 'made_shot' then other_side
            when kind in ('missed_shot', 'jumpball') then side
            when kind = 'rebound' and not is_dead then side
            when kind in ('turnover', 'violation') then other_side
            when kind = 'throw' and keeps_ball then side
            when kind = 'throw' and throw_number = throws_of_trip and not is_made then side
            when kind = 'throw' then other_side
            when kind <> 'foul' or is_late then null
            when throws_awarded > keeps_ball_up_to_throws then side
            -- one throw away from the ball, the basket counts
            when
                throws_awarded = 1
                and keeps_ball_up_to_throws = 1
                and mod(last_basket, 1000000) = clock_hundredths * 10 + other_side
                then side
            else other_side
        end as ball_side,
        case
            when kind = 'missed_shot' then 'loose_after_shot'
            when
                kind = 'throw' and throw_number = throws_of_trip and not is_made and not keeps_ball
                then 'loose_after_free_throw'
            else 'held'
        end as ball_state,
        case
            when kind = 'throw' then greatest(throws_of_trip - throw_number, 0)
            when kind = 'foul' then throws_awarded
            else 0
        end as trip_throws,
        case
            when kind = 'throw' then side
            when kind = 'foul' then other_side
            else 0
        end as trip_side,
        kind in ('made_shot', 'missed_shot', 'turnover', 'jumpball')
        or (kind = 'rebound' and not is_dead) as is_live,
        kind in ('jumpball', 'violation') or is_jump_violation as is_jump
    from judged
)

select
    game_id,
    order_number,
    period,
    clock_hundredths,
    kind,
    side::smallint as side,
    other_side::smallint as other_side,
    -- three are the most that a foul can bring, whatever a feed says
    least(throws_of_trip, 3)::smallint as throws_of_trip,
    throws_awarded::smallint as throws_awarded,
    is_late,
    follows_own_foul,
    is_live,
    is_jump,
    ball_side::smallint as ball_side,
    ball_state,
    least(trip_throws, 3)::smallint as trip_throws,
    trip_side::smallint as trip_side
from plays
