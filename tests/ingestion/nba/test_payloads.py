"""Damage is told apart from what is merely unfamiliar, with a reason and a sentence."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from ingestion.nba.payloads import MAX_BODY_BYTES, PayloadError, Resource, read_payload
from tests.ingestion.nba.wire import FIRST, SEASON, SECOND, box_score, play_by_play, schedule


def _without(payload: dict[str, Any], *names: str) -> bytes:
    inner = payload
    for name in names[:-1]:
        inner = inner[name]
    del inner[names[-1]]
    return orjson.dumps(payload)


GOOD = orjson.dumps(play_by_play(FIRST))
BOX = orjson.dumps(box_score(FIRST))
SCHEDULE = orjson.dumps(schedule({FIRST: ("2039-11-01", 3)}))

DAMAGE: dict[str, tuple[Resource, bytes, str, str]] = {
    "empty": ("playbyplay", b"", "empty_body", "empty"),
    "blank": ("playbyplay", b" \n", "empty_body", "white space"),
    "truncated": ("playbyplay", GOOD[:-40], "truncated_json", f"{len(GOOD) - 40:,} bytes"),
    "cut in a character": (
        "playbyplay",
        GOOD[: GOOD.index("Ä".encode()) + 1],
        "truncated_json",
        "ends early",
    ),
    "text": ("boxscore", b"Too many requests", "not_json", "line 1"),
    "two documents": ("boxscore", BOX + b"{}", "not_json", "after document"),
    "html": ("boxscore", b"\n<!DOCTYPE html><html></html>", "html_page", "<!doctype"),
    "xml": ("boxscore", b"<?xml version='1.0'?><Error/>", "html_page", "<?xml"),
    "not UTF-8": (
        "playbyplay",
        GOOD.replace("Ä".encode(), b"\xc4"),
        "invalid_utf8",
        f"byte {GOOD.index('Ä'.encode()):,}",
    ),
    "lone surrogate": ("playbyplay", GOOD.replace(b"dunk", b"\\ud800"), "not_json", "surrogate"),
    "NUL in a text": (
        "playbyplay",
        GOOD.replace(b"dunk", b"\\u0000"),
        "nul_character",
        "game.actions[1].description",
    ),
    "NUL in a key": (
        "playbyplay",
        GOOD.replace(b"aKeyOfTomorrow", b"a\\u0000"),
        "nul_character",
        "a key of game.actions[1]",
    ),
    "tiny number": (
        "playbyplay",
        GOOD.replace(b"5.25", b"5e-20000"),
        "number_out_of_range",
        "e-20",
    ),
    "huge number": ("playbyplay", GOOD.replace(b"5.25", b"1e400"), "not_json", "infinity"),
    "a list": ("playbyplay", b"[]", "wrong_shape", "top level is a list"),
    "no game": ("playbyplay", b'{"meta": {}}', "wrong_shape", "game is missing"),
    "game is a list": ("boxscore", b'{"game": []}', "wrong_shape", "game is a list"),
    "no game id": ("boxscore", b'{"game": {}}', "wrong_shape", "game.gameId is missing"),
    "game id is a number": (
        "boxscore",
        BOX.replace(b'"0022390001"', b"22990001"),
        "wrong_shape",
        "game.gameId is a whole number",
    ),
    "short game id": (
        "boxscore",
        BOX.replace(b'"0022390001"', b'"229900"'),
        "malformed_game_id",
        "'229900'",
    ),
    "another game": (
        "boxscore",
        orjson.dumps(box_score(SECOND)),
        "game_id_mismatch",
        f"game.gameId is {SECOND}",
    ),
    "no actions": (
        "playbyplay",
        _without(play_by_play(FIRST), "game", "actions"),
        "wrong_shape",
        "game.actions is missing",
    ),
    "actions is an object": (
        "playbyplay",
        orjson.dumps({"game": {"gameId": FIRST, "actions": {}}}),
        "wrong_shape",
        "game.actions is an object, not a list",
    ),
    "an action is null": (
        "playbyplay",
        orjson.dumps({"game": {"gameId": FIRST, "actions": [{}, None]}}),
        "wrong_shape",
        "game.actions[1] is null",
    ),
    "no home team": (
        "boxscore",
        _without(box_score(FIRST), "game", "homeTeam"),
        "wrong_shape",
        "game.homeTeam is missing",
    ),
    "no away team": (
        "boxscore",
        _without(box_score(FIRST), "game", "awayTeam"),
        "wrong_shape",
        "game.awayTeam is missing",
    ),
    "no league schedule": ("schedule", b"{}", "wrong_shape", "leagueSchedule is missing"),
    "season is a year": (
        "schedule",
        SCHEDULE.replace(b'"2039-40"', b'"2099"'),
        "wrong_shape",
        "leagueSchedule.seasonYear is '2099'",
    ),
    "scheduled game id": (
        "schedule",
        SCHEDULE.replace(b"0022390001", b"22"),
        "malformed_game_id",
        "leagueSchedule.gameDates[0].games[0].gameId",
    ),
    "scheduled status": (
        "schedule",
        SCHEDULE.replace(b'"gameStatus":3', b'"gameStatus":"3"'),
        "wrong_shape",
        "games[0].gameStatus is a text",
    ),
    "damaged gzip": ("boxscore", b"\x1f\x8b" + b"x" * 30, "gzip_damaged", "damaged"),
    "cut gzip": ("boxscore", gzip.compress(BOX)[:-9], "gzip_damaged", "ends early"),
    "too large": ("boxscore", b" " * (MAX_BODY_BYTES + 1), "too_large", f"{MAX_BODY_BYTES:,}"),
    "gzip bomb": ("boxscore", gzip.compress(b" " * (MAX_BODY_BYTES + 1), 1), "too_large", "bytes"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_has_a_reason_and_names_its_place(name: str) -> None:
    resource, body, reason, words = DAMAGE[name]
    with pytest.raises(PayloadError) as caught:
        read_payload(resource, None if resource == "schedule" else FIRST, body, is_gzip=False)
    assert caught.value.reason == reason
    assert words in caught.value.detail


def test_plain_text_under_a_gzip_name_is_damage() -> None:
    with pytest.raises(PayloadError) as caught:
        read_payload("boxscore", FIRST, BOX, is_gzip=True)
    assert caught.value.reason == "gzip_damaged"


@pytest.mark.parametrize("key", ["1", "00223900012", "002239000x", "٠٠٢٢٩٩٠٠٠١"])
def test_a_malformed_id_in_the_name_is_damage(key: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read_payload("boxscore", key, BOX, is_gzip=False)
    assert caught.value.reason == "malformed_game_id"
    assert repr(key) in caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        gzip.compress(GOOD),
        b"\xef\xbb\xbf" + GOOD,
        orjson.dumps(play_by_play(FIRST, is_full=False)),
        orjson.dumps({"game": {"gameId": FIRST, "actions": []}}),
        # the characters of a NUL escape, but escaped, and a text that looks like a tiny number
        GOOD.replace(b"dunk", b"\\\\u0000 1e-99999"),
    ],
)
def test_unfamiliar_but_sound_payloads_pass(body: bytes) -> None:
    payload = read_payload("playbyplay", FIRST, body, is_gzip=False)
    assert payload.key == FIRST
    orjson.loads(payload.text)


def test_the_hash_leaves_out_the_envelope_and_the_order_of_keys_only() -> None:
    def content_hash(payload: dict[str, Any]) -> str:
        return read_payload("playbyplay", FIRST, orjson.dumps(payload), is_gzip=False).content_hash

    fetched_once = play_by_play(FIRST, time="2039-11-01 01:00:00.0")
    fetched_again = play_by_play(FIRST, time="2039-12-24 20:00:00.0")
    reordered = {"game": dict(reversed(fetched_once["game"].items()))}
    assert content_hash(fetched_once) == content_hash(fetched_again) == content_hash(reordered)
    assert content_hash(play_by_play(FIRST, points=3)) != content_hash(fetched_once)


def test_what_is_told_about_a_payload() -> None:
    box = read_payload("boxscore", FIRST, orjson.dumps(box_score(FIRST, status=2)), is_gzip=False)
    assert (box.game_status, box.source_time) == (2, "2039-11-01 01:00:01.0")
    sparse = orjson.dumps(play_by_play(FIRST, is_full=False))
    assert read_payload("playbyplay", FIRST, sparse, is_gzip=False).source_time is None
    assert read_payload("schedule", None, SCHEDULE, is_gzip=False).key == SEASON
