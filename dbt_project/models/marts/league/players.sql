-- Grain: one row per player who was ever on a box score, or who acts in a game without one.
{{ refilled_table() }}

with games as (
    select
        game_id,
        -- games of the older sources may have no time: they come before those of their season that have
        row_number() over (order by season, coalesce(tipoff_at, timestamptz '1900-01-01'), game_id)
            as place_in_time
    from {{ ref('int_games_described') }}
),

appearances as (
    select
        players.player_id,
        players.team_id,
        players.full_name,
        players.position,
        games.place_in_time
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join games on players.game_id = games.game_id
    union all
    select
        players.player_id,
        players.team_id,
        case when players.is_full_name then players.player_name end as full_name,
        null as position,
        games.place_in_time
    from {{ ref('stg_nba__playbyplay_players') }} as players
    inner join games on players.game_id = games.game_id
),

-- maxima and a join: ranking sorts every appearance of every season for the last one of each player
last_games as (
    select
        player_id,
        max(place_in_time) as last_place,
        max(case when full_name is not null then place_in_time end) as last_named_place,
        -- only starters have a position in the feed
        max(case when position is not null then place_in_time end) as last_position_place
    from appearances
    group by player_id
),

-- the play-by-play of the newer services has initials only
initials as (
    select
        player_id,
        max(player_name) as player_name
    from {{ ref('stg_nba__playbyplay_players') }}
    group by player_id
)

select
    appearances.player_id,
    -- nobody plays two games at once; max() would decide
    coalesce(
        max(case
            when appearances.place_in_time = last_games.last_named_place then appearances.full_name
        end),
        max(initials.player_name)
    ) as full_name,
    max(case when appearances.place_in_time = last_games.last_place then appearances.team_id end)
        as team_id,
    max(case
        when appearances.place_in_time = last_games.last_position_place then appearances.position
    end) as position
from appearances
inner join last_games
    on
        appearances.player_id = last_games.player_id
        and appearances.place_in_time in (
            last_games.last_place, last_games.last_named_place, last_games.last_position_place
        )
left join initials on appearances.player_id = initials.player_id
group by appearances.player_id
