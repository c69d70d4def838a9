-- Grain: one row per game with a box score and player who played or is credited in the play-by-play.
-- The rules of counting are the league's own (docs/methods/data_quality.md).
{%- set columns_of_box_score = {
    'points': 'points', 'fgm': 'field_goals_made', 'fga': 'field_goals_attempted',
    'fg3m': 'three_pointers_made', 'fg3a': 'three_pointers_attempted',
    'ftm': 'free_throws_made', 'fta': 'free_throws_attempted',
    'oreb': 'offensive_rebounds', 'dreb': 'defensive_rebounds', 'reb': 'rebounds',
    'ast': 'assists', 'tov': 'turnovers', 'stl': 'steals', 'blk': 'blocks', 'pf': 'personal_fouls',
} %}
{{ incremental_by_game() }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

boxscores as (
    select
        players.*,
        players.offensive_rebounds + players.defensive_rebounds as rebounds
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join changed_games on players.game_id = changed_games.game_id
),

games_with_boxscore as (
    select distinct game_id from boxscores
),

actions as (
    select
        actions.game_id,
        actions.team_id,
        actions.player_id,
        actions.assist_player_id,
        actions.action_type,
        actions.action_subtype,
        coalesce(actions.shot_result = 'Made', false) as is_made
    from {{ ref('stg_nba__actions') }} as actions
    inner join games_with_boxscore on actions.game_id = games_with_boxscore.game_id
    -- whatever counts for a player; a heave counts for the team only
    where
        actions.player_id is not null
        and actions.action_type in (
            '2pt', '3pt', 'freethrow', 'rebound', 'turnover', 'steal', 'block', 'foul'
        )
),

actors as (
    select
        game_id,
        player_id,
        max(team_id) as team_id,
        sum(case when is_made and action_type in ('2pt', '3pt') then 1 else 0 end) as fgm,
        sum(case when action_type in ('2pt', '3pt') then 1 else 0 end) as fga,
        sum(case when is_made and action_type = '3pt' then 1 else 0 end) as fg3m,
        sum(case when action_type = '3pt' then 1 else 0 end) as fg3a,
        sum(case when is_made and action_type = 'freethrow' then 1 else 0 end) as ftm,
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
            when action_type = 'foul' and coalesce(action_subtype, '') <> 'technical' then 1 else 0
        end) as pf
    from actions
    group by game_id, player_id
),

passers as (
    select
        game_id,
        assist_player_id as player_id,
        max(team_id) as team_id,
        count(*) as ast
    from actions
    where assist_player_id is not null and is_made
    group by game_id, assist_player_id
),

credited as (
    select
        coalesce(actors.game_id, passers.game_id) as game_id,
        coalesce(actors.player_id, passers.player_id) as player_id,
        coalesce(actors.team_id, passers.team_id) as team_id,
        2 * actors.fgm + actors.fg3m + actors.ftm as points,
        actors.fgm,
        actors.fga,
        actors.fg3m,
        actors.fg3a,
        actors.ftm,
        actors.fta,
        actors.oreb,
        actors.dreb,
        actors.oreb + actors.dreb as reb,
        passers.ast,
        actors.tov,
        actors.stl,
        actors.blk,
        actors.pf
    from actors
    full outer join passers
        on actors.game_id = passers.game_id and actors.player_id = passers.player_id
),

compared as (
    select
        coalesce(boxscores.game_id, credited.game_id) as game_id,
        coalesce(boxscores.player_id, credited.player_id) as player_id,
        coalesce(boxscores.team_id, credited.team_id) as team_id,
        coalesce(boxscores.has_played, false) as has_played,
        {%- for statistic, column in columns_of_box_score.items() %}
            coalesce(credited.{{ statistic }}, 0)::integer as {{ statistic }}_playbyplay,
            coalesce(boxscores.{{ column }}, 0)::integer as {{ statistic }}_boxscore
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from boxscores
    full outer join credited
        on boxscores.game_id = credited.game_id and boxscores.player_id = credited.player_id
)

select
    game_id,
    player_id,
    team_id,
    {%- for statistic in columns_of_box_score %}
        {{ statistic }}_playbyplay,
        {{ statistic }}_boxscore,
        {{ statistic }}_playbyplay - {{ statistic }}_boxscore as {{ statistic }}_difference,
    {%- endfor %}
    (
        {%- for statistic in columns_of_box_score %}
            {% if not loop.first %}+ {% endif -%}
            case when {{ statistic }}_playbyplay <> {{ statistic }}_boxscore then 1 else 0 end
        {%- endfor %}
    )::integer as differences_total
from compared
where
    has_played
    -- a coach's technical foul credits nobody
    {%- for statistic in columns_of_box_score %}
        or {{ statistic }}_playbyplay <> 0
        or {{ statistic }}_boxscore <> 0
    {%- endfor %}
