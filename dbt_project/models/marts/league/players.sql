-- Grain: one row per player who was ever on a box score.
with appearances as (
    select
        players.*,
        games.tipoff_at
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join {{ ref('int_games_described') }} as games on players.game_id = games.game_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by player_id order by tipoff_at desc, game_id desc
        ) as recency,
        -- only starters have a position in the feed
        row_number() over (
            partition by player_id
            order by case when position is null then 1 else 0 end, tipoff_at desc, game_id desc
        ) as position_recency
    from appearances
)

select
    player_id,
    max(case when recency = 1 then full_name end) as full_name,
    max(case when recency = 1 then team_id end) as team_id,
    max(case when position_recency = 1 then position end) as position
from ranked
group by player_id
