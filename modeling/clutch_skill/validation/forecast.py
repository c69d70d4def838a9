"""A season that no part of the model has seen: what it said of each player, and what came.

One density for each player-season: the sum of his residuals in clutch time, over his attempts, in
circumstances that are known. Everything that is compared says a mean and a variance of that sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection
from scipy.stats import norm

from modeling.clutch_skill.data import USUAL_SEASONS, read_observations, seasons_there
from modeling.clutch_skill.design import LOADING, columns, of_cells
from modeling.clutch_skill.exact import Spreads, conditional
from modeling.clutch_skill.fit import CHAINS, DRAWS, TUNE, Fit, Sampler, Say
from modeling.clutch_skill.nights import no_nights
from modeling.clutch_skill.observations import KINDS, Flags, Floats, Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import OWN, Statistics, summarise
from modeling.errors import ModelError
from modeling.marts import reading

LEAGUE, RAW, OVERALL, FULL = "league mean", "raw clutch record", "overall skill only", "full model"
SHOOTER_AWARE = "shooter-aware expected points (sees earlier games of the season)"

ENOUGH_ATTEMPTS = 30
_NO_SPREAD = 1e-4
_BINS = 10
_CURVE_BINS = 8


class Said(NamedTuple):
    """Mean and variance of each player's sum, shape (P,) each; points."""

    mean: Floats
    variance: Floats


class Season(NamedTuple):
    """What came, by player.

    Attributes:
        attempts: Clutch attempts, shape (P,).
        points: Sum of residuals, shape (P,).
        halves: The same of every other game and of the games between, shape (P, 2).
        half_attempts: Their attempts, shape (P, 2).
        terms: Sums of the terms of the fit, shape (P, K).
        own: Sums of the own columns, shape (P, 4).
        luck: Variance of the sum given everything, shape (P,).
        was_there: Whether he is in the fit, shape (P,).
    """

    attempts: Floats
    points: Floats
    halves: Floats
    half_attempts: Floats
    terms: Floats
    own: Floats
    luck: Floats
    was_there: Flags


def split(observations: Observations) -> tuple[Observations, Observations]:
    """All seasons but the last, and the last; players and teams keep their numbers."""
    last = len(observations.season_names) - 1
    season = observations.player_games.season
    before = observations.of_rows(season < last)
    return (
        before._replace(season_names=observations.season_names[:last]),
        observations.of_rows(season == last),
    )


def came(statistics: Statistics, unseen: Observations) -> Season:
    """Sum the clutch shots of the unseen season up, as the terms of the fit see them."""
    games = unseen.player_games
    cells = unseen.cells.take(unseen.cells.is_clutch)
    players = len(unseen.player_ids)
    # nothing is known of the level of a season to come: that of the one before
    seen_as = games._replace(season=np.full(len(games.player), statistics.design.seasons - 1))
    groups = of_cells(cells, seen_as, no_nights(len(games.player)), statistics.role)
    player = games.player[cells.row]
    terms = np.zeros((players, len(statistics.design.terms)))
    np.add.at(terms, player, columns(statistics.design, groups))
    own = np.zeros((players, len(OWN)))
    np.add.at(own, (player, cells.kind), cells.attempts)
    own[:, -1] = own[:, : len(KINDS)] @ LOADING
    _, game = np.unique(unseen.game_ids, return_inverse=True)
    half = game[cells.row] % 2
    halves, half_attempts = np.zeros((players, 2)), np.zeros((players, 2))
    np.add.at(halves, (player, half), cells.residual)
    np.add.at(half_attempts, (player, half), cells.attempts)
    return Season(
        attempts=half_attempts.sum(axis=1),
        points=halves.sum(axis=1),
        halves=halves,
        half_attempts=half_attempts,
        terms=terms,
        own=own,
        luck=own[:, : len(KINDS)] @ statistics.variances,
        was_there=statistics.attempts.sum(axis=1) > 0,
    )


def said_by_fit(fit: Fit, season: Season) -> Said:
    """Of a fit with own effects; who is new has the population's."""
    coefficients = fit.with_own(fit.coefficients)
    drawn = coefficients @ season.terms.T + np.einsum("spd,pd->sp", fit.own, season.own)
    return Said(drawn.mean(axis=0), drawn.var(axis=0) + season.luck)


def said_by_league(statistics: Statistics, priors: Priors, season: Season) -> Said:
    """Everybody is an average shooter in his circumstances; no role, no skill."""
    none = Spreads(_NO_SPREAD**2 * np.eye(len(KINDS)), _NO_SPREAD, priors.opponent)
    found = conditional(statistics, replace(priors, role=_NO_SPREAD), none, with_own=False)
    terms = season.terms[:, : statistics.design.fixed]
    variance = np.einsum("pk,kl,pl->p", terms, found.term_covariance, terms)
    return Said(terms @ found.terms, variance + season.luck)


def said_by_record(statistics: Statistics, season: Season) -> Said:
    """What he did in clutch time before, taken at its word; who did nothing is the league."""
    attempts = statistics.clutch_attempts.sum(axis=1)
    points = statistics.clutch_residuals.sum(axis=1)
    has_record = attempts > 0
    league = points.sum() / attempts.sum()
    count = np.maximum(attempts, 1)
    rate = np.where(has_record, points / count, league)
    error = np.where(has_record, statistics.clutch_attempts @ statistics.variances / count**2, 0)
    return Said(season.attempts * rate, season.luck + season.attempts**2 * error)


def forecast(
    observations: Observations,
    *,
    seed: int = 1,
    priors: Priors | None = None,
    known: Floats | None = None,
    known_level: float = 0.0,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Fit all seasons but the last and hold what was said against the last.

    Args:
        observations: Two or more seasons.
        seed: For the fits.
        priors: Of the model; default: its own.
        known: What the shooter-aware expectation of the unseen season is above the average
            shooter's, by player (points); it is compared as well if given.
        known_level: Clutch points over it an attempt in the seasons before.
        draws: Of each chain.
        tune: Of each chain.
        chains: Of each fit.
        say: Told what is done.

    Returns:
        Log scores with paired differences, correlations, calibration and the curve.

    Raises:
        ModelError: If there is only one season.
    """
    if len(observations.season_names) < 2:
        raise ModelError("a forecast needs a season to fit and a later one to judge on.")
    priors = priors or Priors()
    before, unseen = split(observations)
    statistics = summarise(before, with_nights=False)
    season = came(statistics, unseen)
    said = {
        LEAGUE: said_by_league(statistics, priors, season),
        RAW: said_by_record(statistics, season),
    }
    without = priors.scaled(_NO_SPREAD / priors.clutch, "clutch")
    for name, chosen in ((OVERALL, without), (FULL, priors)):
        say(f"fitting: {name}")
        fit = Sampler(statistics, chosen, say).sample(
            statistics, seed=seed, draws=draws, tune=tune, chains=chains, say=say
        )
        said[name] = said_by_fit(fit, season)
    if known is not None:
        said[SHOOTER_AWARE] = Said(known + known_level * season.attempts, season.luck)
    return {
        "fitted": list(before.season_names),
        "unseen": observations.season_names[-1],
        "seed": seed,
        "fits": 2,
        **judge(season, said),
    }


def judge(season: Season, said: dict[str, Said]) -> dict[str, Any]:
    """Hold what each said against what came; differences are the full model's less each."""
    played = season.attempts > 0
    season = Season._make(values[played] for values in season)
    said = {name: Said._make(values[played] for values in each) for name, each in said.items()}
    enough = season.attempts >= ENOUGH_ATTEMPTS
    scores = {name: log_scores(season, each) for name, each in said.items()}
    seen = season.points / season.attempts
    rows = []
    for name, each in said.items():
        better = scores[FULL] - scores[name]
        rate = each.mean / season.attempts
        returning = better[season.was_there]
        squared = season.attempts * (seen - rate) ** 2
        rows.append(
            {
                "what": name,
                "log_score": round(float(scores[name].mean()), 4),
                "full_better_by": round(float(better.sum()), 2),
                "se": round(_error(better), 2),
                "full_better_by_returning": round(float(returning.sum()), 2),
                "se_returning": round(_error(returning), 2),
                # of the mean of an attempt, weighted by attempts: what luck alone gives is below
                "squared_error": round(float(squared.sum() / season.attempts.sum()), 5),
                "correlation": round(_correlation(rate[enough], seen[enough]), 3),
                "standardised_square": round(
                    float(((season.points - each.mean) ** 2 / each.variance).mean()), 3
                ),
            }
        )
    full = said[FULL]
    pit = norm.cdf((season.points - full.mean) / np.sqrt(full.variance))
    counts = np.histogram(pit, _BINS, (0, 1))[0]
    half = season.halves / np.maximum(season.half_attempts, 1)
    split_half = _correlation(half[enough, 0], half[enough, 1])
    return {
        "player_seasons": len(season.attempts),
        "new_players": int((~season.was_there).sum()),
        "attempts": int(season.attempts.sum()),
        "with_enough_attempts": int(enough.sum()),
        "enough_attempts": ENOUGH_ATTEMPTS,
        "models": rows,
        "squared_error_of_luck": round(
            float((season.luck / season.attempts).sum() / season.attempts.sum()), 5
        ),
        # Spearman and Brown: of a whole season from the correlation of its halves
        "split_half": round(split_half, 3),
        "reliability_of_season": round(2 * split_half / (1 + split_half), 3),
        "correlation_se": round(1 / np.sqrt(max(int(enough.sum()) - 3, 1)), 3),
        "predicted_sd": round(float((full.mean / season.attempts)[enough].std()), 4),
        "covered_50": round(float(((pit > 0.25) & (pit < 0.75)).mean()), 4),
        "covered_90": round(float(((pit > 0.05) & (pit < 0.95)).mean()), 4),
        "pit": counts.tolist(),
        "curve": _curve(season, full),
    }


def log_scores(season: Season, said: Said) -> Floats:
    """Log density of each player's mean an attempt; everybody has an attempt."""
    error = (season.points - said.mean) / season.attempts
    return np.asarray(norm.logpdf(error, 0, np.sqrt(said.variance) / season.attempts))


def _curve(season: Season, said: Said) -> list[dict[str, float]]:
    """Players by what was predicted, in bins of about equally many attempts."""
    order = np.argsort(said.mean / season.attempts, kind="stable")
    share = np.cumsum(season.attempts[order]) / season.attempts.sum()
    bins = np.minimum((share * _CURVE_BINS - 1e-9).astype(int), _CURVE_BINS - 1)
    found = []
    for number in range(_CURVE_BINS):
        chosen = order[bins == number]
        attempts = season.attempts[chosen].sum()
        found.append(
            {
                "players": len(chosen),
                "attempts": float(attempts),
                "predicted": round(float(said.mean[chosen].sum() / attempts), 5),
                "seen": round(float(season.points[chosen].sum() / attempts), 5),
                "se": round(float(np.sqrt(season.luck[chosen].sum()) / attempts), 5),
            }
        )
    return found


def _error(differences: Floats) -> float:
    return float(differences.std(ddof=1) * np.sqrt(len(differences)))


def _correlation(first: Floats, second: Floats) -> float:
    """0 where one of them does not differ at all."""
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


_KNOWN = """
    select
        shots.player_id,
        contexts.season = %(unseen)s as is_unseen,
        sum(shots.attempts)::float8,
        sum(shots.expected_points - shots.average_expected_points)::float8,
        sum(shots.points_scored - shots.expected_points)::float8
    from analytics.player_game_shots as shots
    inner join analytics.player_game_contexts as contexts
        on shots.player_id = contexts.player_id and shots.game_id = contexts.game_id
    where shots.is_clutch and contexts.season = any(%(seasons)s) and contexts.is_final
    group by shots.player_id, contexts.season = %(unseen)s
"""


def forecast_season(
    connection: Connection[Any],
    seasons: Sequence[str],
    unseen: str | None,
    *,
    seed: int = 1,
    say: Say,
) -> dict[str, Any]:
    """:func:`forecast` on seasons of the marts.

    Args:
        connection: A connection that may read ``analytics``.
        seasons: To fit, all before ``unseen``; none for the three before it.
        unseen: To judge on; none for the newest.
        seed: For the fits.
        say: Told what is done.

    Raises:
        ModelError: If a season is not there or not before the unseen one.
    """
    there = seasons_there(connection)
    unseen = unseen or next(reversed(there), "")
    seasons = list(seasons) or [season for season in there if season < unseen][-USUAL_SEASONS:]
    if not seasons or max(seasons) >= unseen:
        raise ModelError(
            f"a forecast of {unseen or 'a season'} needs finished seasons before it, not "
            f"{', '.join(seasons) or 'none'}. Fix: --fit, --unseen or clutch ingest nba."
        )
    say("reading")
    everything = sorted({*seasons, unseen})
    observations = read_observations(connection, everything)
    with reading("analytics.player_game_shots"):
        rows = connection.execute(_KNOWN, {"seasons": everything, "unseen": unseen}).fetchall()
    # a fit must not hold a transaction open
    connection.commit()
    number = {player: k for k, player in enumerate(observations.player_ids)}
    known, before = np.zeros(len(number)), np.zeros(2)
    for player, is_unseen, attempts, above, over in rows:
        if player not in number:
            continue
        if is_unseen:
            known[number[player]] = above
        else:
            before += (attempts, over)
    return forecast(
        observations, seed=seed, known=known, known_level=before[1] / before[0], say=say
    )
