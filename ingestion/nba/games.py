"""Game ids and seasons, as the league writes them.

A game id has ten digits: ``00`` for the league, one for the type of game, two for the first year of
the season, five for the number. ``0022300061`` is a regular-season game of 2023-24.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from ingestion.errors import UsageError

PLAYED_FOR_RECORD = frozenset("2456")
"""Third digit of the games that count: regular season, playoffs, play-in, cup final."""

_GAME_ID = re.compile(r"[0-9]{10}")
_SEASON = re.compile(r"([0-9]{4})-([0-9]{2})")


def is_game_id(text: object) -> bool:
    """Whether ``text`` is a text of ten digits."""
    return isinstance(text, str) and _GAME_ID.fullmatch(text) is not None


def is_season(text: object) -> bool:
    """Whether ``text`` names two years in a row the way the league does: ``2023-24``."""
    match = _SEASON.fullmatch(text) if isinstance(text, str) else None
    return match is not None and (int(match[1]) + 1) % 100 == int(match[2])


def season_of(day: date) -> str:
    """The season that a day belongs to: a new one begins in August, when none is ever played."""
    first_year = day.year if day.month >= 8 else day.year - 1
    return season_name(first_year)


def season_name(first_year: int) -> str:
    """The season that begins in a year, for example ``2023-24``."""
    return f"{first_year}-{(first_year + 1) % 100:02d}"


def seasons_between(first: str, last: str) -> list[str]:
    """The seasons from one to another, both included."""
    return [season_name(year) for year in range(int(first[:4]), int(last[:4]) + 1)]


def check_season(season: str) -> str:
    """Return ``season`` if it is one.

    Raises:
        UsageError: Otherwise; it names ``--season`` and the form.
    """
    if not is_season(season):
        raise UsageError(f"--season: {season!r} is not a season. Fix: write it as 2023-24.")
    return season


def check_game_ids(game_ids: Iterable[str]) -> list[str]:
    """Return the ids once each, in the order given.

    Raises:
        UsageError: If one does not have ten digits; it names ``--games`` and that id.
    """
    checked = list(dict.fromkeys(game_ids))
    for game_id in checked:
        if not is_game_id(game_id):
            raise UsageError(
                f"--games: {game_id!r} is not a game id. Fix: write its ten digits, "
                "for example 0022300061."
            )
    return checked
