"""Which games there are: the league's schedules, by static file and by the stats service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ingestion.errors import ClutchError, SettingError, UsageError
from ingestion.nba.games import season_of, seasons_between
from ingestion.nba.league import League
from ingestion.nba.payloads import Payload, PayloadError, read_payload
from ingestion.nba.schedule import Fixture, fixtures
from ingestion.nba.source import Arrival

_EASTERN_BEHIND_UTC = timedelta(hours=5)


@dataclass
class Schedules:
    """What the schedules say.

    Attributes:
        fixtures: The games asked for.
        arrivals: The schedules as they came, to be stored.
        damage: What to raise when those are stored, None if all were good.
    """

    fixtures: list[Fixture] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    damage: ClutchError | None = None


def read_schedules(
    league: League, seasons: Sequence[str], since: date | None, now: datetime
) -> Schedules:
    """Ask for the schedules of some seasons.

    The static file is of the season in play and is asked first; any other season, or that one when
    the file is not to be had, comes from the stats service.

    Args:
        league: The services.
        seasons: For example ``["2023-24"]``; empty for the seasons from ``since`` to the one in
            play.
        since: Leave out games of an earlier date (US Eastern, the league's own). A game without a
            date is kept: fetching it once too often costs little, missing it costs a game.
        now: Time of the run (aware).

    Raises:
        SettingError: If neither host can be reached.
        UsageError: If the league has no schedule of a season that was asked for.
    """
    found = Schedules()
    arrival = league.schedule_in_play()
    in_play = _read(arrival, found)
    payloads = {} if in_play is None else {in_play.key: in_play}
    newest = season_of((now - _EASTERN_BEHIND_UTC).date()) if in_play is None else in_play.key
    for season in seasons or seasons_between(season_of(since or now.date()), newest):
        if season in payloads:
            continue
        of_season = league.schedule_of(season)
        payload = _read(of_season, found)
        if payload is None or payload.key != season:
            if found.damage is None:
                raise _not_to_be_had(season, league, arrival, of_season, in_play)
            continue
        payloads[season] = payload
    for season in sorted(payloads):
        if seasons and season not in seasons:
            continue
        found.fixtures += [
            fixture
            for fixture in fixtures(payloads[season])
            if since is None or fixture.played_on is None or fixture.played_on >= since
        ]
    if seasons and all(season in payloads for season in seasons):
        found.damage = None  # a damaged schedule of no season that was asked for is in quarantine
    return found


def _read(arrival: Arrival, found: Schedules) -> Payload | None:
    """The schedule that arrived, None without one; what is damaged is noted."""
    if arrival.body is None or arrival.failure is not None:
        return None
    found.arrivals.append(arrival)
    try:
        return read_payload("schedule", None, arrival.body, is_gzip=arrival.is_gzip)
    except PayloadError as error:
        found.damage = ClutchError(
            f"the schedule {arrival.origin} is damaged: {error.detail}. "
            "Fix: try again later, or name the games with --games."
        )
        return None


def _not_to_be_had(
    season: str, league: League, static: Arrival, of_season: Arrival, in_play: Payload | None
) -> ClutchError:
    """What to say when there is no schedule of a season."""
    why = of_season.failure.detail if of_season.failure else "it is of another season"
    if in_play is None:
        failure = static.failure or PayloadError("unavailable", "no answer")
        return SettingError(
            "NBA_CDN_BASE_URL",
            f"no schedule from {league.cdn.base_url}: {failure.detail}; "
            f"and none of {season} from NBA_STATS_BASE_URL: {why}",
            "check the addresses and NBA_STATS_USER_AGENT, or try again later",
        )
    return UsageError(
        f"--season: {league.cdn.base_url} offers only season {in_play.key}, and NBA_STATS_BASE_URL "
        f"has none of {season}: {why}. Fix: ask for --season {in_play.key}, name games of {season} "
        "with --games, or ingest saved files with --from."
    )
