"""The fields of a game's payload that SQL relies on.

Staging casts them for all games in one statement, so a single ``"clock": "4:59"`` would stop the
build of every game. What is checked here is what would stop it, double a row or join the wrong one;
every other field is read by casts that give null for what they cannot read, and never refuses a
payload. What contradicts itself but can be read (a score that falls, a missing play) passes too:
SQL repairs it or flags the game.

A field is looked at as a column, over all actions or players at once and each distinct value once:
a game of 500 actions takes less than a millisecond.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from types import NoneType
from typing import Any

from ingestion.nba.damage import PayloadError

MAX_PERIOD = 14
"""Four quarters and ten overtimes; the longest game ever had six."""

_QUARTER_SECONDS, _OVERTIME_SECONDS = 720, 300
_MAX_INTEGER = 2**31 - 1  # Postgres' integer, which order and action numbers become
_MAX_ID = 2**63 - 1
_MAX_SCORE = 999  # three digits; the record is 186
_LONGEST_VALUE = 60

_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}")
_CLOCK = re.compile(r"PT([0-9]{1,2})M([0-5]?[0-9](?:\.[0-9]{1,2})?)S")
_CLOCK_V2 = re.compile(r"([0-9]{1,2}):([0-5][0-9])")
_MINUTES = re.compile(r"PT[0-9]{1,3}M[0-5]?[0-9](\.[0-9]{1,2})?S")
_MINUTES_V3 = re.compile(r"([0-9]{1,3}:[0-5][0-9])?")
_SCORE_V2 = re.compile(r"[0-9]{1,3} - [0-9]{1,3}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})")


@dataclass(frozen=True)
class Field:
    """A field and the values that SQL can read.

    Attributes:
        name: Key in the JSON, or name of the column of a table.
        reason: Code of the damage, for the quarantine.
        expected: What a good value is, in words.
        kinds: The JSON types it may have; ``NoneType`` where it may be null or absent.
        is_good: Whether a value of such a type can be read; not asked about null.
        is_unique: Whether no two records of the game may have the same value.
    """

    name: str
    reason: str
    expected: str
    kinds: frozenset[type]
    is_good: Callable[[Any], bool]
    is_unique: bool = False

    def accepts(self, value: object) -> bool:
        """Whether a value can be read."""
        # the exact type: True is an int to Python, and 5.0 equals 5
        return type(value) in self.kinds and (value is None or self.is_good(value))

    def check(self, values: Sequence[Any], place: Callable[[int], str]) -> None:
        """Check this field of many records at once.

        Args:
            values: Its value in each record, None where it is absent.
            place: Path of a record in the payload, for example ``game.actions[17]``.

        Raises:
            PayloadError: Names the first bad value and its place.
        """
        kinds = set(map(type, values))
        if kinds <= self.kinds:
            distinct = set(values)
            distinct.discard(None)
            if all(map(self.is_good, distinct)):
                # 7 and "7" are the same number to SQL
                if self.is_unique and (str in kinds or len(distinct) < len(values)):
                    self._check_unique([int(value) for value in values], place)
                return
        for index, value in enumerate(values):
            if not self.accepts(value):
                said = "missing or null" if value is None else _shortened(value)
                raise PayloadError(
                    self.reason, f"{place(index)}.{self.name} is {said}, expected {self.expected}"
                )

    def _check_unique(self, numbers: Sequence[int], place: Callable[[int], str]) -> None:
        first: dict[int, int] = {}
        for index, number in enumerate(numbers):
            if (earlier := first.setdefault(number, index)) != index:
                raise PayloadError(
                    "duplicate_number",
                    f"{place(index)}.{self.name} is {number}, as in {place(earlier)}; "
                    "expected a number of its own",
                )


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _whole(maximum: int, minimum: int = 0) -> Callable[[Any], bool]:
    def is_good(value: int | str) -> bool:
        if isinstance(value, str):
            return _DIGITS.fullmatch(value) is not None and minimum <= int(value) <= maximum
        return minimum <= value <= maximum

    return is_good


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda text: pattern.fullmatch(text) is not None


# A season has some 1,300 distinct clocks, so nearly every one is known already.
@lru_cache(maxsize=8192)
def _clock_seconds(text: str) -> float | None:
    """Seconds left by a clock such as ``PT04M59.00S``, None where it is none."""
    match = _CLOCK.fullmatch(text)
    return None if match is None else int(match[1]) * 60 + float(match[2])


@lru_cache(maxsize=1024)
def _clock_seconds_v2(text: str) -> float | None:
    """Seconds left by a clock such as ``4:59``, None where it is none."""
    match = _CLOCK_V2.fullmatch(text)
    return None if match is None else int(match[1]) * 60 + int(match[2])


@cache
def _is_zone(text: str) -> bool:
    return text in zoneinfo.available_timezones()


def _is_time(text: str) -> bool:
    if _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_TEXT, _NUMBER_OR_TEXT, _NOTHING = frozenset({str}), frozenset({int, str}), frozenset({NoneType})


def _number(name: str, *, is_unique: bool = False) -> Field:
    return Field(
        name,
        "malformed_number",
        "a whole number",
        _NUMBER_OR_TEXT,
        _whole(_MAX_INTEGER),
        is_unique,
    )


def _id(name: str, *, may_be_absent: bool = True) -> Field:
    kinds = _NUMBER_OR_TEXT | _NOTHING if may_be_absent else _NUMBER_OR_TEXT
    return Field(name, "malformed_id", "an id of the league (digits)", kinds, _whole(_MAX_ID))


def _count(name: str) -> Field:
    return Field(
        name,
        "malformed_number",
        "a whole number of 0 or more, or nothing",
        _NUMBER_OR_TEXT | _NOTHING,
        _whole(_MAX_SCORE),
    )


def _score(name: str, *, may_be_empty: bool = False) -> Field:
    is_score = _whole(_MAX_SCORE)
    if may_be_empty:
        return Field(
            name,
            "malformed_score",
            "a score, or an empty text where nobody scored",
            _NUMBER_OR_TEXT | _NOTHING,
            lambda value: value == "" or is_score(value),
        )
    return Field(name, "malformed_score", "the score after the action", _NUMBER_OR_TEXT, is_score)


_ACTION_TYPE = Field("actionType", "malformed_action", "a text", _TEXT, lambda _: True)
_PERIOD = Field(
    "period",
    "malformed_period",
    f"a whole number from 1 to {MAX_PERIOD}",
    _NUMBER_OR_TEXT,
    _whole(MAX_PERIOD, 1),
)
_ISO_CLOCK = Field(
    "clock",
    "malformed_clock",
    "the time left, such as PT04M59.00S",
    _TEXT,
    lambda text: _clock_seconds(text) is not None,
)

_ACTION_FIELDS = (
    _ACTION_TYPE,
    _number("actionNumber", is_unique=True),
    _number("orderNumber", is_unique=True),
    _PERIOD,
    _ISO_CLOCK,
    _score("scoreHome"),
    _score("scoreAway"),
    _id("teamId"),
    _id("personId"),
    _id("possession"),
    _id("assistPersonId"),
    _id("blockPersonId"),
    _id("stealPersonId"),
    _id("foulDrawnPersonId"),
)
# the order is that of the array; one actionNumber can stand on two rows (a shot and its block)
_ACTION_FIELDS_V3 = (
    _ACTION_TYPE,
    _number("actionNumber"),
    _PERIOD,
    _ISO_CLOCK,
    _score("scoreHome", may_be_empty=True),
    _score("scoreAway", may_be_empty=True),
    _id("teamId"),
    _id("personId"),
)

_EVENT_FIELDS_V2 = (
    # real games repeat an EVENTNUM; the order is that of the rows
    _number("EVENTNUM"),
    _number("EVENTMSGTYPE"),
    Field("PERIOD", "malformed_period", _PERIOD.expected, frozenset({int}), _whole(MAX_PERIOD, 1)),
    Field(
        "PCTIMESTRING",
        "malformed_clock",
        "the time left, such as 4:59",
        _TEXT,
        lambda text: _clock_seconds_v2(text) is not None,
    ),
    Field(
        "SCORE",
        "malformed_score",
        "a score such as 98 - 101, or null where nobody scored",
        _TEXT | _NOTHING,
        _matches(_SCORE_V2),
    ),
    *(_id(f"PLAYER{number}_{suffix}") for number in (1, 2, 3) for suffix in ("ID", "TEAM_ID")),
)
_OTHER_COLUMNS_V2 = (
    "GAME_ID",
    "EVENTMSGACTIONTYPE",
    "HOMEDESCRIPTION",
    "NEUTRALDESCRIPTION",
    "VISITORDESCRIPTION",
    *(f"PERSON{number}TYPE" for number in (1, 2, 3)),
    *(f"PLAYER{number}_NAME" for number in (1, 2, 3)),
    *(f"PLAYER{number}_TEAM_ABBREVIATION" for number in (1, 2, 3)),
)

_GAME_FIELDS = (
    Field(
        "gameStatus",
        "malformed_number",
        "1 (not started), 2 (live) or 3 (final)",
        frozenset({int}),
        lambda status: 0 < status < 4,
    ),
    Field(
        "gameTimeUTC",
        "malformed_time",
        "a time such as 2023-10-24T23:30:00Z",
        _TEXT | _NOTHING,
        _is_time,
    ),
)
_ZONE = Field(
    "arenaTimezone",
    "unknown_time_zone",
    "a time zone such as America/New_York",
    _TEXT | _NOTHING,
    _is_zone,
)
_TEAM_FIELDS = (_id("teamId", may_be_absent=False), _count("score"))
_POINTS = _count("points")
_PERSON_ID = _id("personId", may_be_absent=False)
_COUNTS = (
    "points",
    "fieldGoalsMade",
    "fieldGoalsAttempted",
    "threePointersMade",
    "threePointersAttempted",
    "freeThrowsMade",
    "freeThrowsAttempted",
    "reboundsOffensive",
    "reboundsDefensive",
    "assists",
    "turnovers",
    "steals",
    "blocks",
    "foulsPersonal",
)
_STATISTICS = (
    *map(_count, _COUNTS),
    Field(
        "plusMinusPoints",
        "malformed_number",
        "a number, or nothing",
        frozenset({int, float, NoneType}),
        lambda points: abs(points) <= _MAX_SCORE,
    ),
)
_PLAYED = Field(
    "minutes",
    "malformed_minutes",
    "the time played, such as PT30M07.93S, or nothing",
    _TEXT | _NOTHING,
    _matches(_MINUTES),
)
_PLAYED_V3 = Field(
    "minutes",
    "malformed_minutes",
    "the time played, such as 30:07, or nothing",
    _TEXT | _NOTHING,
    _matches(_MINUTES_V3),
)


def check_actions(actions: Sequence[dict[str, Any]], *, is_v3: bool) -> None:
    """Check ``game.actions`` of a play-by-play, of the CDN or of the stats service (v3).

    Raises:
        PayloadError: Names the action and the field.
    """

    def place(index: int) -> str:
        return f"game.actions[{index}]"

    _check_records(_ACTION_FIELDS_V3 if is_v3 else _ACTION_FIELDS, actions, place)
    _check_clock_range(
        [action["period"] for action in actions],
        [action["clock"] for action in actions],
        _clock_seconds,
        lambda index: f"{place(index)}.clock",
    )


def check_events_v2(
    game_id: str, headers: Sequence[object], rows: Sequence[Sequence[Any]], path: str
) -> None:
    """Check the table ``PlayByPlay`` of the older stats service.

    Args:
        game_id: The game that every row must name.
        headers: Names of the columns.
        rows: The rows, each with as many values as there are names.
        path: Path of the table in the payload.

    Raises:
        PayloadError: Names the row and the column.
    """
    if not rows:
        return  # what the service says of a game that it does not have
    position = {name: index for index, name in enumerate(headers) if isinstance(name, str)}
    needed = (*(field.name for field in _EVENT_FIELDS_V2), *_OTHER_COLUMNS_V2)
    if absent := [name for name in needed if name not in position]:
        raise PayloadError("missing_columns", f"{path}.headers lacks {', '.join(absent)}")

    def column(name: str) -> list[Any]:
        index = position[name]
        return [row[index] for row in rows]

    def place(index: int) -> str:
        return f"{path}.rowSet[{index}]"

    for index, named in enumerate(column("GAME_ID")):
        if named != game_id:
            raise PayloadError(
                "game_id_mismatch",
                f"{place(index)}.GAME_ID is {_shortened(named)}, but the name says game {game_id}",
            )
    for field in _EVENT_FIELDS_V2:
        field.check(column(field.name), place)
    _check_clock_range(
        column("PERIOD"),
        column("PCTIMESTRING"),
        _clock_seconds_v2,
        lambda index: f"{place(index)}.PCTIMESTRING",
    )


def check_box_score(game: dict[str, Any], path: str, *, is_v3: bool) -> None:
    """Check the content of a box score, of the CDN or of the stats service (v3).

    Args:
        game: The object at ``path``; its ``homeTeam`` and ``awayTeam`` have lists ``players``.
        path: ``game`` or ``boxScoreTraditional``.
        is_v3: Whether it is of the stats service.

    Raises:
        PayloadError: Names the player or team and the field.
    """
    if not is_v3:
        _check_records(_GAME_FIELDS, [game], lambda _: path)
        arena = game.get("arena")
        if isinstance(arena, dict):
            _check_records([_ZONE], [arena], lambda _: f"{path}.arena")
    sides = ("homeTeam", "awayTeam")
    teams = [game[side] for side in sides]
    _check_records(_TEAM_FIELDS, teams, lambda index: f"{path}.{sides[index]}")
    if int(teams[0]["teamId"]) == int(teams[1]["teamId"]):
        raise PayloadError(
            "same_team_twice",
            f"{path}.awayTeam.teamId is {teams[1]['teamId']}, as in {path}.homeTeam; "
            "expected two teams",
        )
    # the score of the CDN stands beside the team, that of the stats service among its statistics
    totals = [found if isinstance(found := team.get("statistics"), dict) else {} for team in teams]
    _check_records([_POINTS], totals, lambda index: f"{path}.{sides[index]}.statistics")
    players: list[dict[str, Any]] = []
    places: list[str] = []
    for side, team in zip(sides, teams, strict=True):
        players += team["players"]
        places += [f"{path}.{side}.players[{index}]" for index in range(len(team["players"]))]
    _check_players(players, places, _PLAYED_V3 if is_v3 else _PLAYED)


def _check_players(players: list[dict[str, Any]], places: list[str], played: Field) -> None:
    for player, place in zip(players, places, strict=True):
        if not isinstance(player.get("statistics", {}), dict):
            raise PayloadError("wrong_shape", f"{place}.statistics is not an object")
    _check_records([_PERSON_ID], players, places.__getitem__)
    first: dict[int, int] = {}
    for index, player in enumerate(players):
        if (earlier := first.setdefault(int(player["personId"]), index)) != index:
            raise PayloadError(
                "duplicate_player",
                f"{places[index]}.personId is {player['personId']}, as in {places[earlier]}; "
                "expected every player once",
            )
    _check_records(
        [*_STATISTICS, played],
        [player.get("statistics", {}) for player in players],
        lambda index: f"{places[index]}.statistics",
    )


def _check_records(
    fields: Iterable[Field], records: Sequence[dict[str, Any]], place: Callable[[int], str]
) -> None:
    for field in fields:
        name = field.name
        field.check([record.get(name) for record in records], place)


def _check_clock_range(
    periods: Sequence[int | str],
    clocks: Sequence[str],
    seconds: Callable[[str], float | None],
    place: Callable[[int], str],
) -> None:
    """Check that no clock, each of a readable form, exceeds the length of its period."""
    moments = list(zip(periods, clocks, strict=True))
    for moment in set(moments):
        period, clock = moment
        length = _QUARTER_SECONDS if int(period) <= 4 else _OVERTIME_SECONDS
        if (seconds(clock) or 0) > length:
            raise PayloadError(
                "clock_out_of_range",
                f"{place(moments.index(moment))} is {clock}, expected at most the "
                f"{length // 60} minutes of period {period}",
            )
