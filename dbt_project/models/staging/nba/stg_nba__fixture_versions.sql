-- Grain: one row per game and schedule version that changed its fixture (or listed it first, or no longer lists it).
-- A season's schedule is some megabytes and gets a version whenever anything in it changes: only changes are kept,
-- and a run unpacks the versions that came after the newest change that it knows.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    indexes=[{'columns': ['game_id', 'fetched_at'], 'unique': true}],
    pre_hook="{{ forget_other_definitions() }}"
) }}

with versions as (
    select
        versions.season,
        versions.fetched_at,
        versions.payload
    from {{ source('nba', 'schedule') }} as versions
    {% if is_incremental() %}
        where not exists (
            select 1 from {{ this }} as known
            where known.season = versions.season and known.fetched_at >= versions.fetched_at
        )
    {% endif %}
),

entries as (
    select
        versions.season,
        versions.fetched_at,
        {{ json_text('game_date.value', 'gameDate') }} as listed_under,
        game.value
    from versions
    {{ json_each(json_path('versions.payload', ['leagueSchedule', 'gameDates']), 'game_date') }}
    {{ json_each(json_path('game_date.value', ['games']), 'game') }}
),

fields as (
    select
        season,
        fetched_at,
        {{ json_text('value', 'gameId') }} as game_id,
        -- a game whose time is open has midnight Eastern as its time; year 1 or the text says so
        case
            when
                upper(coalesce({{ json_text('value', 'gameStatusText') }}, '')) <> 'TBD'
                and coalesce({{ json_text('value', 'gameTimeEst') }}, '') not like '0001-%'
                -- not gameTimeUTC: that is with winter time all year
                then {{ schedule_timestamp(json_text('value', 'gameDateTimeUTC')) }}
        end as tipoff_at,
        coalesce(
            {{ schedule_date(json_text('value', 'gameDateEst')) }},
            {{ schedule_date('listed_under') }}
        ) as game_date_eastern,
        coalesce(
            lower({{ json_text('value', 'gameStatusText') }}) like 'ppd%'
            or lower({{ json_text('value', 'gameStatusText') }}) like '%postponed%'
            or lower({{ json_text('value', 'gameStatusText') }}) like '%cancel%',
            false
        ) as says_postponed,
        coalesce({{ json_text('value', 'postponedStatus') }} in ('P', 'Y'), false) as is_flagged,
        coalesce(lower({{ json_text('value', 'ifNecessary') }}) = 'true', false) as is_if_necessary,
        nullif({{ json_text('value', 'arenaName') }}, '') as arena_name,
        nullif({{ json_text('value', 'arenaCity') }}, '') as arena_city,
        nullif({{ json_text('value', 'arenaState') }}, '') as arena_state,
        -- team id 0: the pairing is open
        nullif({{ json_path_text('value', ['homeTeam', 'teamId']) }}, '0') as home_team_id,
        nullif({{ json_path_text('value', ['homeTeam', 'teamTricode']) }}, '') as home_tricode,
        nullif({{ json_path_text('value', ['homeTeam', 'teamCity']) }}, '') as home_city,
        nullif({{ json_path_text('value', ['homeTeam', 'teamName']) }}, '') as home_name,
        nullif({{ json_path_text('value', ['awayTeam', 'teamId']) }}, '0') as away_team_id,
        nullif({{ json_path_text('value', ['awayTeam', 'teamTricode']) }}, '') as away_tricode,
        nullif({{ json_path_text('value', ['awayTeam', 'teamCity']) }}, '') as away_city,
        nullif({{ json_path_text('value', ['awayTeam', 'teamName']) }}, '') as away_name
    from entries
),

fixtures as (
    select
        season,
        fetched_at,
        game_id,
        tipoff_at,
        game_date_eastern,
        -- a flag that most games of a schedule carry does not mean that these are postponed
        says_postponed or (
            is_flagged
            and 2 * sum(case when is_flagged then 1 else 0 end)
                over (partition by season, fetched_at)
            <= count(*) over (partition by season, fetched_at)
        ) as is_postponed,
        is_if_necessary,
        arena_name,
        arena_city,
        arena_state,
        home_team_id,
        case when home_team_id is not null then home_tricode end as home_tricode,
        case when home_team_id is not null then home_city end as home_city,
        case when home_team_id is not null then home_name end as home_name,
        away_team_id,
        case when away_team_id is not null then away_tricode end as away_tricode,
        case when away_team_id is not null then away_city end as away_city,
        case when away_team_id is not null then away_name end as away_name,
        -- listed twice, under the old date and the new: the later date holds
        row_number() over (
            partition by season, fetched_at, game_id
            order by
                says_postponed asc, game_date_eastern desc nulls last, tipoff_at desc nulls last
        ) as place
    from fields
    where game_id is not null
),

hashed as (
    select
        *,
        {{ row_hash([
            'extract(epoch from tipoff_at)::bigint', 'game_date_eastern', 'is_postponed', 'is_if_necessary',
            'arena_name', 'arena_city', 'arena_state',
            'home_team_id', 'home_tricode', 'home_city', 'home_name',
            'away_team_id', 'away_tricode', 'away_city', 'away_name',
        ]) }} as fixture_hash
    from fixtures
    where place = 1
),

known as (
    {% if is_incremental() %}
        select
            season,
            fetched_at,
            game_id,
            is_listed,
            fixture_hash
        from (
            select
                *,
                row_number() over (partition by game_id order by fetched_at desc) as recency
            from {{ this }}
        ) as by_recency
        where recency = 1 and season in (select versions.season from versions)
    {% else %}
        select
            season,
            fetched_at,
            game_id,
            true as is_listed,
            fixture_hash
        from hashed
        where false
    {% endif %}
),

-- every game of a season at every version: a version without it is one that no longer lists it
every_version as (
    select
        games.season,
        games.game_id,
        versions.fetched_at
    from (
        select
            season,
            game_id
        from hashed
        union
        select
            season,
            game_id
        from known
    ) as games
    inner join versions on games.season = versions.season
),

states as (
    select
        every_version.season,
        every_version.game_id,
        every_version.fetched_at,
        hashed.game_id is not null as is_listed,
        hashed.fixture_hash,
        false as is_known
    from every_version
    left join hashed
        on
            every_version.season = hashed.season
            and every_version.game_id = hashed.game_id
            and every_version.fetched_at = hashed.fetched_at
    union all
    select
        season,
        game_id,
        fetched_at,
        is_listed,
        fixture_hash,
        true as is_known
    from known
),

compared as (
    select
        *,
        coalesce(lag(is_listed) over by_time, false) as was_listed,
        coalesce(lag(fixture_hash) over by_time, '') as hash_before
    from states
    window by_time as (partition by game_id order by fetched_at)
)

select
    compared.game_id,
    compared.season,
    compared.fetched_at,
    compared.is_listed,
    substr(compared.game_id, 3, 1)::integer as season_type_digit,
    hashed.tipoff_at,
    hashed.game_date_eastern,
    hashed.is_postponed,
    hashed.is_if_necessary,
    hashed.arena_name,
    hashed.arena_city,
    hashed.arena_state,
    hashed.home_team_id,
    hashed.home_tricode,
    hashed.home_city,
    hashed.home_name,
    hashed.away_team_id,
    hashed.away_tricode,
    hashed.away_city,
    hashed.away_name,
    compared.fixture_hash,
    '{{ transformation_fingerprint() }}' as made_by
from compared
left join hashed
    on compared.game_id = hashed.game_id and compared.fetched_at = hashed.fetched_at
where
    not compared.is_known
    and (
        compared.is_listed <> compared.was_listed
        or coalesce(compared.fixture_hash, '') <> compared.hash_before
    )
