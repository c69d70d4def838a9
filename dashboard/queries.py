"""SQL of the read API: selections of the schema ``analytics``; what a figure means stands in dbt.

Unqualified names: a reader's search path is ``analytics``.
"""

from __future__ import annotations

SEASONS = """
    select season, count(*)::integer as games, max(game_date) as last_game_date
    from games where is_final group by season order by season desc
"""

# Two players are told apart when the difference of their averages exceeds what luck does to it in
# nine of ten cases: the ends of a player's ranks are one more than who is surely ahead, and all but
# who is surely behind. Ties share a rank.
LEADERBOARD = """
    with chosen as (
        select
            board.player_id, board.season, board.full_name, players.team_id, teams.tricode,
            board.total_clutch_games, board.avg_clutch_score::float8 as avg_clutch_score,
            luck.lower_90, luck.upper_90, luck.reliability, luck.expected_clutch_score,
            board.clutch_percentile::float8 as clutch_percentile,
            board.points_scored, board.points_over_expected::float8 as points_over_expected,
            board.win_probability_added,
            board.avg_recovery_score, board.recovery_games
        from clutch_leaderboard as board
        inner join clutch_score_reliability as luck
            on board.player_id = luck.player_id and board.season = luck.season
        inner join players on board.player_id = players.player_id
        left join teams on players.team_id = teams.team_id
        where board.season = %(season)s and board.total_clutch_games >= %(min_games)s
    ),

    ranked as (
        select
            chosen.*,
            rank() over (order by chosen.avg_clutch_score desc)::integer as rank,
            count(*) over ()::integer as ranked_players,
            told.ahead, told.behind
        from chosen
        left join lateral (
            select
                count(*) filter (where other.avg_clutch_score - chosen.avg_clutch_score > margin)
                    ::integer as ahead,
                count(*) filter (where chosen.avg_clutch_score - other.avg_clutch_score > margin)
                    ::integer as behind
            from chosen as other
            cross join lateral (
                -- half widths of independent intervals add like standard errors
                select sqrt(
                    (chosen.upper_90 - chosen.lower_90) ^ 2 + (other.upper_90 - other.lower_90) ^ 2
                ) / 2 as margin
            ) as luck
        ) as told on true
    )

    select
        player_id, season, full_name, team_id, tricode, total_clutch_games, avg_clutch_score,
        lower_90, upper_90, reliability, expected_clutch_score, rank,
        case when lower_90 is not null then 1 + ahead end as rank_lower_90,
        case when lower_90 is not null then ranked_players - behind end as rank_upper_90,
        clutch_percentile, points_scored, points_over_expected, win_probability_added,
        avg_recovery_score, recovery_games,
        count(*) over ()::integer as total
    from ranked
    where %(team_id)s::text is null or team_id = %(team_id)s
    order by rank, full_name, player_id
    limit %(limit)s offset %(offset)s
"""

PLAYER = """
    select players.player_id, players.full_name, players.team_id, teams.tricode, players.position
    from players left join teams on players.team_id = teams.team_id
    where player_id = %(player_id)s
"""

PLAYER_SEASONS = """
    select
        board.season, board.total_clutch_games, board.avg_clutch_score::float8 as avg_clutch_score,
        luck.lower_90, luck.upper_90, luck.reliability, luck.expected_clutch_score,
        board.clutch_percentile::float8 as clutch_percentile, board.points_scored,
        board.points_over_expected::float8 as points_over_expected, board.win_probability_added,
        board.avg_recovery_score, board.recovery_games
    from clutch_leaderboard as board
    inner join clutch_score_reliability as luck
        on board.player_id = luck.player_id and board.season = luck.season
    where
        board.player_id = %(player_id)s
        and (%(season)s::text is null or board.season = %(season)s)
    order by board.season desc
"""

PLAYER_GAMES = """
    select
        scores.game_id, games.season, games.game_date, games.home_team_id, games.away_team_id,
        scores.situation_id, scores.actions_total, scores.actions_successful,
        scores.points_scored, scores.points_over_expected::float8 as points_over_expected,
        scores.clutch_score::float8 as clutch_score, scores.win_probability_added,
        scores.has_wearables_data, scores.hrv_rmssd_pregame, scores.hrv_baseline_deviation,
        scores.recovery_score_pregame, scores.sleep_performance_pregame,
        scores.wearables_quality_score,
        count(*) over ()::integer as total
    from clutch_performance_scores as scores
    inner join games on scores.game_id = games.game_id
    where
        scores.player_id = %(player_id)s
        and (%(season)s::text is null or games.season = %(season)s)
    order by games.game_date desc nulls last, scores.game_id desc, scores.situation_id
    limit %(limit)s offset %(offset)s
"""

TEAMS = "select team_id, tricode, city, name from teams order by tricode, team_id"

# position() and not like: a name is no pattern
PLAYERS = """
    select
        players.player_id, players.full_name, players.team_id, teams.tricode, players.position,
        count(*) over ()::integer as total
    from players left join teams on players.team_id = teams.team_id
    where position(lower(%(name)s) in lower(players.full_name)) > 0
    order by players.full_name, players.player_id
    limit %(limit)s offset %(offset)s
"""

GAMES = """
    select
        games.game_id, games.season, games.season_type, games.game_date, games.tipoff_at,
        games.home_team_id, home.tricode as home_tricode, games.home_score,
        games.away_team_id, away.tricode as away_tricode, games.away_score, games.is_final,
        games.periods,
        (select count(*) from clutch_situations as spells where spells.game_id = games.game_id)
            ::integer as clutch_windows,
        waves.total_swing, waves.lowest_win_probability_of_winner,
        count(*) over ()::integer as total
    from games
    left join teams as home on games.home_team_id = home.team_id
    left join teams as away on games.away_team_id = away.team_id
    left join game_win_probability as waves on games.game_id = waves.game_id
    where
        (%(season)s::text is null or games.season = %(season)s)
        and (%(team_id)s::text is null or %(team_id)s in (games.home_team_id, games.away_team_id))
    order by games.game_date desc nulls last, games.game_id desc
    limit %(limit)s offset %(offset)s
"""

# who was on the floor, and who has a night before it: a roster is more than either
GAME_READINESS = """
    select
        shown.player_id, players.full_name, contexts.team_id,
        nights.hrv_rmssd_pregame, nights.hrv_baseline_deviation, nights.recovery_score_pregame,
        nights.resting_heart_rate_deviation, nights.sleep_performance_pregame,
        nights.asleep_minutes_pregame, nights.day_strain_pregame, nights.hours_to_tipoff,
        nights.quality_score::float8 as quality_score, nights.quality_reasons,
        nights.missing_reason
    from (
        select player_id from player_game_contexts where game_id = %(game_id)s
        union
        select player_id from pregame_baselines where game_id = %(game_id)s
    ) as shown
    left join player_game_contexts as contexts
        on shown.player_id = contexts.player_id and contexts.game_id = %(game_id)s
    left join pregame_baselines as nights
        on shown.player_id = nights.player_id and nights.game_id = %(game_id)s
    left join players on shown.player_id = players.player_id
    order by contexts.team_id, players.full_name, shown.player_id
"""

MODEL_RUN = """
    select
        model_run_id, fitted_at, model_version, seasons, last_game_date, games, players, athletes,
        attempts, clutch_attempts, used_wearables
    from model_runs where is_current
"""

MODEL_EFFECTS = """
    select effect, label, unit, mean, lower_90, upper_90, statement
    from model_effects where is_current order by effect
"""

PLAYER_MODEL = """
    select
        model_run_id, fitted_at, overall_skill, overall_skill_lower_90, overall_skill_upper_90,
        clutch_deviation, clutch_deviation_lower_90, clutch_deviation_upper_90, clutch_reliability,
        statement
    from clutch_player_skills
    where player_id = %(player_id)s and is_current
"""

WEARABLES_SUMMARY = "select * from player_wearables_summary where player_id = %(player_id)s"

WEARABLES_DAYS = """
    select
        summary_date, hrv_rmssd_avg, hrv_baseline_deviation, hrv_normal_range,
        exp(ln_hrv_baseline_mean - ln_hrv_baseline_sd) as hrv_baseline_lower,
        exp(ln_hrv_baseline_mean + ln_hrv_baseline_sd) as hrv_baseline_upper,
        recovery_score, resting_heart_rate, sleep_performance_score, asleep_minutes, day_strain,
        data_completeness, missing_reason
    from wearables_daily_summary
    where player_id = %(player_id)s
    order by summary_date desc
    limit %(limit)s
"""

GAME = """
    select
        games.game_id, games.season, games.season_type, games.game_date, games.tipoff_at,
        games.home_team_id, home.tricode as home_tricode, games.home_score,
        games.away_team_id, away.tricode as away_tricode, games.away_score, games.is_final
    from games
    left join teams as home on games.home_team_id = home.team_id
    left join teams as away on games.away_team_id = away.team_id
    where games.game_id = %(game_id)s
"""

GAME_WAVE = """
    select
        order_number, action_number, action_timestamp, period,
        seconds_remaining::float8 as seconds_remaining, home_margin, is_clutch,
        home_win_probability, leverage
    from win_probability where game_id = %(game_id)s order by order_number
"""

GAME_ACTIONS = """
    select
        actions.order_number, actions.player_id, players.full_name, actions.team_id,
        actions.action_type, actions.action_subtype, actions.is_successful, actions.points_scored,
        actions.expected_points::float8 as expected_points, actions.win_probability_added
    from clutch_player_actions as actions
    left join players on actions.player_id = players.player_id
    where actions.game_id = %(game_id)s
    order by actions.order_number, actions.action_id
"""

GAME_WINDOWS = """
    select
        situation_id, period, start_timestamp, end_timestamp, game_clock_start, game_clock_end,
        clutch_intensity
    from clutch_situations where game_id = %(game_id)s order by situation_id
"""

UPCOMING = """
    select
        predictions.player_id, players.full_name, players.team_id, predictions.game_id,
        schedule.tipoff_at, schedule.home_tricode, schedule.away_tricode,
        predictions.model_run_id, predictions.fitted_at,
        predictions.predicted_clutch_score, predictions.lower_50, predictions.upper_50,
        predictions.lower_90, predictions.upper_90, predictions.confidence,
        predictions.reliability, predictions.game_reliability, predictions.used_wearables,
        count(*) over ()::integer as total
    from clutch_predictions as predictions
    left join players on predictions.player_id = players.player_id
    left join game_schedule as schedule on predictions.game_id = schedule.game_id
    where predictions.is_current and predictions.is_upcoming
    order by schedule.tipoff_at, predictions.game_id, players.full_name, predictions.player_id
    limit %(limit)s offset %(offset)s
"""

# Rules are looked up once: each look at them is one more at the athletes' nights.
MORNING = """
    with checks as (
        select
            player_id, game_id,
            count(*) filter (where outcome = 'alert')::integer as alerts,
            min(severity) filter (where outcome = 'alert') as severity,
            count(*) filter (where outcome = 'quality_too_low')::integer as rules_withheld
        from readiness_checks
        group by player_id, game_id
    )

    select
        board.player_id, board.full_name, board.game_id, board.season, board.tipoff_at,
        board.team_id, board.team_tricode, board.opponent_team_id, board.opponent_tricode,
        board.is_home, board.woke_at, board.hrv_rmssd_pregame, board.hrv_baseline_deviation,
        board.hrv_normal_range, board.hrv_normal_lower, board.hrv_normal_upper,
        board.recovery_score_pregame, board.resting_heart_rate_pregame,
        board.resting_heart_rate_deviation, board.sleep_performance_pregame,
        board.asleep_minutes_pregame, board.asleep_deviation, board.day_strain_pregame,
        board.quality_score,
        coalesce(string_to_array(board.quality_reasons, ','), '{}') as quality_reasons,
        board.missing_reason, board.known_at, board.model_run_id, board.fitted_at,
        board.predicted_clutch_score, board.lower_50, board.upper_50, board.lower_90,
        board.upper_90, board.confidence, board.reliability, board.game_reliability,
        board.used_wearables,
        coalesce(checks.alerts, 0) as alerts, checks.severity,
        coalesce(checks.rules_withheld, 0) as rules_withheld,
        count(*) over ()::integer as total
    from morning_board as board
    left join checks on board.player_id = checks.player_id and board.game_id = checks.game_id
    order by
        board.tipoff_at, board.game_id, board.team_tricode, board.full_name, board.player_id
    limit %(limit)s offset %(offset)s
"""

# act before watch, as in the alphabet
ALERTS = """
    select
        player_id, full_name, game_id, tipoff_at, team_id, team_tricode, opponent_tricode, is_home,
        rule_id, severity, metric, value, comparison, threshold, unit, words, quality_score,
        coalesce(string_to_array(quality_reasons, ','), '{}') as quality_reasons,
        count(*) over ()::integer as total
    from readiness_alerts
    order by tipoff_at, game_id, severity, full_name, player_id, rule_id
    limit %(limit)s offset %(offset)s
"""

DATA_HEALTH = """
    select
        subject, metric, value, unit, late_above, bad_above, state, measured_at, explanation,
        what_to_do
    from data_health
    order by case state when 'bad' then 1 when 'late' then 2 else 3 end, subject, metric
"""

OPEN_QUARANTINE = """
    select source, resource, reason, entries::integer as entries, first_seen_at, last_seen_at
    from open_quarantine
    order by source, resource, reason
"""

RESTATEMENTS = """
    select
        restated.restatement_id, restated.game_id, games.game_date,
        home.tricode as home_tricode, away.tricode as away_tricode,
        restated.resource, restated.record_type, restated.record_id, restated.field,
        restated.version_number, restated.old_value, restated.new_value,
        restated.previous_seen_at, restated.seen_at, restated.edited_at, restated.period,
        restated.game_clock, restated.player_id, players.full_name, restated.is_clutch_time,
        count(*) over ()::integer as total
    from restatements as restated
    left join games on restated.game_id = games.game_id
    left join teams as home on games.home_team_id = home.team_id
    left join teams as away on games.away_team_id = away.team_id
    left join players on restated.player_id = players.player_id
    order by restated.seen_at desc, restated.restatement_id
    limit %(limit)s offset %(offset)s
"""

FRESHNESS = """
    select
        (select max(game_date) from games where is_final) as last_game_date,
        (select max(fitted_at) from model_runs where is_current) as model_fitted_at
"""
