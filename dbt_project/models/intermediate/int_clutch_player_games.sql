-- Grain: one row per player and game in which he was on the floor in clutch time.
-- His line of the box score in clutch time, by the league's own rule (docs/methods/clutch_time.md).
{{ incremental_by_game(['game_id', 'player_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

clutch_actions as (
    select
        actions.*,
        games.home_team_id
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    inner join {{ ref('int_games_described') }} as games on actions.game_id = games.game_id
    where actions.is_clutch
),

on_floor as (
    select
        actions.game_id,
        stints.team_id,
        stints.player_id,
        -- time goes to whoever was there while it ran; the rest to the five of floor_order_number,
        -- which differ only for free throws
        sum(case
            when actions.order_number <= stints.order_number_out then actions.elapsed_hundredths
            else 0
        end) as clutch_hundredths,
        count(case
            when actions.floor_order_number > stints.order_number_in then 1
        end) as clutch_action_count,
        sum(case
            when actions.floor_order_number <= stints.order_number_in then 0
            when stints.team_id = actions.home_team_id
                then actions.points_home - actions.points_away
            else actions.points_away - actions.points_home
        end) as plus_minus
    from clutch_actions as actions
    inner join {{ ref('int_player_stints') }} as stints
        on
            actions.game_id = stints.game_id
            and actions.order_number > stints.order_number_in
            and actions.floor_order_number <= stints.order_number_out
    group by actions.game_id, stints.team_id, stints.player_id
),

actors as (
    select
        game_id,
        player_id,
        -- by type, not by the feed's flag: a heave is the team's attempt and not the shooter's
        sum(case when action_type in ('2pt', '3pt') and is_made then 1 else 0 end) as fgm,
        sum(case when action_type in ('2pt', '3pt') then 1 else 0 end) as fga,
        sum(case when action_type = '3pt' and is_made then 1 else 0 end) as fg3m,
        sum(case when action_type = '3pt' then 1 else 0 end) as fg3a,
        sum(case when action_type = 'freethrow' and is_made then 1 else 0 end) as ftm,
        sum(case when action_type = 'freethrow' then 1 else 0 end) as fta,
        sum(case when action_type = 'rebound' and action_subtype = 'offensive' then 1 else 0 end)
            as oreb,
        sum(case when action_type = 'rebound' and action_subtype = 'defensive' then 1 else 0 end)
            as dreb,
        sum(case when action_type = 'turnover' then 1 else 0 end) as tov,
        sum(case when action_type = 'steal' then 1 else 0 end) as stl,
        sum(case when action_type = 'block' then 1 else 0 end) as blk,
        -- technical fouls are not personal fouls
        sum(case
            when action_type = 'foul' and action_subtype <> 'technical' then 1 else 0
        end) as pf
    from clutch_actions
    where player_id is not null
    group by game_id, player_id
),

passers as (
    select
        game_id,
        assist_player_id as player_id,
        count(*) as ast
    from clutch_actions
    where assist_player_id is not null and is_made
    group by game_id, assist_player_id
)

select
    on_floor.game_id,
    on_floor.player_id,
    on_floor.team_id,
    on_floor.clutch_action_count > 0 as has_played,
    (on_floor.clutch_hundredths / 100::numeric)::numeric(8, 2) as clutch_seconds,
    coalesce(2 * actors.fgm + actors.fg3m + actors.ftm, 0)::integer as pts,
    coalesce(actors.fgm, 0)::integer as fgm,
    coalesce(actors.fga, 0)::integer as fga,
    coalesce(actors.fg3m, 0)::integer as fg3m,
    coalesce(actors.fg3a, 0)::integer as fg3a,
    coalesce(actors.ftm, 0)::integer as ftm,
    coalesce(actors.fta, 0)::integer as fta,
    coalesce(actors.oreb, 0)::integer as oreb,
    coalesce(actors.dreb, 0)::integer as dreb,
    coalesce(passers.ast, 0)::integer as ast,
    coalesce(actors.tov, 0)::integer as tov,
    coalesce(actors.stl, 0)::integer as stl,
    coalesce(actors.blk, 0)::integer as blk,
    coalesce(actors.pf, 0)::integer as pf,
    on_floor.plus_minus::integer as plus_minus
from on_floor
left join actors
    on on_floor.game_id = actors.game_id and on_floor.player_id = actors.player_id
left join passers
    on on_floor.game_id = passers.game_id and on_floor.player_id = passers.player_id
-- the five at a foul and the five at its free throws differ: who was in neither is not here
where on_floor.clutch_action_count > 0 or on_floor.clutch_hundredths <> 0
