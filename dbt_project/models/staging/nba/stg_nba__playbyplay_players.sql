-- Grain: one row per player who acts in a game without a box score, with the names that its play-by-play gives.
{{ incremental_by_game(['game_id', 'player_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select
        versions.game_id,
        versions.playbyplay_resource
    from {{ ref('stg_nba__game_versions') }} as versions
    inner join changed_games on versions.game_id = changed_games.game_id
    where versions.boxscore_resource is null
),

payloads as (
    select
        playbyplay.game_id,
        playbyplay.payload
    from {{ ref('stg_nba__playbyplay_versions') }} as playbyplay
    inner join games on playbyplay.game_id = games.game_id
    where games.playbyplay_resource = 'playbyplay'
    union all
    select
        playbyplay.game_id,
        playbyplay.payload
    from {{ ref('stg_nba__playbyplayv3_versions') }} as playbyplay
    inner join games on playbyplay.game_id = games.game_id
    where games.playbyplay_resource = 'playbyplayv3'
),

actions as (
    select
        payloads.game_id,
        action.value
    from payloads
    {{ json_each(json_path('payloads.payload', ['game', 'actions']), 'action') }}
),

tables as (
    select
        playbyplay.game_id,
        {{ json_path('playbyplay.payload', ['resultSets', '0']) }} as result_set
    from {{ ref('stg_nba__playbyplayv2_versions') }} as playbyplay
    inner join games on playbyplay.game_id = games.game_id
    where games.playbyplay_resource = 'playbyplayv2'
),

headers as (
    select
        tables.game_id,
        {{ json_scalar_text('header.value') }} as column_name,
        header.place
    from tables
    {{ json_each_numbered(json_path('tables.result_set', ['headers']), 'header') }}
),

events as (
    select
        tables.game_id,
        event.value
    from tables
    {{ json_each(json_path('tables.result_set', ['rowSet']), 'event') }}
),

{% for person in ['1', '2', '3'] %}
    places_{{ person }} as (
        select
            game_id,
            max(case when column_name = 'PERSON{{ person }}TYPE' then place end) as kind,
            max(case when column_name = 'PLAYER{{ person }}_ID' then place end) as player_id,
            max(case when column_name = 'PLAYER{{ person }}_NAME' then place end) as player_name,
            max(case when column_name = 'PLAYER{{ person }}_TEAM_ID' then place end) as team_id,
            max(case when column_name = 'PLAYER{{ person }}_TEAM_CITY' then place end) as team_city,
            max(case when column_name = 'PLAYER{{ person }}_TEAM_NICKNAME' then place end)
                as team_name,
            max(case when column_name = 'PLAYER{{ person }}_TEAM_ABBREVIATION' then place end)
                as tricode
        from headers
        group by game_id
    ),
{% endfor %}

named as (
    select
        game_id,
        {{ json_text('value', 'personId') }} as player_id,
        {{ json_text('value', 'playerNameI') }} as player_name,
        {{ json_text('value', 'teamId') }} as team_id,
        {{ json_text('value', 'teamTricode') }} as tricode,
        null as team_city,
        null as team_name,
        false as is_full_name
    from actions
    {% for person in ['1', '2', '3'] %}
        union all
        select
            events.game_id,
            {{ json_element_text('events.value', 'places.player_id') }} as player_id,
            {{ json_element_text('events.value', 'places.player_name') }} as player_name,
            {{ json_element_text('events.value', 'places.team_id') }} as team_id,
            {{ json_element_text('events.value', 'places.tricode') }} as tricode,
            {{ json_element_text('events.value', 'places.team_city') }} as team_city,
            {{ json_element_text('events.value', 'places.team_name') }} as team_name,
            true as is_full_name
        from events
        inner join places_{{ person }} as places on events.game_id = places.game_id
        -- 4 and 5 are players, all else is teams, coaches and officials
        where {{ json_element_text('events.value', 'places.kind') }} in ('4', '5')
    {% endfor %}
)

select
    game_id,
    player_id,
    min(player_name) as player_name,
    min(team_id) as team_id,
    min(tricode) as tricode,
    min(team_city) as team_city,
    min(team_name) as team_name,
    min(case when is_full_name then 1 else 0 end) = 1 as is_full_name
from named
where player_id <> '0' and team_id <> '0' and player_name <> ''
group by game_id, player_id
