-- Grain: one row per game that has both payloads: season, time, place, sides, score, and whether it is over.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select
        games.*,
        -- league ids carry two digits of the season's first year; the league began in 1946
        case when games.season_digits >= 46 then 1900 else 2000 end + games.season_digits
            as season_first_year
    from {{ ref('stg_nba__games') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

season_types as (
    select * from {{ ref('season_types') }}
),

endings as (
    select
        actions.game_id,
        max(actions.score_home) as home_score,
        max(actions.score_away) as away_score,
        max(actions.period) as periods,
        max(case
            when actions.action_type = 'game' and actions.action_subtype = 'end' then 1 else 0
        end) = 1 as has_closing_action
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    group by actions.game_id
)

select
    games.game_id,
    games.season_first_year::text
    || '-' || lpad(mod(games.season_first_year + 1, 100)::text, 2, '0') as season,
    coalesce(season_types.season_type, 'Unknown') as season_type,
    coalesce(season_types.is_playoff, false) as playoff_game,
    games.tipoff_at,
    games.arena_timezone,
    {{ local_date('games.tipoff_at', 'games.arena_timezone') }} as game_date,
    {{ local_date('games.tipoff_at', "'UTC'") }} as utc_date,
    games.arena_name,
    games.arena_city,
    games.home_team_id,
    games.away_team_id,
    -- a box score saved before the end has a score of its own time; the last action is never older
    coalesce(endings.home_score, games.home_score) as home_score,
    coalesce(endings.away_score, games.away_score) as away_score,
    endings.periods,
    -- some games lack the closing action, and one box score was saved before the end: either says it
    games.game_status = 3 or coalesce(endings.has_closing_action, false) as is_final
from games
left join endings on games.game_id = endings.game_id
left join season_types on games.season_type_digit = season_types.type_digit
