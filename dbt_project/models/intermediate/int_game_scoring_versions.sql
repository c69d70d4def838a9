-- Grain: one row per game with a play-by-play.
-- The version of a game together with the shots of all games it may know: an earlier game that comes late or is
-- corrected changes the expected points of later ones, and this version with them.
{{ config(indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with versions as (
    select * from {{ ref('stg_nba__game_versions') }}
),

shot_hashes as (
    select * from {{ ref('int_game_shot_hashes') }}
),

dates as (
    select
        utc_date,
        -- null on a date of games in progress alone: nobody learns from them
        {{ joined_text("case when is_counted then game_id || ':' || shots_hash end", 'game_id') }}
            as shots_text
    from shot_hashes
    where utc_date is not null
    group by utc_date
),

knowing as (
    select
        utc_date,
        {{ joined_text_over('md5(shots_text)', 'known_games') }} as known_text
    from dates
    window known_games as (
        order by utc_date
        range between unbounded preceding
        and interval '{{ var("expected_points_lag_days") }} days' preceding
    )
)

select
    versions.game_id,
    md5(versions.game_version || coalesce(md5(knowing.known_text), '')) as game_version
from versions
left join shot_hashes on versions.game_id = shot_hashes.game_id
left join knowing on shot_hashes.utc_date = knowing.utc_date
