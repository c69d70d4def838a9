-- Grain: one row per game that has both payloads.
-- The version of a game together with what earlier games say about its shots: an earlier game that comes late
-- or is corrected changes the expected points of later ones, and this version with them.
{{ config(indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with versions as (
    select * from {{ ref('stg_nba__game_versions') }}
),

games as (
    select * from {{ ref('int_games_described') }}
),

shot_rates as (
    select
        utc_date,
        md5(string_agg(
            shot_value::text || ':' || distance_feet::text || ':' || make_rate::text, ','
            order by shot_value, distance_feet
        )) as rates_hash
    from {{ ref('int_shot_make_rates') }}
    -- a distance that nobody has shot from yet has its prior, whatever later games do
    where attempts_before > 0
    group by utc_date
),

free_throw_rates as (
    select
        game_id,
        md5(string_agg(player_id || ':' || make_rate::text, ',' order by player_id)) as rates_hash
    from {{ ref('int_free_throw_rates') }}
    group by game_id
)

select
    versions.game_id,
    md5(
        versions.game_version
        || coalesce(shot_rates.rates_hash, '')
        || coalesce(free_throw_rates.rates_hash, '')
    ) as game_version
from versions
inner join games on versions.game_id = games.game_id
left join shot_rates on games.utc_date = shot_rates.utc_date
left join free_throw_rates on versions.game_id = free_throw_rates.game_id
