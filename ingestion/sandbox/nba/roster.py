"""Teams and players of a simulated league, with the true effects that games are played with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from ingestion.sandbox.nba.names import CITIES, City, invented_names
from ingestion.sandbox.nba.settings import LeagueSettings

# Outside the league's ranges: real teams are 1610612737 to 1610612766, real people have at most 7
# digits and start with 1 or less than 9.
FIRST_TEAM_ID = 1610699001
FIRST_PLAYER_ID = 9000001
FIRST_OFFICIAL_ID = 9900001
FIRST_ARENA_ID = 990001

ROSTER_SIZE = 15
OFFICIAL_COUNT = 45

# Planned minutes by place in the rotation: five starters, five from the bench, five who rarely
# play.
PLANNED_MINUTES = (
    34.0,
    33.5,
    32.5,
    31.5,
    29.5,
    24.0,
    20.5,
    17.0,
    12.0,
    5.5,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
)
_POSITIONS = ("SF", "PF", "C", "SG", "PG")
# Place in the rotation -> index into _POSITIONS; the bench covers every position too.
_POSITION_OF_PLACE = (0, 1, 2, 3, 4, 4, 1, 0, 2, 3, 2, 0, 4, 3, 1)

# Standard deviation between teams, points per shot on offence and on defence. With the players' own
# effects it gives team mean margins an s.d. of about 3.7, as measured in 2022-23.
_TEAM_EFFECT_SD = 0.022


@dataclass(frozen=True, slots=True)
class Player:
    """One player: what the feed tells about him, and what only the simulation knows.

    Attributes:
        player_id: ``personId``.
        team_id: His team.
        first_name: Given name.
        family_name: Family name, unique in the league.
        initial_name: ``nameI``: initial and family name.
        jersey: Number on the shirt.
        position: PG, SG, SF, PF or C.
        size: 1 (point guard) to 5 (centre).
        planned_seconds: Playing time he would have in a normal game.
        usage: Weight with which a possession ends with him.
        rim, short, middle, three: His shares of shot places; they add up to 1.
        overall_effect: Points per shot on every shot.
        clutch_effect: Points per shot, added in clutch time only.
        free_throw_rate: Chance to make a free throw.
        assist, offensive_rebound, defensive_rebound, steal, block, turnover, foul, foul_drawn:
            Weights with which the event falls to him among the five on the floor.
    """

    player_id: int
    team_id: int
    first_name: str
    family_name: str
    initial_name: str
    jersey: str
    position: str
    size: int
    planned_seconds: float
    usage: float
    rim: float
    short: float
    middle: float
    three: float
    overall_effect: float
    clutch_effect: float
    free_throw_rate: float
    assist: float
    offensive_rebound: float
    defensive_rebound: float
    steal: float
    block: float
    turnover: float
    foul: float
    foul_drawn: float


@dataclass(frozen=True, slots=True)
class Team:
    """One team.

    Attributes:
        team_id: ``teamId``.
        arena_id: ``arenaId`` of its home floor.
        city: Its city, names and arena.
        players: Roster in the order of the rotation: the first five start.
        offense_effect: Points per shot added to its own shots.
        defense_effect: Points per shot taken from the opponents' shots.
    """

    team_id: int
    arena_id: int
    city: City
    players: tuple[Player, ...]
    offense_effect: float
    defense_effect: float


@dataclass(frozen=True, slots=True)
class Official:
    """One referee."""

    person_id: int
    first_name: str
    family_name: str
    jersey: str


def _spread(random: Random, center: float, ratio: float) -> float:
    """Draw a positive weight around ``center``; ``ratio`` is about its coefficient of variation."""
    return center * max(0.25, 1 + ratio * random.gauss(0, 1))


def _player(
    random: Random,
    settings: LeagueSettings,
    *,
    player_id: int,
    team_id: int,
    name: tuple[str, str],
    jersey: str,
    place: int,
) -> Player:
    position = _POSITIONS[_POSITION_OF_PLACE[place]]
    size = {"PG": 1, "SG": 2, "SF": 3, "PF": 4, "C": 5}[position]
    inside = (size - 1) / 4  # 0 guard, 1 centre
    rim = max(0.08, random.gauss(0.175 + 0.24 * inside, 0.05))
    short = max(0.06, random.gauss(0.19 + 0.07 * inside, 0.05))
    middle = max(0.02, random.gauss(0.115 - 0.02 * inside, 0.035))
    three = max(0.02, random.gauss(0.56 - 0.27 * inside, 0.07))
    total = rim + short + middle + three
    starter_bonus = max(0.0, 1.35 - 0.06 * place)
    return Player(
        player_id=player_id,
        team_id=team_id,
        first_name=name[0],
        family_name=name[1],
        initial_name=f"{name[0][0]}. {name[1]}",
        jersey=jersey,
        position=position,
        size=size,
        planned_seconds=60 * PLANNED_MINUTES[place],
        usage=_spread(random, 0.7 + 0.5 * starter_bonus, 0.3),
        rim=rim / total,
        short=short / total,
        middle=middle / total,
        three=three / total,
        overall_effect=settings.effects.overall_sd * random.gauss(0, 1),
        clutch_effect=settings.effects.player_sd * random.gauss(0, 1),
        free_throw_rate=min(0.93, max(0.48, random.gauss(0.825 - 0.085 * inside, 0.065))),
        assist=_spread(random, 1.9 - 1.3 * inside, 0.3),
        offensive_rebound=_spread(random, 0.5 + 2.2 * inside, 0.25),
        defensive_rebound=_spread(random, 0.8 + 1.2 * inside, 0.2),
        steal=_spread(random, 1.2 - 0.4 * inside, 0.3),
        block=_spread(random, 0.35 + 1.9 * inside, 0.3),
        turnover=_spread(random, 1.2 - 0.3 * inside, 0.25),
        foul=_spread(random, 0.85 + 0.5 * inside, 0.2),
        foul_drawn=_spread(random, 1.0, 0.25),
    )


def make_teams(settings: LeagueSettings) -> tuple[Team, ...]:
    """Make every team and player of a league.

    Effects are relative to the league: weighted by planned time and use they add up to zero, so
    that every league, however small, scores at the same level.

    Args:
        settings: Seed, number of teams, and standard deviations of the effects.

    Returns:
        ``team_count`` teams.
    """
    random = Random(f"{settings.seed}:rosters")  # noqa: S311 - a simulation, not a secret
    names = invented_names(random, len(CITIES) * ROSTER_SIZE)
    teams = []
    for number, city in enumerate(CITIES[: settings.team_count]):
        team_id = FIRST_TEAM_ID + number
        jersey_start = int(random.random() * 40)
        players = tuple(
            _player(
                random,
                settings,
                player_id=FIRST_PLAYER_ID + number * ROSTER_SIZE + place,
                team_id=team_id,
                name=names[number * ROSTER_SIZE + place],
                jersey=str((jersey_start + 7 * place) % 55),
                place=place,
            )
            for place in range(ROSTER_SIZE)
        )
        teams.append(
            Team(
                team_id=team_id,
                arena_id=FIRST_ARENA_ID + number,
                city=city,
                players=players,
                offense_effect=_TEAM_EFFECT_SD * random.gauss(0, 1),
                defense_effect=_TEAM_EFFECT_SD * random.gauss(0, 1),
            )
        )
    return _centered(tuple(teams))


def _centered(teams: tuple[Team, ...]) -> tuple[Team, ...]:
    """Shift all effects so that the league's weighted mean of each is zero."""
    players = [player for team in teams for player in team.players]
    weights = [player.planned_seconds * player.usage for player in players]
    total = sum(weights)
    overall, clutch = (
        sum(weight * getattr(player, name) for weight, player in zip(weights, players, strict=True))
        / total
        for name in ("overall_effect", "clutch_effect")
    )
    offense = sum(team.offense_effect for team in teams) / len(teams)
    defense = sum(team.defense_effect for team in teams) / len(teams)
    return tuple(
        replace(
            team,
            offense_effect=team.offense_effect - offense,
            defense_effect=team.defense_effect - defense,
            players=tuple(
                replace(
                    player,
                    overall_effect=player.overall_effect - overall,
                    clutch_effect=player.clutch_effect - clutch,
                )
                for player in team.players
            ),
        )
        for team in teams
    )


def make_officials(settings: LeagueSettings) -> tuple[Official, ...]:
    """Make the referees of a league; their names repeat no player's."""
    random = Random(f"{settings.seed}:rosters")  # noqa: S311 - the same draw as the players' names
    names = invented_names(random, len(CITIES) * ROSTER_SIZE + OFFICIAL_COUNT)
    return tuple(
        Official(FIRST_OFFICIAL_ID + index, first, family, str(index + 5))
        for index, (first, family) in enumerate(names[-OFFICIAL_COUNT:])
    )
