-- Grain: one row per player and game that comes up for his team within two days.
-- What is known of the night that counts, as far as its reader may see it, and what the run of the model in force says of the game.
{{ config(materialized='view') }}
{{ with_readers_rights() }}

with nights as (
    select * from {{ ref('pregame_baselines') }}
    where is_upcoming
),

predictions as (
    select * from {{ ref('clutch_predictions') }}
    where is_current and is_upcoming
),

contexts as (
    select * from {{ ref('player_game_contexts') }}
    where is_upcoming
),

schedule as (
    select * from {{ ref('game_schedule') }}
),

listed as (
    select
        player_id,
        game_id
    from contexts
    union
    -- whose night is known and who has not shot for his team of late
    select
        player_id,
        game_id
    from nights
    union
    select
        predictions.player_id,
        predictions.game_id
    from predictions
    left join schedule on predictions.game_id = schedule.game_id
    -- the run says what came up when it was fitted: played or put off since, it does no more
    where coalesce(schedule.state, 'scheduled') = 'scheduled'
),

sided as (
    select
        listed.player_id,
        listed.game_id,
        players.full_name,
        coalesce(contexts.season, nights.season, schedule.season) as season,
        coalesce(schedule.tipoff_at, contexts.tipoff_at, nights.tipoff_at) as tipoff_at,
        coalesce(contexts.team_id, players.team_id) as team_id,
        schedule.home_team_id,
        schedule.away_team_id,
        schedule.home_tricode,
        schedule.away_tricode,
        case
            when coalesce(contexts.team_id, players.team_id) = schedule.home_team_id then true
            when coalesce(contexts.team_id, players.team_id) = schedule.away_team_id then false
        end as is_home
    from listed
    left join contexts
        on listed.player_id = contexts.player_id and listed.game_id = contexts.game_id
    left join nights
        on listed.player_id = nights.player_id and listed.game_id = nights.game_id
    left join schedule on listed.game_id = schedule.game_id
    left join {{ ref('players') }} as players on listed.player_id = players.player_id
)

select
    sided.player_id,
    sided.game_id,
    sided.full_name,
    sided.season,
    sided.tipoff_at,
    sided.team_id,
    coalesce(
        case
            when sided.is_home then sided.home_tricode
            when not sided.is_home then sided.away_tricode
        end,
        teams.tricode
    ) as team_tricode,
    case
        when sided.is_home then sided.away_team_id
        when not sided.is_home then sided.home_team_id
    end as opponent_team_id,
    case
        when sided.is_home then sided.away_tricode
        when not sided.is_home then sided.home_tricode
    end as opponent_tricode,
    sided.is_home,
    nights.woke_at,
    nights.hrv_rmssd_pregame,
    nights.hrv_baseline_deviation,
    {{ hrv_normal_range('nights') }} as hrv_normal_range,
    exp(
        nights.ln_hrv_baseline_mean
        - {{ var('normal_range_half_width_sd') }}::float8 * nights.ln_hrv_baseline_sd
    ) as hrv_normal_lower,
    exp(
        nights.ln_hrv_baseline_mean
        + {{ var('normal_range_half_width_sd') }}::float8 * nights.ln_hrv_baseline_sd
    ) as hrv_normal_upper,
    nights.recovery_score_pregame,
    nights.resting_heart_rate_pregame,
    nights.resting_heart_rate_deviation,
    nights.sleep_performance_pregame,
    nights.asleep_minutes_pregame,
    nights.asleep_deviation,
    nights.day_strain_pregame,
    nights.quality_score::float8 as quality_score,
    nights.quality_reasons,
    nights.missing_reason,
    nights.known_at,
    predictions.model_run_id,
    predictions.fitted_at,
    predictions.predicted_clutch_score,
    predictions.lower_50,
    predictions.upper_50,
    predictions.lower_90,
    predictions.upper_90,
    predictions.confidence,
    predictions.reliability,
    predictions.game_reliability,
    predictions.used_wearables
from sided
left join {{ ref('teams') }} as teams on sided.team_id = teams.team_id
left join nights
    on sided.player_id = nights.player_id and sided.game_id = nights.game_id
left join predictions
    on sided.player_id = predictions.player_id and sided.game_id = predictions.game_id
