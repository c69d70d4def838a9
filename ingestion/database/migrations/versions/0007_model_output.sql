-- What the model writes: one row per run, and what the run says. A run is written whole, in one transaction, and never changed: the
-- model may add and delete, not update. Ranges are checked here because a NaN is outside every range.

create table model_output.runs (
    model_run_id text primary key check (model_run_id <> ''),
    started_at timestamptz not null,
    fitted_at timestamptz check (fitted_at >= started_at),
    model_name text not null,
    model_version integer not null check (model_version >= 1),
    data_hash text,
    code_hash text not null,
    seed bigint not null,
    seasons text,
    first_game_date date,
    last_game_date date check (last_game_date >= first_game_date),
    games integer check (games >= 0),
    players integer check (players >= 0),
    athletes integer check (athletes >= 0 and athletes <= players),
    attempts integer check (attempts >= 0),
    clutch_attempts integer check (clutch_attempts >= 0 and clutch_attempts <= attempts),
    used_wearables boolean,
    chains integer check (chains >= 1),
    tune integer check (tune >= 0),
    draws integer check (draws >= 1),
    seconds double precision check (seconds >= 0 and seconds < 'infinity'),
    max_r_hat double precision check (max_r_hat > 0 and max_r_hat < 'infinity'),
    min_ess_bulk double precision check (min_ess_bulk >= 0 and min_ess_bulk < 'infinity'),
    min_ess_tail double precision check (min_ess_tail >= 0 and min_ess_tail < 'infinity'),
    divergences integer check (divergences >= 0),
    min_e_bfmi double precision check (min_e_bfmi >= 0 and min_e_bfmi < 'infinity'),
    max_tree_depth_hits integer check (max_tree_depth_hits >= 0),
    predictive_checks text,
    is_published boolean not null,
    refusal_reasons text check (refusal_reasons <> ''),
    constraint refused_with_a_reason check (is_published = (refusal_reasons is null)),
    -- a run may be refused before anything of it is known; one that is published says all
    constraint published_with_all_of_it check (
        not is_published
        or num_nulls(
            fitted_at, data_hash, seasons, first_game_date, last_game_date, games, players, athletes,
            attempts, clutch_attempts, used_wearables, chains, tune, draws, seconds, max_r_hat,
            min_ess_bulk, min_ess_tail, divergences, min_e_bfmi, max_tree_depth_hits,
            predictive_checks
        ) = 0
    )
);

comment on table model_output.runs is
'Runs of the model, published or refused. One row per run.';
comment on column model_output.runs.model_run_id is 'Id of the run.';
comment on column model_output.runs.started_at is 'When it began to read (UTC).';
comment on column model_output.runs.fitted_at is
'When sampling had ended (UTC); null when it was refused before.';
comment on column model_output.runs.model_name is 'Name of the model.';
comment on column model_output.runs.model_version is 'Version of the model, rising from 1.';
comment on column model_output.runs.data_hash is 'Hash of what was read, hexadecimal.';
comment on column model_output.runs.code_hash is 'Hash of the code of the model, hexadecimal.';
comment on column model_output.runs.seed is 'Seed of every random number.';
comment on column model_output.runs.seasons is 'Seasons of the games in the fit, in words.';
comment on column model_output.runs.first_game_date is 'Local date of the first game in the fit.';
comment on column model_output.runs.last_game_date is 'Local date of the last game in the fit.';
comment on column model_output.runs.games is 'Games in the fit.';
comment on column model_output.runs.players is 'Players in the fit.';
comment on column model_output.runs.athletes is 'Players of these with nights of a wearable in the fit.';
comment on column model_output.runs.attempts is 'Shots in the fit, free throws included.';
comment on column model_output.runs.clutch_attempts is 'Shots of these in clutch time.';
comment on column model_output.runs.used_wearables is
'Whether nights of any wearable entered; its devices are in run_devices.';
comment on column model_output.runs.chains is 'Chains of the sampler.';
comment on column model_output.runs.tune is 'Steps a chain that tuned the sampler and were dropped.';
comment on column model_output.runs.draws is 'Draws a chain that were kept.';
comment on column model_output.runs.seconds is 'How long it took, reading and checks included (s).';
comment on column model_output.runs.max_r_hat is
'Largest rank-normalised split R-hat of what is published; 1 is perfect.';
comment on column model_output.runs.min_ess_bulk is
'Smallest bulk effective sample size of what is published (draws).';
comment on column model_output.runs.min_ess_tail is
'Smallest tail effective sample size of what is published (draws).';
comment on column model_output.runs.divergences is 'Divergent transitions after tuning.';
comment on column model_output.runs.min_e_bfmi is
'Smallest energy Bayesian fraction of missing information of a chain.';
comment on column model_output.runs.max_tree_depth_hits is
'Transitions after tuning that ended at the largest tree depth.';
comment on column model_output.runs.predictive_checks is
'Posterior predictive checks and how they came out, in words.';
comment on column model_output.runs.is_published is 'Whether it passed all checks.';
comment on column model_output.runs.refusal_reasons is
'Why it is not published, in words; null when it is.';

create table model_output.run_devices (
    model_run_id text not null references model_output.runs (model_run_id) on delete cascade,
    device_id text not null,
    primary key (model_run_id, device_id)
);

comment on table model_output.run_devices is
'Wearable accounts whose nights entered a run. One row per run and account.';
comment on column model_output.run_devices.model_run_id is 'The run (runs).';
comment on column model_output.run_devices.device_id is
'Our random id of the account; without a key to it, because an account may be erased.';

create table model_output.player_skills (
    model_run_id text not null references model_output.runs (model_run_id) on delete cascade,
    player_id text not null,
    attempts integer not null check (attempts >= 0),
    clutch_attempts integer not null check (clutch_attempts >= 0),
    overall_skill double precision not null,
    overall_skill_lower_90 double precision not null,
    overall_skill_upper_90 double precision not null,
    clutch_deviation double precision not null,
    clutch_deviation_lower_90 double precision not null,
    clutch_deviation_upper_90 double precision not null,
    probability_clutch_deviation_positive double precision not null
    check (probability_clutch_deviation_positive between 0 and 1),
    clutch_reliability double precision not null check (clutch_reliability between 0 and 1),
    clutch_skill double precision not null,
    clutch_skill_lower_90 double precision not null,
    clutch_skill_upper_90 double precision not null,
    statement text not null check (statement <> ''),
    primary key (model_run_id, player_id),
    check (clutch_attempts <= attempts),
    -- a shot is worth three points at most
    check (overall_skill between -3 and 3),
    check (overall_skill_lower_90 between -3 and overall_skill_upper_90),
    check (overall_skill_upper_90 <= 3),
    check (clutch_deviation between -3 and 3),
    check (clutch_deviation_lower_90 between -3 and clutch_deviation_upper_90),
    check (clutch_deviation_upper_90 <= 3),
    check (clutch_skill between -6 and 6),
    check (clutch_skill_lower_90 between -6 and clutch_skill_upper_90),
    check (clutch_skill_upper_90 <= 6)
);

comment on table model_output.player_skills is
'What a run says of players. One row per run and player.';
comment on column model_output.player_skills.model_run_id is 'The run (runs).';
comment on column model_output.player_skills.player_id is 'NBA player id.';
comment on column model_output.player_skills.attempts is 'His shots in the fit.';
comment on column model_output.player_skills.clutch_attempts is 'Those of them in clutch time.';
comment on column model_output.player_skills.overall_skill is
'Posterior mean of his skill at all times (points a field goal attempt over an average shooter).';
comment on column model_output.player_skills.overall_skill_lower_90 is
'Lower end of its 90 % interval (points an attempt).';
comment on column model_output.player_skills.overall_skill_upper_90 is
'Upper end of its 90 % interval (points an attempt).';
comment on column model_output.player_skills.clutch_deviation is
'Posterior mean of how much better he is in clutch time than at other times (points a field goal attempt).';
comment on column model_output.player_skills.clutch_deviation_lower_90 is
'Lower end of its 90 % interval (points an attempt).';
comment on column model_output.player_skills.clutch_deviation_upper_90 is
'Upper end of its 90 % interval (points an attempt).';
comment on column model_output.player_skills.probability_clutch_deviation_positive is
'Posterior probability that it is above 0, 0-1.';
comment on column model_output.player_skills.clutch_reliability is
'Share of its prior variance that his shots have settled, 0-1.';
comment on column model_output.player_skills.clutch_skill is
'Posterior mean of overall skill and clutch deviation together, at his mix of shots (points an attempt).';
comment on column model_output.player_skills.clutch_skill_lower_90 is
'Lower end of its 90 % interval (points an attempt).';
comment on column model_output.player_skills.clutch_skill_upper_90 is
'Upper end of its 90 % interval (points an attempt).';
comment on column model_output.player_skills.statement is 'What follows, in words.';

create table model_output.effects (
    model_run_id text not null references model_output.runs (model_run_id) on delete cascade,
    effect text not null,
    label text not null check (label <> ''),
    unit text not null check (unit <> ''),
    mean double precision not null check (mean > '-infinity' and mean < 'infinity'),
    sd double precision not null check (sd >= 0 and sd < 'infinity'),
    lower_90 double precision not null check (lower_90 > '-infinity'),
    lower_50 double precision not null,
    median double precision not null,
    upper_50 double precision not null,
    upper_90 double precision not null check (upper_90 < 'infinity'),
    rope_half_width double precision check (rope_half_width > 0 and rope_half_width < 'infinity'),
    probability_in_rope double precision check (probability_in_rope between 0 and 1),
    probability_positive double precision not null check (probability_positive between 0 and 1),
    prior_sd double precision check (prior_sd > 0 and prior_sd < 'infinity'),
    statement text not null check (statement <> ''),
    ess_bulk double precision not null check (ess_bulk >= 0 and ess_bulk < 'infinity'),
    ess_tail double precision not null check (ess_tail >= 0 and ess_tail < 'infinity'),
    r_hat double precision not null check (r_hat > 0 and r_hat < 'infinity'),
    primary key (model_run_id, effect),
    check (
        lower_90 <= lower_50 and lower_50 <= median and median <= upper_50 and upper_50 <= upper_90
    ),
    check ((rope_half_width is null) = (probability_in_rope is null))
);

comment on table model_output.effects is
'What a run says of an effect: of the situation, of the body, or how far players differ. One row per run and effect.';
comment on column model_output.effects.model_run_id is 'The run (runs).';
comment on column model_output.effects.effect is 'Name of the effect in the model.';
comment on column model_output.effects.label is 'The same for people.';
comment on column model_output.effects.unit is 'Unit of the figures that follow.';
comment on column model_output.effects.mean is 'Posterior mean (unit).';
comment on column model_output.effects.sd is 'Posterior standard deviation (unit).';
comment on column model_output.effects.lower_90 is 'Lower end of the 90 % interval (unit).';
comment on column model_output.effects.lower_50 is 'Lower end of the 50 % interval (unit).';
comment on column model_output.effects.median is 'Posterior median (unit).';
comment on column model_output.effects.upper_50 is 'Upper end of the 50 % interval (unit).';
comment on column model_output.effects.upper_90 is 'Upper end of the 90 % interval (unit).';
comment on column model_output.effects.rope_half_width is
'Up to so much, either way, is as good as nothing (unit); null where zero has no meaning.';
comment on column model_output.effects.probability_in_rope is
'Posterior probability that it is no more than that, 0-1; null where that is.';
comment on column model_output.effects.probability_positive is
'Posterior probability that it is above 0, 0-1.';
comment on column model_output.effects.prior_sd is
'Standard deviation of its prior (unit); null where the prior has none of its own.';
comment on column model_output.effects.statement is 'What follows, in words.';
comment on column model_output.effects.ess_bulk is 'Bulk effective sample size (draws).';
comment on column model_output.effects.ess_tail is 'Tail effective sample size (draws).';
comment on column model_output.effects.r_hat is 'Rank-normalised split R-hat; 1 is perfect.';

create table model_output.predictions (
    model_run_id text not null references model_output.runs (model_run_id) on delete cascade,
    player_id text not null,
    game_id text not null,
    is_upcoming boolean not null,
    is_in_fit boolean not null,
    predicted_clutch_score double precision not null
    check (predicted_clutch_score between 0 and 100),
    score_sd double precision not null check (score_sd between 0 and 100),
    lower_50 double precision not null,
    upper_50 double precision not null,
    lower_90 double precision not null,
    upper_90 double precision not null,
    probability_above_median double precision not null
    check (probability_above_median between 0 and 1),
    confidence double precision not null check (confidence between 0 and 1),
    reliability double precision not null check (reliability between 0 and 1),
    predicted_points_over_expected double precision not null
    check (predicted_points_over_expected between -6 and 6),
    points_lower_90 double precision not null,
    points_upper_90 double precision not null,
    game_reliability double precision not null check (game_reliability between 0 and 1),
    used_wearables boolean not null,
    wearables_score_effect double precision check (wearables_score_effect between -100 and 100),
    wearables_score_effect_lower_90 double precision,
    wearables_score_effect_upper_90 double precision,
    primary key (model_run_id, player_id, game_id),
    check (
        lower_90 >= 0 and lower_90 <= lower_50 and lower_50 <= upper_50 and upper_50 <= upper_90
        and upper_90 <= 100
    ),
    check (
        points_lower_90 >= -6 and points_lower_90 <= points_upper_90 and points_upper_90 <= 6
    ),
    check (
        wearables_score_effect_lower_90 >= -100
        and wearables_score_effect_lower_90 <= wearables_score_effect_upper_90
        and wearables_score_effect_upper_90 <= 100
    ),
    check (
        num_nulls(
            wearables_score_effect, wearables_score_effect_lower_90, wearables_score_effect_upper_90
        ) = case when used_wearables then 0 else 3 end
    ),
    -- nobody has seen how a game to come went
    check (not (is_upcoming and is_in_fit))
);

comment on table model_output.predictions is
'What a run says of a player in a game, as known before tip-off. One row per run, player and game.';
comment on column model_output.predictions.model_run_id is 'The run (runs).';
comment on column model_output.predictions.player_id is 'NBA player id.';
comment on column model_output.predictions.game_id is 'League game id.';
comment on column model_output.predictions.is_upcoming is 'Whether the game was still to be played.';
comment on column model_output.predictions.is_in_fit is
'Whether the game''s own shots are in the fit: then this is no forecast.';
comment on column model_output.predictions.predicted_clutch_score is
'Posterior mean of his clutch score, 0-100.';
comment on column model_output.predictions.score_sd is
'Standard deviation of it (score points, 0-100).';
comment on column model_output.predictions.lower_50 is 'Lower end of its 50 % interval, 0-100.';
comment on column model_output.predictions.upper_50 is 'Upper end of its 50 % interval, 0-100.';
comment on column model_output.predictions.lower_90 is 'Lower end of its 90 % interval, 0-100.';
comment on column model_output.predictions.upper_90 is 'Upper end of its 90 % interval, 0-100.';
comment on column model_output.predictions.probability_above_median is
'Posterior probability that his score is above the median of the league, 0-1.';
comment on column model_output.predictions.confidence is
'How sure it is on which side of the median he is, 0-1.';
comment on column model_output.predictions.reliability is
'Share of the variance between players that is settled for him, 0-1.';
comment on column model_output.predictions.predicted_points_over_expected is
'Posterior mean of his points over an average shooter in clutch time (points an attempt).';
comment on column model_output.predictions.points_lower_90 is
'Lower end of its 90 % interval (points an attempt).';
comment on column model_output.predictions.points_upper_90 is
'Upper end of its 90 % interval (points an attempt).';
comment on column model_output.predictions.game_reliability is
'Share of the variance of one game''s outcome that the prediction can tell, 0-1.';
comment on column model_output.predictions.used_wearables is
'Whether values of his own body entered.';
comment on column model_output.predictions.wearables_score_effect is
'By how much they moved the score (score points); null without.';
comment on column model_output.predictions.wearables_score_effect_lower_90 is
'Lower end of its 90 % interval (score points); null without.';
comment on column model_output.predictions.wearables_score_effect_upper_90 is
'Upper end of its 90 % interval (score points); null without.';

grant select, insert, delete on
model_output.runs, model_output.run_devices, model_output.player_skills,
model_output.effects, model_output.predictions to clutch_model;
grant select on
model_output.runs, model_output.run_devices, model_output.player_skills,
model_output.effects, model_output.predictions to clutch_transform;
