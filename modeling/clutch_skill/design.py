"""The terms that shots have in common: league, circumstances, nights.

The residual of an attempt (points over what it was worth for an average shooter) is

    level[kind, season] + role[kind] x role of the shooter + clutch[kind] x clutch
    + loading[kind] x (circumstances + opponent + night) + the shooter's own

The loading of a field goal is 1: effects are in points a field-goal attempt. A free throw's is 0.3:
the same change of odds moves a free throw that goes in at 0.78 by 0.17 points, a field goal by
0.57 on average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modeling.clutch_skill.nights import Nights
from modeling.clutch_skill.observations import (
    FREE_THROW,
    KINDS,
    Cells,
    Floats,
    Integers,
    Observations,
    PlayerGames,
)

LOADING = np.array([1.0, 1.0, 0.3])

# Leverage of clutch shots: mean and s.d. over four seasons. Margins are in steps of five points.
LEVERAGE_MEAN, LEVERAGE_SPREAD = 0.43, 0.16
MARGIN_STEP = 5.0
RATING_STEP = 5.0
MOST_REST_DAYS = 4.0

NIGHTS = ("HRV", "recovery", "sleep", "strain")
"""Short names of the night's values, in their order."""


class Term(NamedTuple):
    """One coefficient.

    Attributes:
        name: Its name in ``model_output.effects``.
        label: What it is, in words.
        unit: Of the coefficient.
        prior: Field of :class:`~modeling.clutch_skill.priors.Priors` with its scale; ``opponent``
            for those that share a spread which is estimated; empty for what nights determine.
    """

    name: str
    label: str
    unit: str
    prior: str


class Shots(NamedTuple):
    """What of m groups of shots the terms need.

    Attributes:
        player_games: The circumstances, m rows.
        pattern: Number of the pattern of the night, -1 without one, shape (m,).
        within: The night within the athlete, shape (m, 4).
        between: The athlete against others, shape (m, 4).
        no_night: 1 for a game without his night, shape (m,).
        weights: Attempts of each kind, shape (m, 3).
        clutch: 1 in clutch time, shape (m,).
        late: 1 in the fourth quarter and later, shape (m,).
        overtime: 1 in overtime, shape (m,).
        leverage: Sum of centred leverages in s.d., shape (m,).
        margin: Sum of margins in steps, shape (m,).
        role: Role of the shooter, shape (m,).
    """

    player_games: PlayerGames
    pattern: Integers
    within: Floats
    between: Floats
    no_night: Floats
    weights: Floats
    clutch: Floats
    late: Floats
    overtime: Floats
    leverage: Floats
    margin: Floats
    role: Floats


class Design(NamedTuple):
    """The terms of a fit.

    Attributes:
        terms: The coefficients with a prior of their own, k of them, then those of the nights.
        fixed: Their number k.
        seasons: Number of seasons.
        teams: Number of opponents.
        patterns: See :class:`~modeling.clutch_skill.nights.Nights`.
    """

    terms: tuple[Term, ...]
    fixed: int
    seasons: int
    teams: int
    patterns: tuple[tuple[int, ...], ...]

    def number_of(self, name: str) -> int:
        """Number of a term."""
        return [term.name for term in self.terms].index(name)


def plan(observations: Observations, nights: Nights) -> Design:
    """List the terms that these observations need."""
    points = "points a field-goal attempt"
    terms = [
        Term(f"level_{kind}_{season}", f"level of {kind} in {season}", "points an attempt", "level")
        for kind in KINDS
        for season in observations.season_names
    ]
    terms += [
        Term(f"role_{kind}", f"{kind}: e-fold of attempts a game", "points an attempt", "role")
        for kind in KINDS
    ]
    terms += [
        Term("clutch_field_goals", "clutch time, field goals", points, "league_clutch"),
        Term("clutch_free_throws", "clutch time, free throws", "points a shot", "league_clutch"),
        Term("late", "fourth quarter and overtime", points, "situation"),
        Term("overtime", "overtime, beyond late", points, "situation"),
        Term("leverage", "leverage in clutch time, per s.d. (0.16)", points, "situation"),
        Term("margin", "being five points ahead in clutch time", points, "situation"),
        Term("playoff", "playoffs", points, "situation"),
        Term("home", "at home", points, "situation"),
        Term("back_to_back", "second night of a back-to-back", points, "situation"),
        Term("rest", "a day of rest more, from two to four", points, "situation"),
        Term("opponent_rating", "opponent better by 5 points a game", points, "situation"),
    ]
    terms += [
        Term(f"opponent_{team}", f"against team {team}", points, "opponent")
        for team in observations.team_ids
    ]
    if nights.patterns:
        terms.append(Term("no_night", "a game without his night", points, "no_night"))
        terms += [
            Term(f"between_{name.lower()}", f"{name}, between athletes", points, "night_between")
            for name in NIGHTS
        ]
    fixed = len(terms)
    terms += [
        Term(f"{part}_{number}_{k}", f"{part} {NIGHTS[k]}, measured as {columns}", points, "")
        for part in ("night", "night_clutch")
        for number, columns in enumerate(nights.patterns)
        for k in columns
    ]
    return Design(
        tuple(terms),
        fixed,
        len(observations.season_names),
        len(observations.team_ids),
        nights.patterns,
    )


def of_cells(cells: Cells, player_games: PlayerGames, nights: Nights, role: Floats) -> Shots:
    """The shots of cells as groups; ``role`` is by player."""
    rows = cells.row
    weights = np.zeros((len(rows), len(KINDS)))
    weights[np.arange(len(rows)), cells.kind] = cells.attempts
    loading = LOADING[cells.kind]
    return Shots(
        player_games.take(rows),
        nights.pattern[rows],
        nights.within[rows],
        nights.between[rows],
        nights.no_night[rows],
        weights,
        cells.is_clutch.astype(float),
        cells.is_late.astype(float),
        cells.is_overtime.astype(float),
        cells.is_clutch
        * loading
        * (cells.leverage - LEVERAGE_MEAN * cells.attempts)
        / LEVERAGE_SPREAD,
        cells.is_clutch * loading * cells.margin / MARGIN_STEP,
        role[player_games.player[rows]],
    )


def of_clutch_attempts(
    player_games: PlayerGames, nights: Nights, role: Floats, mix: Floats
) -> Shots:
    """One attempt a row in clutch time of regulation, at mean leverage and a tied score.

    Args:
        player_games: g rows.
        nights: Their nights.
        role: By player.
        mix: Share of each kind in a player's attempts, shape (players, 3).
    """
    rows = len(player_games.player)
    one, none = np.ones(rows), np.zeros(rows)
    return Shots(
        player_games,
        nights.pattern,
        nights.within,
        nights.between,
        nights.no_night,
        mix[player_games.player],
        one,
        one,
        none,
        none,
        none,
        role[player_games.player],
    )


def columns(design: Design, shots: Shots) -> Floats:
    """Sum of each term over the attempts of each group, shape (m, terms)."""
    games = shots.player_games
    rows = np.arange(len(games.player))
    loaded = shots.weights @ LOADING
    field_goals = shots.weights[:, :FREE_THROW].sum(axis=1)
    found = np.zeros((len(rows), len(design.terms)))
    for kind in range(len(KINDS)):
        found[rows, kind * design.seasons + games.season] = shots.weights[:, kind]
    role = design.number_of("role_" + KINDS[0])
    found[:, role : role + len(KINDS)] = shots.weights * shots.role[:, None]
    rest = np.clip(np.nan_to_num(games.rest_days, nan=MOST_REST_DAYS), 2, MOST_REST_DAYS) - 2
    for name, values in {
        "clutch_field_goals": shots.clutch * field_goals,
        "clutch_free_throws": shots.clutch * shots.weights[:, FREE_THROW],
        "late": shots.late * loaded,
        "overtime": shots.overtime * loaded,
        "leverage": shots.leverage,
        "margin": shots.margin,
        "playoff": games.is_playoff * loaded,
        "home": games.is_home * loaded,
        "back_to_back": games.is_back_to_back * loaded,
        "rest": rest * loaded,
        "opponent_rating": games.opponent_rating / RATING_STEP * loaded,
    }.items():
        found[:, design.number_of(name)] = values
    opponent = design.number_of("opponent_rating") + 1
    found[rows, opponent + games.opponent] = loaded
    if design.patterns:
        found[:, design.number_of("no_night")] = shots.no_night * loaded
        between = design.number_of("no_night") + 1
        found[:, between : between + len(NIGHTS)] = shots.between * loaded[:, None]
    column = design.fixed
    for part in (loaded, loaded * shots.clutch):
        for number, measured in enumerate(design.patterns):
            of_pattern = part * (shots.pattern == number)
            for k in measured:
                found[:, column] = of_pattern * shots.within[:, k]
                column += 1
    return found
