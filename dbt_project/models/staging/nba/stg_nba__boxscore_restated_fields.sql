-- Grain: one row per game, later version of its box score, record (game, team, player) and field that is not what it was.
-- Only versions that follow a final one. A player who came or went is one row, field "row".
{{ incremental_by_game(
    ['game_id', 'version_number', 'record_id', 'field'], versions='stg_nba__revised_games'
) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__revised_games')) }}
),

versions as (
    select versions.*
    from {{ ref('stg_nba__boxscore_history') }} as versions
    inner join changed_games on versions.game_id = changed_games.game_id
    where versions.version_count > 1
),

steps as (
    select
        current_version.game_id,
        current_version.version_number,
        previous_version.fetched_at as previous_seen_at,
        current_version.fetched_at as seen_at,
        {{ json_path('previous_version.payload', ['game']) }} as old_game,
        {{ json_path('current_version.payload', ['game']) }} as new_game
    from versions as current_version
    inner join versions as previous_version
        on
            current_version.game_id = previous_version.game_id
            and current_version.version_number = previous_version.version_number + 1
    where {{ json_path_text('previous_version.payload', ['game', 'gameStatus']) }} = '3'
),

games as (
    select
        game_id,
        version_number,
        'old' as side,
        old_game as game
    from steps
    union all
    select
        game_id,
        version_number,
        'new' as side,
        new_game as game
    from steps
),

teams as (
    select
        game_id,
        version_number,
        side,
        {{ json_path('game', ['homeTeam']) }} as team
    from games
    union all
    select
        game_id,
        version_number,
        side,
        {{ json_path('game', ['awayTeam']) }} as team
    from games
),

players as (
    select
        teams.game_id,
        teams.version_number,
        teams.side,
        {{ json_text('teams.team', 'teamId') }} as team_id,
        player.value as player
    from teams
    {{ json_each(json_path('teams.team', ['players']), 'player') }}
),

fields as (
    select
        games.game_id,
        games.version_number,
        games.side,
        'game' as record_type,
        games.game_id as record_id,
        field.name as field,
        field.text_value
    from games
    {{ json_each_text('games.game', 'field') }}
    where field.name not in ('homeTeam', 'awayTeam', 'arena', 'officials')
    union all
    select
        games.game_id,
        games.version_number,
        games.side,
        'game' as record_type,
        games.game_id as record_id,
        'arena.' || field.name as field,
        field.text_value
    from games
    {{ json_each_text(json_path('games.game', ['arena']), 'field') }}
    union all
    select
        games.game_id,
        games.version_number,
        games.side,
        'game' as record_type,
        games.game_id as record_id,
        'officials.' || {{ json_text('official.value', 'personId') }} as field,
        {{ json_text('official.value', 'name') }} as text_value
    from games
    {{ json_each(json_path('games.game', ['officials']), 'official') }}
    union all
    select
        teams.game_id,
        teams.version_number,
        teams.side,
        'team' as record_type,
        {{ json_text('teams.team', 'teamId') }} as record_id,
        field.name as field,
        field.text_value
    from teams
    {{ json_each_text('teams.team', 'field') }}
    where field.name not in ('players', 'periods', 'statistics')
    union all
    select
        teams.game_id,
        teams.version_number,
        teams.side,
        'team' as record_type,
        {{ json_text('teams.team', 'teamId') }} as record_id,
        'statistics.' || field.name as field,
        field.text_value
    from teams
    {{ json_each_text(json_path('teams.team', ['statistics']), 'field') }}
    union all
    select
        teams.game_id,
        teams.version_number,
        teams.side,
        'team' as record_type,
        {{ json_text('teams.team', 'teamId') }} as record_id,
        'periods.' || {{ json_text('period.value', 'period') }} as field,
        {{ json_text('period.value', 'score') }} as text_value
    from teams
    {{ json_each(json_path('teams.team', ['periods']), 'period') }}
    union all
    select
        players.game_id,
        players.version_number,
        players.side,
        'player' as record_type,
        {{ json_text('players.player', 'personId') }} as record_id,
        field.name as field,
        field.text_value
    from players
    {{ json_each_text('players.player', 'field') }}
    where field.name not in ('statistics')
    union all
    select
        players.game_id,
        players.version_number,
        players.side,
        'player' as record_type,
        {{ json_text('players.player', 'personId') }} as record_id,
        'statistics.' || field.name as field,
        field.text_value
    from players
    {{ json_each_text(json_path('players.player', ['statistics']), 'field') }}
    union all
    select
        game_id,
        version_number,
        side,
        'player' as record_type,
        {{ json_text('player', 'personId') }} as record_id,
        'teamId' as field,
        team_id as text_value
    from players
    union all
    select
        game_id,
        version_number,
        side,
        'player' as record_type,
        {{ json_text('player', 'personId') }} as record_id,
        'row' as field,
        {{ json_text('player', 'name') }} as text_value
    from players
),

fields_left_out as (
    select field from {{ ref('restatement_fields_left_out') }}
    where resource = 'boxscore'
),

compared as (
    select
        game_id,
        version_number,
        record_type,
        record_id,
        field,
        max(case when side = 'old' then {{ json_normal_text('text_value') }} end) as old_value,
        max(case when side = 'new' then {{ json_normal_text('text_value') }} end) as new_value
    from fields
    where field not in (select fields_left_out.field from fields_left_out)
    group by game_id, version_number, record_type, record_id, field
),

-- a player who is on one side only is told by his row, not by every field of his
known as (
    select
        *,
        max(case when field = 'row' then old_value end) over one_record as old_row,
        max(case when field = 'row' then new_value end) over one_record as new_row
    from compared
    window one_record as (partition by game_id, version_number, record_type, record_id)
)

select
    known.game_id,
    known.version_number::integer as version_number,
    known.record_type,
    known.record_id,
    known.field,
    known.old_value,
    known.new_value,
    steps.previous_seen_at,
    steps.seen_at
from known
inner join steps
    on known.game_id = steps.game_id and known.version_number = steps.version_number
where
    known.old_value is distinct from known.new_value
    and (
        known.record_type <> 'player'
        or (known.field = 'row') = (known.old_row is null or known.new_row is null)
    )
