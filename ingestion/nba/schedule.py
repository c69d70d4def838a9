"""What a schedule payload says about games: which there are, when, and how far they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

import orjson

from ingestion.nba.fixture_content import is_called_off
from ingestion.nba.games import PLAYED_FOR_RECORD
from ingestion.nba.payloads import Payload

NOT_STARTED = 1
LIVE = 2
FINAL = 3

FLAGGED = frozenset("PY")


@dataclass(frozen=True)
class Fixture:
    """One game of a schedule.

    Attributes:
        game_id: Ten digits.
        status: 1 not started, 2 live, 3 final.
        tipoff_at: Scheduled start, aware; None where it is open or not told.
        played_on: The league's own date (US Eastern), None where it is not told.
        is_postponed: Whether it is postponed or cancelled. Such a game may be listed as final,
            without a score.
    """

    game_id: str
    status: int
    tipoff_at: datetime | None
    played_on: date | None
    is_postponed: bool


def fixtures(schedule: Payload) -> list[Fixture]:
    """The games that count: no preseason, no all-star game.

    Args:
        schedule: A schedule that passed :func:`ingestion.nba.payloads.read_payload`.

    Returns:
        Each game once, in the schedule's order; of a game listed twice, as while it is being moved,
        the later entry.
    """
    found: dict[str, Fixture] = {}
    listed = [
        (game_date, game)
        for game_date in orjson.loads(schedule.text)["leagueSchedule"]["gameDates"]
        for game in game_date["games"]
        if game["gameId"][2] in PLAYED_FOR_RECORD
    ]
    # the letter has been seen on every game of a season: then it says nothing
    flagged = {game["gameId"] for _, game in listed if game.get("postponedStatus") in FLAGGED}
    if 2 * len(flagged) > len(listed):
        flagged = set()
    for game_date, game in listed:
        found[game["gameId"]] = Fixture(
            game_id=game["gameId"],
            status=game["gameStatus"],
            tipoff_at=moment(game.get("gameDateTimeUTC")),
            played_on=_date(game.get("gameDateEst")) or _date(game_date.get("gameDate")),
            is_postponed=game["gameId"] in flagged or is_called_off(game),
        )
    return list(found.values())


def _date(text: object) -> date | None:
    """The date of ``2023-10-24T00:00:00Z`` or of ``10/24/2023 00:00:00``, None of anything else."""
    if not isinstance(text, str):
        return None
    form = "%m/%d/%Y" if re.match(r"\d\d/", text) else "%Y-%m-%d"
    try:
        return datetime.strptime(text[:10], form).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None


def moment(text: object) -> datetime | None:
    """The moment of ``2023-10-24T23:30:00Z``, None of anything else."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
