"""Check what arrived before it is stored: damaged payloads are told apart from unfamiliar ones.

A payload passes when it is JSON that Postgres can hold, belongs to the game it claims, and has
readable values in the few fields that SQL relies on (``ingestion.nba.fields``). Everything else is
the source's own: both forms of the play-by-play, unknown keys and new ``actionType`` values pass
unchanged. Every kind of damage has a reason code, which the quarantine counts by, and a sentence
that names the field.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from ingestion.nba.damage import PayloadError
from ingestion.nba.fields import check_actions, check_box_score, check_events_v2
from ingestion.nba.fixture_content import fixture_content
from ingestion.nba.games import is_game_id, is_season

__all__ = ["MAX_BODY_BYTES", "Payload", "PayloadError", "Resource", "read_payload"]

Resource = Literal[
    "schedule",
    "playbyplay",
    "boxscore",
    "playbyplayv3",
    "boxscoretraditionalv3",
    "playbyplayv2",
]
"""The league's own names: the schedule; the CDN's live data; the stats service, which is the second
source (v3) and the only one for seasons before the CDN (v2)."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Larger bodies are refused: the longest game is below 1 MB, a season's schedule below 4 MB."""

_GZIP_MARK = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
# orjson reads such a number as 0.0; Postgres keeps every digit and refuses it ("value overflows
# numeric format")
_TINY_NUMBER = re.compile(rb"[eE]-0*[1-9][0-9]{4,}")


@dataclass(frozen=True)
class Payload:
    """A payload that passed.

    Attributes:
        resource: What it is.
        key: Game id; season of a schedule.
        text: The JSON as sent, UTF-8, uncompressed, with its envelope ``meta``.
        content_hash: SHA-256 (hex) of the canonical JSON without ``meta``, whose ``time`` changes
            with every fetch; of a schedule, of its fixtures alone.
        source_time: ``meta.time`` as sent, None where absent.
        game_status: Of a box score: 1 not started, 2 live, 3 final; None where it is not told.
        is_empty: Whether it is a play-by-play without any action.
    """

    resource: Resource
    key: str
    text: bytes
    content_hash: str
    source_time: str | None
    game_status: int | None
    is_empty: bool = False


def read_payload(resource: Resource, key: str | None, body: bytes, *, is_gzip: bool) -> Payload:
    """Check a body as it arrived.

    Args:
        resource: What it should be.
        key: The game id that its address or file name promises; None for a schedule, which names
            its own season.
        body: The bytes as received, gzip or not.
        is_gzip: Whether the sender or the file's name says that it is gzip; gzip is recognised
            without it as well.

    Returns:
        The payload.

    Raises:
        PayloadError: With one of the reasons ``malformed_game_id``, ``empty_body``,
            ``gzip_damaged``, ``too_large``, ``invalid_utf8``, ``html_page``, ``truncated_json``,
            ``not_json``, ``nul_character``, ``number_out_of_range``, ``wrong_shape``,
            ``game_id_mismatch``; of a game's fields ``malformed_action``, ``malformed_number``,
            ``duplicate_number``, ``malformed_period``, ``malformed_clock``,
            ``clock_out_of_range``, ``malformed_score``, ``malformed_id``, ``same_team_twice``,
            ``duplicate_player``, ``malformed_minutes``, ``malformed_time``,
            ``unknown_time_zone``, ``missing_columns``.
    """
    if resource != "schedule" and not is_game_id(key):
        raise PayloadError(
            "malformed_game_id", f"{key!r} in the name is not a game id (ten digits)"
        )
    text = _plain_text(body, is_gzip)
    document = _parse(text)
    _refuse_what_postgres_cannot_hold(text, document)
    # the envelope is no content: its time changes with every fetch
    meta = document.pop("meta", None)
    if resource == "schedule":
        key = _check_schedule(document)
        status = None
        document = fixture_content(document)
    else:
        status = _check_game(resource, str(key), document)
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    time = meta.get("time") if isinstance(meta, dict) else None
    return Payload(
        resource=resource,
        key=str(key),
        text=text,
        content_hash=hashlib.sha256(canonical).hexdigest(),
        source_time=time if isinstance(time, str) else None,
        game_status=status,
        is_empty=_is_empty(document),
    )


def _is_empty(document: dict[str, Any]) -> bool:
    """Whether a play-by-play has no action; in no other resource is a list of that name."""
    game = document.get("game", {})
    if isinstance(game, dict) and game.get("actions") == []:
        return True
    tables = document.get("resultSets")
    return isinstance(tables, list) and not any(table["rowSet"] for table in tables)


def _plain_text(body: bytes, is_gzip: bool) -> bytes:
    if not body:
        raise PayloadError("empty_body", "the body is empty")
    if body.startswith(_GZIP_MARK):
        body = _decompress(body)
    elif is_gzip:
        raise PayloadError("gzip_damaged", "the body does not begin with the mark of gzip")
    if len(body) > MAX_BODY_BYTES:
        raise PayloadError("too_large", f"the body has more than {MAX_BODY_BYTES:,} bytes")
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise PayloadError("empty_body", "the body holds nothing but white space")
    return body


def _decompress(body: bytes) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)  # 31: gzip with its header and checksum
    try:
        text = decompressor.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise PayloadError("gzip_damaged", f"the gzip stream is damaged: {error}") from error
    if not decompressor.eof and len(text) <= MAX_BODY_BYTES:
        raise PayloadError(
            "gzip_damaged", f"the gzip stream ends early, after {len(text):,} bytes of text"
        )
    return text


def _parse(text: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _why_not_json(text, error) from error
    if not isinstance(document, dict):
        raise PayloadError("wrong_shape", f"the top level is {_kind(document)}, not an object")
    return document


def _why_not_json(text: bytes, error: orjson.JSONDecodeError) -> PayloadError:
    is_cut = "unexpected end of data" in error.msg
    try:
        characters = text.decode("utf-8")
    except UnicodeDecodeError as undecodable:
        # a cut inside a character is a cut, not a wrong encoding
        if undecodable.reason != "unexpected end of data":
            return PayloadError(
                "invalid_utf8", f"byte {undecodable.start:,} is not UTF-8: {undecodable.reason}"
            )
        is_cut = True
        characters = text[: undecodable.start].decode("utf-8")
    start = characters.lstrip()[:200].lower()
    if start.startswith("<"):
        return PayloadError("html_page", f"the body is markup that begins with {start[:40]!r}")
    if is_cut and start.startswith(("{", "[")):
        return PayloadError(
            "truncated_json", f"the JSON ends early, after {len(text):,} bytes: {error.msg}"
        )
    return PayloadError("not_json", f"the body is not JSON: {error}")


def _refuse_what_postgres_cannot_hold(text: bytes, document: dict[str, Any]) -> None:
    # plain searches over the whole body; the exact look is for the few bodies that match
    if b"\\u0000" in text and (place := _place_of_nul(document, "")) is not None:
        raise PayloadError("nul_character", f"{place} holds a NUL character, which jsonb refuses")
    if _may_have_tiny_number(text) and (found := _TINY_NUMBER.search(_JSON_TEXT.sub(b"", text))):
        raise PayloadError(
            "number_out_of_range",
            f"a number ends in {found[0].decode()}, which is smaller than jsonb can hold",
        )


def _may_have_tiny_number(text: bytes) -> bool:
    # a search for "[eE]-[0-9]" costs more than parsing the JSON; these two take a tenth of that
    for sign in (b"e-", b"E-"):
        place = text.find(sign)
        while place >= 0:
            if text[place + 2 : place + 3].isdigit():
                return True
            place = text.find(sign, place + 2)
    return False


def _place_of_nul(value: object, path: str) -> str | None:
    """Path of the first text or key with a NUL character, None without one."""
    if isinstance(value, str):
        return (path or "the payload") if "\x00" in value else None
    if isinstance(value, dict):
        for name, item in value.items():
            if "\x00" in name:
                return f"a key of {path or 'the payload'}"
            if (place := _place_of_nul(item, f"{path}.{name}" if path else name)) is not None:
                return place
    if isinstance(value, list):
        for index, item in enumerate(value):
            if (place := _place_of_nul(item, f"{path}[{index}]")) is not None:
                return place
    return None


def _check_game(resource: Resource, key: str, content: dict[str, Any]) -> int | None:
    """Check a game's payload and return ``game.gameStatus``, None where it is not told."""
    if resource == "playbyplayv2":
        _check_play_by_play_v2(key, content)
        return None
    name = "boxScoreTraditional" if resource == "boxscoretraditionalv3" else "game"
    game = _member(content, name, dict)
    _check_game_id(f"{name}.gameId", _member(game, f"{name}.gameId", str), key)
    if resource in ("boxscore", "boxscoretraditionalv3"):
        for side in ("homeTeam", "awayTeam"):
            _objects(_member(game, f"{name}.{side}", dict), f"{name}.{side}.players")
        check_box_score(game, name, is_v3=resource == "boxscoretraditionalv3")
        return game["gameStatus"] if resource == "boxscore" else None
    check_actions(_objects(game, "game.actions"), is_v3=resource == "playbyplayv3")
    return None


def _check_game_id(path: str, game_id: object, key: str) -> None:
    if not is_game_id(game_id):
        raise PayloadError("malformed_game_id", f"{path} is {game_id!r}, not ten digits")
    if game_id != key:
        raise PayloadError("game_id_mismatch", f"{path} is {game_id}, but the name says game {key}")


def _check_play_by_play_v2(key: str, content: dict[str, Any]) -> None:
    """Check the table form of the older stats service: names of columns, then rows of values."""
    parameters = _member(content, "parameters", dict)
    _check_game_id("parameters.GameID", _member(parameters, "parameters.GameID", str), key)
    for index, table in enumerate(_objects(content, "resultSets")):
        path = f"resultSets[{index}]"
        headers = _member(table, f"{path}.headers", list)
        for row_index, row in enumerate(_member(table, f"{path}.rowSet", list)):
            if not isinstance(row, list) or len(row) != len(headers):
                raise PayloadError(
                    "wrong_shape",
                    f"{path}.rowSet[{row_index}] does not have the {len(headers)} values that "
                    f"{path}.headers names",
                )
    tables = content["resultSets"]
    if not tables or tables[0].get("name") != "PlayByPlay":
        raise PayloadError("wrong_shape", "resultSets[0] is not the table PlayByPlay")
    check_events_v2(key, tables[0]["headers"], tables[0]["rowSet"], "resultSets[0]")


def _check_schedule(content: dict[str, Any]) -> str:
    """Check a schedule and return its season."""
    schedule = _member(content, "leagueSchedule", dict)
    season: str = _member(schedule, "leagueSchedule.seasonYear", str)
    if not is_season(season):
        raise PayloadError(
            "wrong_shape", f"leagueSchedule.seasonYear is {season!r}, not a season such as 2023-24"
        )
    dates_path = "leagueSchedule.gameDates"
    for date_index, game_date in enumerate(_objects(schedule, dates_path)):
        date_path = f"{dates_path}[{date_index}]"
        for index, game in enumerate(_objects(game_date, f"{date_path}.games")):
            path = f"{date_path}.games[{index}]"
            if not is_game_id(game.get("gameId")):
                raise PayloadError(
                    "malformed_game_id", f"{path}.gameId is {game.get('gameId')!r}, not ten digits"
                )
            _member(game, f"{path}.gameStatus", int)
    return season


def _objects(parent: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """The list of objects at the last name of ``path`` in ``parent``."""
    found: list[dict[str, Any]] = _member(parent, path, list)
    for index, item in enumerate(found):
        if not isinstance(item, dict):
            raise PayloadError("wrong_shape", f"{path}[{index}] is {_kind(item)}, not an object")
    return found


def _member(parent: dict[str, Any], path: str, kind: type) -> Any:
    """The value at the last name of ``path`` in ``parent``, of the wanted type."""
    name = path.rpartition(".")[2]
    if name not in parent:
        raise PayloadError("wrong_shape", f"{path} is missing")
    value = parent[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise PayloadError("wrong_shape", f"{path} is {_kind(value)}, not {_KINDS[kind]}")
    return value


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS[type(value)]
