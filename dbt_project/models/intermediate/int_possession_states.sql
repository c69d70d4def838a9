-- Grain: one row per play-by-play action.
-- Who has the ball after the action, from the actions up to it; and which possession the action
-- belongs to, which may look ahead to the play that follows (docs/methods/possessions.md). Sides
-- are 1 (home) and 2 (visitors): a side and what goes with it fit into one number with the order number
-- in front, so that the last play is a running maximum.
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

plays as (
    select plays.*
    from {{ ref('int_plays_classified') }} as plays
    inner join changed_games on plays.game_id = changed_games.game_id
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

-- Who had the ball when play began has it again at the start of the fourth period, the others at
-- the second and third. A violation at the tip gives it to the other side, or the tip is repeated: the
-- last word counts.
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
            when plays.ball_side > 0 and not plays.follows_own_foul
                then
                    plays.order_number * 1000::bigint + plays.ball_side
                    + 10 * case plays.ball_state
                        when 'loose_after_shot' then 2
                        when 'loose_after_free_throw' then 3
                        else 1
                    end + 100 * plays.trip_throws
                    + case when plays.trip_side = 2 then 500 else 0 end
        end) over so_far as last_play,
        count(case when plays.is_live then 1 end) over so_far as live_balls,
        -- the next play that is no foul, with what a basket or a foul before it wants to know
        min(case
            when plays.is_live or plays.kind = 'throw'
                then
                    plays.order_number * 10000000::bigint + plays.clock_hundredths * 100
                    + case
                        when plays.kind = 'throw' and plays.throws_of_trip = 1 then plays.side
                        when plays.kind = 'throw' then 20 + plays.side
                        when plays.kind in ('turnover', 'rebound') then 10 + plays.ball_side
                        else 0
                    end
        end) over still_to_come as next_play,
        min(case
            when plays.kind = 'foul'
                then
                    plays.order_number * 10000000::bigint + plays.clock_hundredths * 100
                    + case when plays.throws_awarded > 0 then plays.other_side else 0 end
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
            -- the later play ends the possession: the turnover after an offensive foul, the rebound
            -- after a loose ball foul
            when
                kind in ('foul', 'jumpball')
                and mod(next_play, 10000000) = clock_hundredths * 100 + 10
                + case when kind = 'foul' then other_side else side end
                then null
            when kind = 'foul' and not is_late and other_side > 0
                then order_number * 10::bigint + other_side
            -- and one: the throw that follows, or the foul that brings it
            when
                kind = 'made_shot'
                and (
                    mod(next_play, 100) = side
                    or (
                        mod(next_foul, 10000000) = clock_hundredths * 100 + side
                        and (next_foul < next_play or next_play is null)
                    )
                )
                then order_number * 10::bigint + side
            when
                kind = 'throw'
                and (
                    trip_throws > 0
                    -- a throw that is repeated, a second trip
                    or mod(next_play, 10000000) = clock_hundredths * 100 + side
                    or mod(next_play, 10000000) = clock_hundredths * 100 + 20 + side
                )
                then order_number * 10::bigint + side
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
        ) as owner_found
    from owned
),

-- Who shoots has the ball: where the play that brought it is missing, the possession changed before.
corrected as (
    select
        *,
        case
            when kind in ('made_shot', 'missed_shot', 'throw') and side > 0 then side
            else owner_found
        end as owner_before,
        coalesce(
            lead(kind in ('made_shot', 'missed_shot', 'throw') and side <> owner_found) over (
                partition by game_id, period order by order_number
            ), false
        ) as is_before_unseen_change
    from compared
),

changed as (
    select
        *,
        max(case
            when owner_after <> owner_before or owner_found is null or owner_found <> owner_before
                then order_number * 100000::bigint + clock_hundredths
        end) over (
            partition by game_id, period order by order_number
            rows between unbounded preceding and 1 preceding
        ) as last_change
    from corrected
),

ended as (
    select
        *,
        coalesce(
            owner_after <> owner_before
            or (is_before_unseen_change and owner_before > 0 and last_owned is not null)
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
        -- both sides have throws to come: the last are those of the foul that moved the ball
        case
            when trip_home > 0 then 1
            when trip_away > 0 then 2
            when greatest(technical_throws_home, 0) > greatest(technical_throws_away, 0) then 1
            when greatest(technical_throws_away, 0) > greatest(technical_throws_home, 0) then 2
        end as throw_side
    from ended
)

select
    shooting.game_id,
    shooting.order_number,
    case shooting.ball_side_now when 1 then games.home_team_id when 2 then games.away_team_id end
        as ball_team_id,
    case
        when shooting.ball_side_now is null then 'undecided'
        when shooting.state_now = 2 then 'loose_after_shot'
        when shooting.state_now = 3 then 'loose_after_free_throw'
        else 'held'
    end as ball_state,
    (case shooting.throw_side
        when 1 then shooting.trip_home + greatest(shooting.technical_throws_home, 0)
        when 2 then shooting.trip_away + greatest(shooting.technical_throws_away, 0)
        else 0
    end)::smallint as pending_free_throws,
    case shooting.throw_side when 1 then games.home_team_id when 2 then games.away_team_id end
        as free_throw_team_id,
    case shooting.owner_before when 1 then games.home_team_id when 2 then games.away_team_id end
        as offense_team_id,
    (1 + sum(case when shooting.ends_possession then 1 else 0 end) over (
        partition by shooting.game_id order by shooting.period, shooting.order_number
        rows between unbounded preceding and current row
    ) - case when shooting.ends_possession then 1 else 0 end)::integer as possession_number,
    shooting.ends_possession,
    case
        when shooting.ends_possession
            then
                case shooting.owner_before
                    when 1 then games.home_team_id when 2 then games.away_team_id
                end
    end as ending_team_id,
    case
        when not shooting.ends_possession then null
        when shooting.kind = 'period_end' then 'end_of_period'
        when shooting.owner_after = shooting.owner_before then 'not_recorded'
        when shooting.kind = 'made_shot' then 'made_shot'
        when shooting.kind = 'throw' then 'made_free_throw'
        when shooting.kind = 'rebound' then 'defensive_rebound'
        when shooting.kind = 'turnover' then 'turnover'
        when shooting.kind = 'jumpball' then 'jump_ball'
        when shooting.kind = 'foul' then 'offensive_foul'
        else 'other'
    end as possession_result
from shooting
left join {{ ref('int_games_described') }} as games on shooting.game_id = games.game_id
