-- Grain: one row per player who was ever on a box score.
with appearances as (
    select
        players.*,
        games.tipoff_at
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join {{ ref('int_games_described') }} as games on players.game_id = games.game_id
),

-- two maxima and a join: ranking sorts every appearance of every season for the last one of each player
last_games as (
    select
        player_id,
        max(tipoff_at) as last_tipoff_at,
        -- only starters have a position in the feed
        max(case when position is not null then tipoff_at end) as last_position_at
    from appearances
    group by player_id
)

select
    appearances.player_id,
    -- nobody plays two games at once; max() would decide
    max(case when appearances.tipoff_at = last_games.last_tipoff_at then appearances.full_name end)
        as full_name,
    max(case when appearances.tipoff_at = last_games.last_tipoff_at then appearances.team_id end)
        as team_id,
    max(case
        when appearances.tipoff_at = last_games.last_position_at then appearances.position
    end) as position
from appearances
inner join last_games
    on
        appearances.player_id = last_games.player_id
        and appearances.tipoff_at in (last_games.last_tipoff_at, last_games.last_position_at)
group by appearances.player_id
