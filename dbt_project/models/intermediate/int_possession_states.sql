-- Grain: one row per play-by-play action.
-- Who has the ball after the action, from the actions up to it; and which possession the action belongs to, which may
-- look ahead inside one reading of the clock (docs/methods/possessions.md). Sides are 1 (home), 2 (visitors) and 0 (nobody): a
-- side and what goes with it fit into one number with the order number in front, so that the latest play is a running maximum.
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
        games.home_team_id,
        games.away_team_id,
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
            -- the defence kicked the ball, or a jumper touched it too early: it goes to the other side
            when
                actions.action_type = 'violation'
                and actions.action_subtype in ('kicked ball', 'jumpball')
                then 'violation'
            when actions.action_type = 'period' and actions.action_subtype = 'end' then 'period_end'
            when actions.action_type in ('rebound', 'turnover', 'jumpball')
                then actions.action_type
            else 'other'
        end as kind,
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

-- the last foul and the last attempt before
looked_back as (
    select
        *,
        case when side = 0 then 0 else 3 - side end as other_side,
        max(case
            when kind = 'foul'
                then
                    order_number * 1000000::bigint + clock_hundredths * 10
                    + keeps_ball_up_to_throws
        end) over so_far as last_foul,
        max(case
            when kind in ('made_shot', 'missed_shot', 'throw', 'technical_throw')
                then
                    order_number * 1000000::bigint + clock_hundredths * 10
                    + case
                        when kind = 'made_shot' then side
                        when
                            kind = 'technical_throw'
                            or (kind = 'throw' and throw_number < throws_of_trip)
                            then 3
                        else 0
                    end
        end) over so_far as last_attempt
    from actions
    window so_far as (partition by game_id, period order by order_number)
),

judged as (
    select
        *,
        -- throws after which the side that was fouled has the ball again, made or missed
        kind = 'throw' and (
            is_named_as_keeping
            or (
                mod(last_foul, 1000000) / 10 = clock_hundredths
                and throws_of_trip <= mod(last_foul, 10)
            )
        ) as keeps_ball,
        -- nobody goes for the ball after a throw that others follow
        kind = 'rebound' and (is_deadball or coalesce(mod(last_attempt, 10) = 3, false)) as is_dead,
        case
            when throws_told is not null then throws_told
            -- the basket counts
            when
                throws_by_rule = 2
                and kind = 'foul'
                and mod(last_attempt, 1000000) = clock_hundredths * 10 + other_side
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
            when
                kind = 'foul' and throws_awarded > keeps_ball_up_to_throws
                then side
            when kind = 'foul' then other_side
        end as ball_side,
        case
            when kind = 'missed_shot' then 2
            when
                kind = 'throw' and throw_number = throws_of_trip and not is_made and not keeps_ball
                then 3
            else 1
        end as ball_state_code,
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
),

openings as (
    select
        game_id,
        order_number,
        ball_side,
        min(case when not is_jump then order_number end) over (partition by game_id)
            as first_play_number
    from plays
    where period = 1 and ball_side > 0
),

-- who had the ball when play began has it again at the start of the fourth period, the others at the second and third.
-- A violation at the tip gives it to the other side, or the tip is repeated: the last word counts.
first_balls as (
    select
        game_id,
        mod(max(case
            when order_number < first_play_number or first_play_number is null
                then order_number * 10::bigint + ball_side
        end), 10) as first_side
    from openings
    group by game_id
),

followed as (
    select
        plays.*,
        case plays.period
            when 2 then 3 - first_balls.first_side
            when 3 then 3 - first_balls.first_side
            when 4 then first_balls.first_side
        end as start_side,
        case plays.period
            when 1 then 3 - first_balls.first_side
            when 2 then 3 - first_balls.first_side
            when 3 then first_balls.first_side
        end as next_start_side,
        max(case
            when plays.kind = 'period_end' then plays.order_number * 1000::bigint
            when plays.ball_side > 0
                then
                    plays.order_number * 1000::bigint + plays.ball_side
                    + 10 * plays.ball_state_code + 100 * plays.trip_throws
                    + case when plays.trip_side = 2 then 500 else 0 end
        end) over so_far as last_play,
        count(case when plays.is_live then 1 end) over so_far as live_balls,
        -- the next play that is no foul, with what a basket or a foul at the same clock wants to know of it
        min(case
            when plays.is_live or plays.kind = 'throw'
                then
                    plays.order_number * 10000000::bigint + plays.clock_hundredths * 100
                    + case
                        when plays.kind = 'throw' and plays.throws_of_trip = 1 then plays.side
                        when plays.kind in ('turnover', 'rebound') then 10 + plays.ball_side
                        else 0
                    end
        end) over still_to_come as next_play,
        min(case
            when plays.kind = 'foul'
                then
                    plays.order_number * 10000000::bigint + plays.clock_hundredths * 100
                    + case when plays.throws_awarded = 1 then plays.other_side else 0 end
        end) over still_to_come as next_foul
    from plays
    left join first_balls on plays.game_id = first_balls.game_id
    window
        so_far as (partition by plays.game_id, plays.period order by plays.order_number),
        still_to_come as (
            partition by plays.game_id, plays.period order by plays.order_number desc
            rows between unbounded preceding and 1 preceding
        )
),

owned as (
    select
        *,
        -- technical throws are made before the next live ball, or not at all
        sum(case
            when kind = 'technical_foul' and other_side = 1 then throws_awarded
            when kind = 'technical_throw' and side = 1 then -1
            else 0
        end) over dead_ball as technical_throws_home,
        sum(case
            when kind = 'technical_foul' and other_side = 2 then throws_awarded
            when kind = 'technical_throw' and side = 2 then -1
            else 0
        end) over dead_ball as technical_throws_away,
        max(case
            -- the later play ends the possession: the turnover after an offensive foul, the rebound after a loose ball foul
            when
                kind in ('foul', 'jumpball')
                and mod(next_play, 10000000) = clock_hundredths * 100 + 10
                + case when kind = 'foul' then other_side else side end
                then null
            when kind = 'foul' and other_side > 0
                then order_number * 10::bigint + other_side
            when
                kind = 'made_shot'
                and (
                    mod(next_play, 10000000) = clock_hundredths * 100 + side
                    or (
                        next_play is null
                        and mod(next_foul, 10000000) = clock_hundredths * 100 + side
                    )
                )
                then order_number * 10::bigint + side
            when kind = 'throw' and trip_throws > 0 then order_number * 10::bigint + side
            when ball_side > 0 then order_number * 10::bigint + ball_side
        end) over so_far as last_owned
    from followed
    window
        dead_ball as (partition by game_id, period, live_balls order by order_number),
        so_far as (partition by game_id, period order by order_number)
),

compared as (
    select
        *,
        coalesce(mod(last_owned, 10), start_side) as owner_after,
        coalesce(
            mod(lag(last_owned) over (partition by game_id, period order by order_number), 10),
            start_side
        ) as owner_before
    from owned
),

changed as (
    select
        *,
        max(case
            when owner_after <> owner_before or owner_before is null
                then order_number * 100000::bigint + clock_hundredths
        end) over (
            partition by game_id, period order by order_number
            rows between unbounded preceding and 1 preceding
        ) as last_change
    from compared
),

ended as (
    select
        *,
        coalesce(
            owner_after <> owner_before
            -- with the ball and without time nobody has a possession
            or (
                kind = 'period_end'
                and owner_before > 0
                and coalesce(mod(last_change, 100000), 1) > 0
            ),
            false
        ) as ends_possession,
        case
            when kind = 'period_end' then next_start_side
            when last_play is null then start_side
            when mod(last_play, 1000) = 0 then next_start_side
            else mod(last_play, 10)
        end as ball_side_now,
        coalesce(mod(last_play / 10, 10), 0) as state_now,
        case when mod(last_play / 100, 10) < 5 then mod(last_play / 100, 10) else 0 end
            as trip_home,
        greatest(coalesce(mod(last_play / 100, 10), 0) - 5, 0) as trip_away
    from changed
),

shooting as (
    select
        *,
        -- both sides have throws to come: the last of them are those of the foul that moved the ball
        case
            when trip_home > 0 then 1
            when trip_away > 0 then 2
            when greatest(technical_throws_home, 0) > greatest(technical_throws_away, 0) then 1
            when greatest(technical_throws_away, 0) > greatest(technical_throws_home, 0) then 2
        end as throw_side
    from ended
)

select
    game_id,
    order_number,
    case ball_side_now when 1 then home_team_id when 2 then away_team_id end as ball_team_id,
    case
        when ball_side_now is null then 'undecided'
        when state_now = 2 then 'loose_after_shot'
        when state_now = 3 then 'loose_after_free_throw'
        else 'held'
    end as ball_state,
    (case throw_side
        when 1 then trip_home + greatest(technical_throws_home, 0)
        when 2 then trip_away + greatest(technical_throws_away, 0)
        else 0
    end)::smallint as pending_free_throws,
    case throw_side when 1 then home_team_id when 2 then away_team_id end as free_throw_team_id,
    case owner_before when 1 then home_team_id when 2 then away_team_id end as offense_team_id,
    (1 + sum(case when ends_possession then 1 else 0 end) over (
        partition by game_id order by period, order_number
        rows between unbounded preceding and current row
    ) - case when ends_possession then 1 else 0 end)::integer as possession_number,
    ends_possession,
    case
        when ends_possession
            then case owner_before when 1 then home_team_id when 2 then away_team_id end
    end as ending_team_id,
    case
        when not ends_possession then null
        when kind = 'period_end' then 'end_of_period'
        when kind = 'made_shot' then 'made_shot'
        when kind = 'throw' then 'made_free_throw'
        when kind = 'rebound' then 'defensive_rebound'
        when kind = 'turnover' then 'turnover'
        when kind = 'jumpball' then 'jump_ball'
        when kind = 'foul' then 'offensive_foul'
        else 'other'
    end as possession_result
from shooting
