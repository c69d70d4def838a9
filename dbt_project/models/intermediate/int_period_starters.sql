-- Grain: one row per player on the floor at the start of a period, for every period whose five are not told by the
-- substitutions before it: the first of a game, and all of a game of the stats service, which records no
-- substitution between periods. The box score names the first five; all others are inferred (docs/methods/lineups.md).
{{ incremental_by_game(['game_id', 'period', 'player_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

box_score_starters as (
    select
        players.game_id,
        1::smallint as period,
        players.team_id,
        players.player_id,
        'box score' as evidence
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join changed_games on players.game_id = changed_games.game_id
    where players.is_starter
),

games as (
    select
        versions.game_id,
        case when versions.boxscore_resource is null then 1 else 2 end as first_period,
        case when versions.playbyplay_resource = 'playbyplay' then 1 else 99 end as last_period
    from {{ ref('stg_nba__game_versions') }} as versions
    inner join changed_games on versions.game_id = changed_games.game_id
    where versions.playbyplay_resource <> 'playbyplay' or versions.boxscore_resource is null
),

actions as (
    select
        actions.*,
        games.first_period,
        games.last_period
    from {{ ref('stg_nba__actions') }} as actions
    inner join games on actions.game_id = games.game_id
),

-- every sign that a player is in the game: from the bench come technical fouls, ejections and delays only
signs as (
    select
        game_id,
        period,
        order_number,
        team_id,
        player_id,
        case
            when action_type = 'substitution' and action_subtype = 'in' then 'in'
            when action_type = 'substitution' then 'out'
            else 'acts'
        end as sign
    from actions
    where
        player_id is not null
        and team_id is not null
        and (
            action_type in (
                'substitution', '2pt', '3pt', 'heave', 'rebound', 'turnover', 'steal', 'block'
            )
            -- the throw for a technical foul between two periods is shot before the five come in
            or (
                action_type = 'freethrow'
                and not (
                    coalesce(descriptor, '') = 'technical'
                    and seconds_remaining = case when period <= 4 then 720 else 300 end
                )
            )
            or (action_type = 'foul' and coalesce(action_subtype, '') <> 'technical')
            or (
                action_type in ('violation', 'jumpball')
                and coalesce(action_subtype, '') <> 'delay-of-game'
            )
        )
    union all
    select
        game_id,
        period,
        order_number,
        team_id,
        assist_player_id as player_id,
        'acts' as sign
    from actions
    where assist_player_id is not null and team_id is not null
),

team_members as (
    select
        game_id,
        player_id,
        min(team_id) as team_id
    from signs
    group by game_id, player_id
),

-- whoever is fouled is of the other team, which the row does not name: his other rows do
fouled as (
    select
        actions.game_id,
        actions.period,
        actions.order_number,
        players.team_id,
        actions.foul_drawn_player_id as player_id,
        'acts' as sign
    from actions
    inner join team_members as players
        on
            actions.game_id = players.game_id
            and actions.foul_drawn_player_id = players.player_id
    where actions.action_type = 'foul' and coalesce(actions.action_subtype, '') <> 'technical'
),

all_signs as (
    select * from signs
    union all
    select * from fouled
),

by_period as (
    select
        game_id,
        period,
        team_id,
        player_id,
        min(order_number) as first_sign,
        min(case when sign = 'in' then order_number end) as first_in,
        min(case when sign = 'out' then order_number end) as first_out,
        max(case when sign = 'in' then order_number end) as last_in,
        max(case when sign = 'out' then order_number end) as last_out,
        count(*) as sign_count
    from all_signs
    group by game_id, period, team_id, player_id
),

judged as (
    select
        *,
        case
            when first_out is not null and (first_in is null or first_out < first_in)
                then 'goes out'
            when first_in is null then 'acts'
        end as evidence,
        coalesce(last_in, 0) >= coalesce(last_out, 0) as ends_period
    from by_period
),

teams as (
    select
        game_id,
        period,
        team_id
    from judged
    group by game_id, period, team_id
),

roster as (
    select
        game_id,
        team_id,
        player_id,
        sum(sign_count) as sign_count
    from judged
    group by game_id, team_id, player_id
),

-- a player without any sign in a period was there all of it or not at all: those who ended the one before, or
-- began the one after, come first
candidates as (
    select
        teams.game_id,
        teams.period,
        teams.team_id,
        roster.player_id,
        case
            when this_period.evidence is not null then this_period.evidence
            when previous_period.ends_period and next_period.evidence is not null
                then 'both neighbours'
            when previous_period.ends_period then 'period before'
            when next_period.evidence is not null then 'period after'
        end as evidence,
        roster.sign_count
    from teams
    inner join roster on teams.game_id = roster.game_id and teams.team_id = roster.team_id
    left join judged as this_period
        on
            teams.game_id = this_period.game_id
            and teams.period = this_period.period
            and teams.team_id = this_period.team_id
            and roster.player_id = this_period.player_id
    left join judged as previous_period
        on
            teams.game_id = previous_period.game_id
            and teams.period = previous_period.period + 1
            and teams.team_id = previous_period.team_id
            and roster.player_id = previous_period.player_id
    left join judged as next_period
        on
            teams.game_id = next_period.game_id
            and teams.period = next_period.period - 1
            and teams.team_id = next_period.team_id
            and roster.player_id = next_period.player_id
    -- whoever comes in first was not there
    where this_period.player_id is null or this_period.evidence is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by game_id, period, team_id
            order by
                case evidence
                    when 'goes out' then 1
                    when 'acts' then 2
                    when 'both neighbours' then 3
                    when 'period before' then 4
                    when 'period after' then 5
                end asc,
                sign_count desc,
                player_id asc
        ) as place
    from candidates
    where evidence is not null
)

select * from box_score_starters
union all
select
    ranked.game_id,
    ranked.period,
    ranked.team_id,
    ranked.player_id,
    ranked.evidence
from ranked
inner join games on ranked.game_id = games.game_id
where
    ranked.place <= 5
    and ranked.period between games.first_period and games.last_period
