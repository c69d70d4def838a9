"""Which games a schedule payload says are to be fetched."""

from __future__ import annotations

import re
from datetime import date, datetime

import orjson

from ingestion.nba.games import PLAYED_FOR_RECORD
from ingestion.nba.payloads import Payload

_FINAL = 3


def final_games(schedule: Payload, since: date | None) -> list[str]:
    """Ids of the games that are over and count: no preseason, no all-star game.

    Args:
        schedule: A schedule that passed :func:`ingestion.nba.payloads.read_payload`.
        since: Leave out games of an earlier date (US Eastern, the league's own), None for all.

    Returns:
        Ids, each once, in the schedule's order. A game without a readable date is kept: fetching it
        once too often costs little, missing it costs a game.
    """
    chosen: dict[str, None] = {}
    content = orjson.loads(schedule.text)
    for game_date in content["leagueSchedule"]["gameDates"]:
        for game in game_date["games"]:
            if game["gameStatus"] != _FINAL or game["gameId"][2] not in PLAYED_FOR_RECORD:
                continue
            played = _date(game.get("gameDateEst")) or _date(game_date.get("gameDate"))
            if since is None or played is None or played >= since:
                chosen[game["gameId"]] = None
    return list(chosen)


def _date(text: object) -> date | None:
    """The date of ``2023-10-24T00:00:00Z`` or of ``10/24/2023 00:00:00``, None of anything else."""
    if not isinstance(text, str):
        return None
    form = "%m/%d/%Y" if re.match(r"\d\d/", text) else "%Y-%m-%d"
    try:
        return datetime.strptime(text[:10], form).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None
