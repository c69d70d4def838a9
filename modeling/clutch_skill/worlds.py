"""Leagues whose truth is known, as the model sees them: schedule, real shots, real nights.

A shot goes in or it does not: its probability differs from shot to shot, and what a player or a
circumstance is worth is added to its expectation. Nothing is Gaussian that is not so in a gym. The
formula of the model is written here a second time, shot by shot, so that a slip in its columns or
sums shows as a truth that is missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from modeling.clutch_skill.observations import (
    FREE_THROW,
    KINDS,
    THREE,
    TWO,
    Cells,
    Flags,
    Floats,
    Integers,
    Observations,
    PlayerGames,
)
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import role_of

VALUES = ("hrv", "recovery", "sleep", "strain")

SITUATIONS = (
    "late",
    "overtime",
    "leverage",
    "margin",
    "playoff",
    "home",
    "back_to_back",
    "rest",
    "opponent_rating",
)
"""Circumstances that have one coefficient each."""

# Shots of three real seasons (2020-21 to 2022-23): shares of the kinds, in clutch time as well;
# attempts a game of a player as a lognormal, games played rising with it (r = 0.6); shots of a
# game scatter twice as much as a Poisson number would; leverage and margin of clutch shots.
_MIX, _CLUTCH_MIX = np.array([0.48, 0.32, 0.20]), np.array([0.42, 0.28, 0.30])
_MIX_WEIGHT = 12.0
_ATTEMPTS_LOG_MEAN, _ATTEMPTS_LOG_SPREAD = 2.0, 0.64
_PLAYS_MEAN, _PLAYS_BY_ROLE = 0.5, 0.6
_SCATTER = 2.1
_CLUTCH_GAMES, _CLUTCH_SHOTS, _CLUTCH_BY_ROLE = 0.49, 0.92, 1.3
_LATE, _OVERTIME_GAMES, _OVERTIME_OF_CLUTCH = 0.22, 0.055, 0.6
_LEVERAGE = (3.2, 4.25)
_MOST_MARGIN = 5
_PLAYOFFS = 0.065
_RATING, _RATING_MOVES = 1.7, 0.7

# Chance that an average shooter makes a shot: log-odds and how they spread from shot to shot. The
# points then have variances of about 0.92, 2.06 and 0.17, those of real shots.
_LOG_ODDS = np.array([0.05, -0.57, 1.18])
_LOG_ODDS_SPREAD = np.array([0.60, 0.25, 0.05])
_POINTS = np.array([2.0, 3.0, 1.0])
_LEAST, _MOST = 0.01, 0.99
# what a change of odds does to a free throw, against a field goal
_LOADING = np.array([1.0, 1.0, 0.3])

# Nights in their own units: mean, s.d. between athletes, s.d. from night to night.
_NIGHT_MEAN = np.array([0.0, 60.0, 78.0, 11.0])
_NIGHT_BETWEEN = np.array([0.0, 7.0, 5.0, 2.0])
_NIGHT_WITHIN = np.array([1.0, 17.0, 8.0, 3.5])
_NIGHT_RANGE = np.array([[-np.inf, 1, 0, 0], [np.inf, 99, 100, 21]])
_LN_HRV, _LN_HRV_BETWEEN, _LN_HRV_MOVES = 4.1, 0.35, 0.02
_ENOUGH, _ENOUGH_ATHLETES = 8, 5

_FIRST_DAY = date(2030, 10, 20)
_LEVERAGE_MEAN, _LEVERAGE_STEP, _MARGIN_STEP, _RATING_STEP = 0.43, 0.16, 5.0, 5.0


@dataclass(frozen=True)
class World:
    """Size of a league and who wears what in it.

    Attributes:
        seed: Decides everything that is left to chance.
        players: Players, spread over the teams.
        teams: An even number.
        games: Games of each team in a season.
        seasons: Seasons; the same players, some of them not in each.
        athletes: The first so many players wear a device.
        missing: Share of their games without a night.
        missing_with: Correlation of missing with how bad the true night was (its HRV): 0 is at
            random, near 1 the worst nights are those that are missing.
        partly: Share of the other nights whose HRV and recovery are missing.
        new_players: Share of players who are in the last of several seasons only.
    """

    seed: int
    players: int = 450
    teams: int = 30
    games: int = 82
    seasons: int = 1
    athletes: int = 0
    missing: float = 0.35
    missing_with: float = 0.0
    partly: float = 0.1
    new_players: float = 0.1


class Truth(NamedTuple):
    """What a league is made by; P players.

    Attributes:
        skill_spread: S.d. of the skills, shape (3,).
        skill_correlation: Shape (3, 3).
        clutch_spread: S.d. of the clutch deviation.
        opponent_spread: S.d. of what opponents allow.
        own: Skills and clutch deviation of each player, shape (P, 4).
        terms: Shared coefficients by the names of :mod:`.design`.
        night: Slopes per s.d. of the true night, shape (4,).
        night_clutch: The same in clutch time over and above, shape (4,).
        reliability: Share of a measured night's variance that is real, shape (4,).
        night_correlation: Of the true values of a night, shape (4, 4).
    """

    skill_spread: Floats
    skill_correlation: Floats
    clutch_spread: float
    opponent_spread: float
    own: Floats
    terms: Mapping[str, float]
    night: Floats
    night_clutch: Floats
    reliability: Floats
    night_correlation: Floats


class League(NamedTuple):
    """A world and what was seen of it.

    Attributes:
        world: The settings.
        truth: What it was made by.
        observations: What the model sees.
        true_nights: Of each player-game, s.d. 1 within the athlete, shape (g, 4).
        clipped: Share of shots whose chance had to be cut to 1-99 %.
    """

    world: World
    truth: Truth
    observations: Observations
    true_nights: Floats
    clipped: float


def season_names(world: World) -> list[str]:
    """Names of the seasons, in ascending order."""
    first = _FIRST_DAY.year
    return [f"{first + k}-{(first + k + 1) % 100:02d}" for k in range(world.seasons)]


def team_ids(world: World) -> list[str]:
    """Ids of the teams, in ascending order."""
    return [f"T{number:02d}" for number in range(world.teams)]


def drawn_truth(world: World, priors: Priors) -> Truth:
    """Draw all that the model has a prior for from that prior."""
    generator = np.random.default_rng([world.seed, 1])
    opponent_spread = abs(generator.normal(0, priors.opponent))
    scales = {
        **{
            f"level_{kind}_{season}": priors.level
            for kind in KINDS
            for season in season_names(world)
        },
        **{f"role_{kind}": priors.role for kind in KINDS},
        "clutch_field_goals": priors.league_clutch,
        "clutch_free_throws": priors.league_clutch,
        **dict.fromkeys(SITUATIONS, priors.situation),
        **{f"opponent_{team}": opponent_spread for team in team_ids(world)},
    }
    if world.athletes:
        scales["no_night"] = priors.no_night
        scales |= {f"between_{name}": priors.night_between for name in VALUES}
    weight, mean = priors.reliability_weight, np.array(priors.reliability)
    skill_spread = np.abs(generator.normal(0, priors.skill, len(KINDS)))
    correlation = _lkj(generator, len(KINDS), priors.skill_correlation_shape)
    clutch_spread = abs(generator.normal(0, priors.clutch))
    return Truth(
        skill_spread=skill_spread,
        skill_correlation=correlation,
        clutch_spread=clutch_spread,
        opponent_spread=opponent_spread,
        own=_own(generator, world.players, skill_spread, correlation, clutch_spread),
        terms={name: generator.normal(0, scale) for name, scale in scales.items()},
        night=generator.normal(0, priors.night, len(VALUES)),
        night_clutch=generator.normal(0, priors.night_clutch, len(VALUES)),
        reliability=generator.beta(weight * mean, weight * (1 - mean)),
        night_correlation=_lkj(generator, len(VALUES), priors.night_correlation_shape),
    )


_FITTED = {
    "late": -0.009,
    "overtime": -0.012,
    "leverage": -0.025,
    "margin": -0.011,
    "playoff": -0.018,
    "home": 0.008,
    "back_to_back": -0.005,
    "rest": -0.004,
    "opponent_rating": -0.014,
    "clutch_field_goals": -0.010,
    "clutch_free_throws": -0.012,
}


def realistic_truth(
    world: World,
    *,
    clutch_spread: float = 0.019,
    is_null: bool = False,
    night: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    night_clutch: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> Truth:
    """A league like the real one, as three seasons of it were fitted.

    Args:
        world: The settings.
        clutch_spread: S.d. of the clutch deviation; measured elsewhere at 0.019.
        is_null: Whether clutch time, circumstances and opponents do nothing at all; skill and role
            stay.
        night: Slopes.
        night_clutch: Slopes in clutch time over and above.
    """
    generator = np.random.default_rng([world.seed, 2])
    spread = np.array([0.090, 0.095, 0.078])
    correlation = np.array([[1, 0.12, -0.04], [0.12, 1, 0.78], [-0.04, 0.78, 1]])
    clutch_spread = 0.0 if is_null else clutch_spread
    opponent_spread = 0.0 if is_null else 0.022
    opponents = generator.normal(0, opponent_spread, world.teams)
    level = dict(zip(KINDS, (-0.023, -0.050, -0.017), strict=True))
    return Truth(
        skill_spread=spread,
        skill_correlation=correlation,
        clutch_spread=clutch_spread,
        opponent_spread=opponent_spread,
        own=_own(generator, world.players, spread, correlation, clutch_spread),
        terms={
            **{
                f"level_{kind}_{season}": level[kind]
                for kind in KINDS
                for season in season_names(world)
            },
            **{f"role_{kind}": 0.07 for kind in KINDS},
            **{name: 0.0 if is_null else value for name, value in _FITTED.items()},
            **{
                f"opponent_{team}": value
                for team, value in zip(team_ids(world), opponents.tolist(), strict=True)
            },
            **dict.fromkeys(("no_night", *(f"between_{name}" for name in VALUES)), 0.0),
        },
        night=np.array(night),
        night_clutch=np.array(night_clutch),
        reliability=np.array(Priors().reliability),
        # recovery is made of HRV above all; strain of the day before lowers both a little
        night_correlation=np.array(
            [
                [1.0, 0.75, 0.25, -0.2],
                [0.75, 1.0, 0.4, -0.2],
                [0.25, 0.4, 1.0, -0.05],
                [-0.2, -0.2, -0.05, 1.0],
            ]
        ),
    )


def _own(
    generator: np.random.Generator,
    players: int,
    spread: Floats,
    correlation: Floats,
    clutch_spread: float,
) -> Floats:
    factor = spread[:, None] * np.linalg.cholesky(correlation)
    skills = generator.standard_normal((players, len(KINDS))) @ factor.T
    deviation = clutch_spread * generator.standard_normal((players, 1))
    return np.concatenate([skills, deviation], axis=1)


def _lkj(generator: np.random.Generator, size: int, shape: float) -> Floats:
    """A correlation matrix by the onion method.

    Source: Lewandowski, Kurowicka & Joe (2009), section 3.2. The model uses vines.
    """
    beta = shape + (size - 2) / 2
    corner = 2 * generator.beta(beta, beta) - 1
    matrix = np.array([[1.0, corner], [corner, 1.0]])
    for known in range(2, size):
        beta -= 0.5
        direction = generator.standard_normal(known)
        direction /= np.linalg.norm(direction)
        row = np.sqrt(generator.beta(known / 2, beta)) * np.linalg.cholesky(matrix) @ direction
        matrix = np.block([[matrix, row[:, None]], [row[None], np.ones((1, 1))]])
    return matrix


class _Games(NamedTuple):
    """Player-games before their shots, in order of player and game."""

    player: Integers
    season: Integers
    game: Integers
    day: Integers
    opponent: Integers
    is_home: Floats
    is_playoff: Floats
    rest_days: Floats
    opponent_rating: Floats
    has_clutch: Flags
    has_overtime: Flags
    rate: Floats

    def take(self, rows: Flags | Integers) -> _Games:
        return _Games._make(values[rows] for values in self)


class _Shots(NamedTuple):
    """One entry per shot."""

    row: Integers
    kind: Integers
    is_clutch: Flags
    is_late: Flags
    is_overtime: Flags
    leverage: Floats
    margin: Floats


def simulate(world: World, truth: Truth) -> League:
    """Play the seasons.

    Args:
        world: The settings.
        truth: For the same settings.

    Returns:
        The same league for the same arguments.
    """
    # schedule and shots do not depend on the truth: two truths are compared on the same shots
    generator = np.random.default_rng([world.seed, 3])
    games = _played(generator, world)
    games, shots = _taken(generator, world, games)
    true_nights, measured, level, is_worn = _slept(generator, world, truth, games)
    is_measured = np.isfinite(measured)

    attempts = np.bincount(games.player[shots.row], minlength=world.players).astype(float)
    played = np.bincount(games.player, minlength=world.players).astype(float)
    role = role_of(attempts, played)
    rows, kind = shots.row, shots.kind
    player = games.player[rows]
    terms = truth.terms
    by_kind_season = np.array(
        [[terms[f"level_{name}_{season}"] for season in season_names(world)] for name in KINDS]
    )
    own_of_kind = truth.own[player, kind]
    role_slope = np.array([terms[f"role_{name}"] for name in KINDS])
    league = np.where(kind == FREE_THROW, terms["clutch_free_throws"], terms["clutch_field_goals"])
    rest = np.clip(np.nan_to_num(games.rest_days, nan=4.0), 2, 4) - 2
    of_game = (
        terms["playoff"] * games.is_playoff
        + terms["home"] * games.is_home
        + terms["back_to_back"] * (games.rest_days == 1)
        + terms["rest"] * rest
        + terms["opponent_rating"] * games.opponent_rating / _RATING_STEP
        + np.array([terms[f"opponent_{team}"] for team in team_ids(world)])[games.opponent]
    )
    of_game_in_clutch = np.zeros(len(of_game))
    if world.athletes:
        without = is_worn & ~is_measured.any(axis=1)
        of_game += terms["no_night"] * without + true_nights @ truth.night
        of_game += _standing(games, measured, level, is_worn) @ [
            terms[f"between_{name}"] for name in VALUES
        ]
        of_game_in_clutch += true_nights @ truth.night_clutch
    of_shot = (
        of_game[rows]
        + terms["late"] * shots.is_late
        + terms["overtime"] * shots.is_overtime
        + shots.is_clutch
        * (
            of_game_in_clutch[rows]
            + truth.own[player, -1]
            + terms["leverage"] * (shots.leverage - _LEVERAGE_MEAN) / _LEVERAGE_STEP
            + terms["margin"] * shots.margin / _MARGIN_STEP
        )
    )
    added = (
        by_kind_season[kind, games.season[rows]]
        + role_slope[kind] * role[player]
        + own_of_kind
        + league * shots.is_clutch
        + _LOADING[kind] * of_shot
    )
    odds = _LOG_ODDS[kind] + _LOG_ODDS_SPREAD[kind] * generator.standard_normal(len(kind))
    usual = 1 / (1 + np.exp(-odds))
    wanted = usual + added / _POINTS[kind]
    chance = np.clip(wanted, _LEAST, _MOST)
    residual = _POINTS[kind] * ((generator.random(len(kind)) < chance) - usual)
    return League(
        world=world,
        truth=truth,
        observations=_observed(world, games, shots, residual, measured, level, is_worn),
        true_nights=true_nights,
        clipped=float((chance != wanted).mean()),
    )


def _played(generator: np.random.Generator, world: World) -> _Games:
    """Who played when against whom."""
    players, teams = world.players, world.teams
    talent = generator.standard_normal(players)
    rate = np.exp(_ATTEMPTS_LOG_MEAN + _ATTEMPTS_LOG_SPREAD * talent)
    plays = norm.cdf(
        _PLAYS_MEAN
        + _PLAYS_BY_ROLE * talent
        + np.sqrt(1 - _PLAYS_BY_ROLE**2) * generator.standard_normal(players)
    )
    team = np.arange(players) % teams
    is_new = generator.random(players) < (world.new_players if world.seasons > 1 else 0.0)
    parts = []
    for season in range(world.seasons):
        # a round every other day, each of its games perhaps a day later; a break now and then
        order = generator.permuted(np.tile(np.arange(teams), (world.games, 1)), axis=1)
        pairs = order.reshape(-1, 2)
        round_of = np.repeat(np.arange(world.games), teams // 2)
        base = 2 * np.arange(world.games) + np.cumsum(generator.random(world.games) < 0.08)
        day = 365 * season + base[round_of] + (generator.random(len(pairs)) < 0.2)
        strength = generator.normal(0, _RATING, teams)
        has_clutch = generator.random(len(pairs)) < _CLUTCH_GAMES
        has_overtime = has_clutch & (generator.random(len(pairs)) < _OVERTIME_GAMES / _CLUTCH_GAMES)
        is_playoff = round_of >= world.games * (1 - _PLAYOFFS)
        for side in (0, 1):
            rating = strength[pairs[:, 1 - side]] + generator.normal(0, _RATING_MOVES, len(pairs))
            own_games = np.empty((teams, world.games), dtype=np.int64)
            own_games[pairs[:, side], round_of] = np.arange(len(pairs))
            is_side = np.zeros((teams, world.games), dtype=bool)
            is_side[pairs[:, side], round_of] = True
            is_there = is_side[team] & (generator.random((players, world.games)) < plays[:, None])
            if season < world.seasons - 1:
                is_there &= ~is_new[:, None]
            who, when = np.nonzero(is_there)
            game = own_games[team[who], when]
            parts.append(
                _Games(
                    player=who,
                    season=np.full(len(who), season),
                    game=game + season * len(pairs),
                    day=day[game],
                    opponent=pairs[game, 1 - side],
                    is_home=np.full(len(who), float(side)),
                    is_playoff=is_playoff[game].astype(float),
                    rest_days=np.full(len(who), np.nan),
                    opponent_rating=rating[game],
                    has_clutch=has_clutch[game],
                    has_overtime=has_overtime[game],
                    rate=rate[who],
                )
            )
        parts[-2:] = [_rested(part, pairs, round_of, day, season) for part in parts[-2:]]
    games = _Games._make(np.concatenate(values) for values in zip(*parts, strict=True))
    return games.take(np.lexsort((games.game, games.player)))


def _rested(
    games: _Games, pairs: Integers, round_of: Integers, day: Integers, season: int
) -> _Games:
    """With days since the team's game before."""
    days = np.full((pairs.max() + 1, round_of.max() + 1), np.nan)
    for side in (0, 1):
        days[pairs[:, side], round_of] = day
    rest = np.full_like(days, np.nan)
    rest[:, 1:] = np.diff(days, axis=1)
    number = games.game - season * len(pairs)
    team = pairs[number, games.is_home.astype(np.int64)]
    return games._replace(rest_days=rest[team, round_of[number]])


def _taken(generator: np.random.Generator, world: World, games: _Games) -> tuple[_Games, _Shots]:
    """Shots of each player-game; who took none is not in it."""
    rows = len(games.player)
    role = games.rate / np.exp(_ATTEMPTS_LOG_MEAN)
    clutch_mean = games.has_clutch * role**_CLUTCH_BY_ROLE
    clutch_mean *= _CLUTCH_SHOTS * games.has_clutch.sum() / max(clutch_mean.sum(), 1)
    in_clutch = generator.poisson(clutch_mean * generator.gamma(1.0, 1.0, rows))
    shape = games.rate / (_SCATTER - 1)
    others = generator.poisson(generator.gamma(shape, _SCATTER - 1))
    has_some = in_clutch + others > 0
    games, in_clutch, others = games.take(has_some), in_clutch[has_some], others[has_some]

    own_mix = generator.dirichlet(_MIX_WEIGHT * _MIX, world.players)
    own_clutch_mix = own_mix * _CLUTCH_MIX / _MIX
    own_clutch_mix /= own_clutch_mix.sum(axis=1, keepdims=True)
    row = np.repeat(np.arange(len(games.player)), in_clutch + others)
    first = np.cumsum(in_clutch + others) - (in_clutch + others)
    is_clutch = np.arange(len(row)) - first[row] < in_clutch[row]
    player = games.player[row]
    mix = np.where(is_clutch[:, None], own_clutch_mix[player], own_mix[player])
    luck = generator.random(len(row))
    kind = np.where(luck < mix[:, TWO], TWO, np.where(luck < mix[:, :2].sum(axis=1), THREE, 2))
    late = generator.random(len(row))
    overtime = games.has_overtime[row] & (
        generator.random(len(row)) < np.where(is_clutch, _OVERTIME_OF_CLUTCH, 0.02)
    )
    margin = generator.integers(-_MOST_MARGIN, _MOST_MARGIN + 1, len(row))
    return games, _Shots(
        row=row,
        kind=kind,
        is_clutch=is_clutch,
        is_late=is_clutch | overtime | (late < _LATE),
        is_overtime=overtime,
        leverage=np.where(is_clutch, generator.beta(*_LEVERAGE, len(row)), 0.0),
        margin=np.where(is_clutch, margin, 0).astype(float),
    )


def _slept(
    generator: np.random.Generator, world: World, truth: Truth, games: _Games
) -> tuple[Floats, Floats, Floats, Flags]:
    """True nights, what a device says of them, the level of HRV, and who wears one."""
    rows = len(games.player)
    is_worn = games.player < world.athletes
    factor = np.linalg.cholesky(truth.night_correlation)
    true = generator.standard_normal((rows, len(VALUES))) @ factor.T * is_worn[:, None]
    error = generator.standard_normal((rows, len(VALUES)))
    # recovery is computed from the reading that HRV is
    shared = truth.night_correlation[0, 1]
    error[:, 1] = shared * error[:, 0] + np.sqrt(1 - shared**2) * error[:, 1]
    seen = np.sqrt(truth.reliability) * true + np.sqrt(1 - truth.reliability) * error
    own_mean = _NIGHT_MEAN + _NIGHT_BETWEEN * generator.standard_normal((world.players, 4))
    values = own_mean[games.player] + _NIGHT_WITHIN * seen
    values = np.clip(values, *_NIGHT_RANGE)
    values[:, 1:3] = np.round(values[:, 1:3])
    own_level = _LN_HRV + _LN_HRV_BETWEEN * generator.standard_normal(world.players)
    level = own_level[games.player] + _LN_HRV_MOVES * generator.standard_normal(rows)

    badness = -world.missing_with * true[:, 0] + np.sqrt(
        1 - world.missing_with**2
    ) * generator.standard_normal(rows)
    is_missing = ~is_worn | (badness > norm.isf(world.missing))
    is_partial = generator.random(rows) < world.partly
    values[is_missing] = np.nan
    values[is_partial, :2] = np.nan
    level = np.where(is_missing | is_partial, np.nan, level)
    return true, values, level, is_worn


def _standing(games: _Games, measured: Floats, level: Floats, is_worn: Flags) -> Floats:
    """Each athlete's own mean against the others', in s.d. between them; 0 for who wears nothing.

    The truth stands on what was measured of an athlete, not on what he is: a mean of many nights is
    close to it, and few nights tell little of him however they are taken.
    """
    athletes, athlete = np.unique(games.player[is_worn], return_inverse=True)
    values = np.column_stack([level, measured[:, 1:]])[is_worn]
    known = np.isfinite(values)
    standing = np.zeros((len(games.player), len(VALUES)))
    for k in range(len(VALUES)):
        count = np.bincount(athlete, known[:, k], len(athletes))
        total = np.bincount(athlete, np.where(known[:, k], values[:, k], 0), len(athletes))
        enough = count >= _ENOUGH
        own = total[enough] / count[enough]
        if len(own) < _ENOUGH_ATHLETES:
            continue
        of_athlete = np.zeros(len(athletes))
        of_athlete[enough] = (own - own.mean()) / own.std()
        standing[is_worn, k] = of_athlete[athlete]
    return standing


def _observed(
    world: World,
    games: _Games,
    shots: _Shots,
    residual: Floats,
    measured: Floats,
    level: Floats,
    is_worn: Flags,
) -> Observations:
    """Sums by player-game, kind and part of the game."""
    rows = len(games.player)
    part = 2 * shots.is_clutch + shots.is_late + shots.is_overtime
    code = (shots.row * len(KINDS) + shots.kind) * 5 + part
    codes, cell = np.unique(code, return_inverse=True)

    def total(values: Floats) -> Floats:
        return np.bincount(cell, values, len(codes)).astype(np.float64)

    part, leverage, margin = codes % 5, shots.leverage, shots.margin
    cells = Cells(
        row=codes // (5 * len(KINDS)),
        kind=codes // 5 % len(KINDS),
        is_clutch=part >= 3,
        is_late=part >= 1,
        is_overtime=(part == 2) | (part == 4),
        attempts=total(np.ones(len(code))),
        residual=total(residual),
        residual_squares=total(residual**2),
        leverage=total(leverage),
        leverage_squares=total(leverage**2),
        leverage_residual=total(leverage * residual),
        margin=total(margin),
        margin_squares=total(margin**2),
        margin_residual=total(margin * residual),
        leverage_margin=total(leverage * margin),
    )
    has_clutch_action = np.zeros(rows, dtype=bool)
    has_clutch_action[shots.row[shots.is_clutch]] = True
    device = np.where(np.isfinite(measured).any(axis=1), games.player, -1)
    days = [
        (_FIRST_DAY + timedelta(days=day)).isoformat() for day in range(int(games.day.max()) + 1)
    ]
    return Observations(
        player_ids=[f"P{number:04d}" for number in range(world.players)],
        season_names=season_names(world),
        team_ids=team_ids(world),
        device_ids=[f"D{number:04d}" for number in range(world.athletes)],
        game_ids=[f"G{number:05d}" for number in games.game.tolist()],
        game_dates=[days[number] for number in games.day.tolist()],
        player_games=PlayerGames(
            player=games.player,
            season=games.season,
            opponent=games.opponent,
            is_home=games.is_home,
            is_playoff=games.is_playoff,
            is_back_to_back=(games.rest_days == 1).astype(float),
            rest_days=games.rest_days,
            opponent_rating=games.opponent_rating,
            is_upcoming=np.zeros(rows, dtype=bool),
            has_clutch_action=has_clutch_action,
            device=device,
            is_worn=is_worn,
            nights=measured,
            hrv_level=level,
        ),
        cells=cells,
    )
