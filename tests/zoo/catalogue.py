"""The kinds of damage, on games of the simulated league.

Each kind says where it was seen. ``README of the data`` is that of the saved real seasons; ``v2``
and ``v3`` are the play-by-play services of the league's statistics pages.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.zoo.kinds import (
    FREE_OF_WALL_CLOCK,
    Game,
    Kind,
    Outcome,
    Row,
    clock_repaired,
    flagged,
    quarantined,
    unharmed,
)

README = "README of the data"
BLOCKED = "nba_api #176, #320: hosts block and throttle"
UNITS = "shot tables 2015-22: LOC_X and LOC_Y of 2020 and 2021"
STALE = "philstead23: end-of-period rows of v3"
LATE = "wehoop #56, NBA_Tutorials #13: events added late break lineups"
CLOCK_BACK = "2015-16 in v2: 1,422 rows of 465 games"
ROUND_TRIP = "precaution: what a round trip through a data frame does"
BYTES = "precaution: what a cache or an editor does to JSON"
ENCODING = "precaution: SQL could not read it"


# --- helpers ------------------------------------------------------------------------------------


def each_action(change: Callable[[Row], None]) -> Callable[[Game], None]:
    def edit(game: Game) -> None:
        for row in game.actions:
            change(row)

    return edit


def one_action(**fields: Any) -> Callable[[Game], None]:
    """Set fields of one action in the middle of the game."""

    def edit(game: Game) -> None:
        game.actions[len(game.actions) // 2].update(fields)

    return edit


def one_clutch_action(**fields: Any) -> Callable[[Game], None]:
    """Set fields of one action in the middle of clutch time."""

    def edit(game: Game) -> None:
        game.clutch[len(game.clutch) // 2].update(fields)

    return edit


def without_key(*names: str) -> Callable[[Row], None]:
    def change(row: Row) -> None:
        for name in names:
            row.pop(name, None)

    return change


def shots(game: Game) -> list[Row]:
    return [row for row in game.actions if row["isFieldGoal"] == 1]


def shift_wall_clock(row: Row, **by: float) -> None:
    moment = datetime.fromisoformat(row["timeActual"]) + timedelta(**by)
    row["timeActual"] = moment.strftime("%Y-%m-%dT%H:%M:%S.0Z")


def number_of_its_own(game: Game) -> int:
    return 2 + max(int(row["actionNumber"]) for row in game.actions)


def insert_after(game: Game, index: int, **fields: Any) -> None:
    """Insert a row that belongs to nobody, entered last, after the action at ``index``."""
    before = game.actions[index]
    row = {
        **before,
        "teamId": None,
        "personId": 0,
        "actionNumber": number_of_its_own(game),
        "orderNumber": before["orderNumber"] + 3,
        "isFieldGoal": 0,
        "subType": "",
        "qualifiers": [],
        "description": "",
    }
    for name in ("shotResult", "assistPersonId", "shotDistance", "foulDrawnPersonId"):
        row.pop(name, None)
    game.actions.insert(index + 1, {**row, **fields})


def place_in_clutch(game: Game, *types: str) -> int:
    """Index of the first action of some type after a third of clutch time."""
    rows = game.clutch
    row = next(row for row in rows[len(rows) // 3 :] if not types or row["actionType"] in types)
    return game.actions.index(row)


def drop(game: Game, is_dropped: Callable[[Row], bool]) -> None:
    kept = [row for row in game.actions if not is_dropped(row)]
    assert len(kept) < len(game.actions)
    game.actions[:] = kept


def substitutions(game: Game, direction: str) -> list[Row]:
    return [
        row
        for row in game.actions
        if row["actionType"] == "substitution" and row["subType"] == direction
    ]


# --- what is done to a game ---------------------------------------------------------------------


def to_sparse_form(game: Game) -> None:
    assert game.play_by_play is not None
    del game.play_by_play["meta"]
    for row in game.actions:
        for name in [name for name, value in row.items() if value in (None, "", [])]:
            del row[name]
        row["scoreHome"], row["scoreAway"] = int(row["scoreHome"]), int(row["scoreAway"])


def shuffle(game: Game) -> None:
    game.actions[:] = game.actions[1::2] + game.actions[::2]


def enter_late(game: Game) -> None:
    """One action of clutch time has the number of its late entry, and stands in its place."""
    game.clutch[len(game.clutch) // 2]["actionNumber"] = number_of_its_own(game)


def step_clock_back(game: Game) -> None:
    """A row whose clock is that of some plays before."""
    index = place_in_clutch(game, "rebound", "turnover")
    earlier = game.clutch[game.clutch.index(game.actions[index]) - 6]
    insert_after(game, index, actionType="violation", clock=earlier["clock"])


def insert_heave(game: Game) -> None:
    index = next(
        index
        for index, row in enumerate(game.actions)
        if row["actionType"] == "period" and row["subType"] == "end"
    )
    shooter = next(row for row in reversed(game.actions[:index]) if row["isFieldGoal"] == 1)
    insert_after(
        game,
        index - 1,
        actionType="heave",
        subType="Jump Shot",
        teamId=shooter["teamId"],
        personId=shooter["personId"],
        shotResult="Missed",
    )


def insert_old_types(game: Game) -> None:
    index = place_in_clutch(game, "rebound")
    for offset, action_type in enumerate(("stoppage", "instantreplay", "memo")):
        insert_after(game, index + offset, actionType=action_type)


def decrease_score(game: Game) -> None:
    row = game.actions[place_in_clutch(game, "rebound", "turnover", "foul")]
    row["scoreHome"] = str(int(row["scoreHome"]) - 3)


def stale_period_ends(game: Game) -> None:
    for index, row in enumerate(game.actions):
        if row["actionType"] == "period" and row["subType"] == "end":
            earlier = game.actions[index - 40]
            row["scoreHome"], row["scoreAway"] = earlier["scoreHome"], earlier["scoreAway"]


def final_row_says_0_1(game: Game) -> None:
    game.actions[-1].update(scoreHome="0", scoreAway="1")


def jump_score(game: Game) -> None:
    start = len(game.actions) // 2
    for row in game.actions[start:]:
        row["scoreHome"] = str(int(row["scoreHome"]) + 10)


def lose_plays(game: Game) -> None:
    start = next(index for index, row in enumerate(game.actions) if row["period"] == 3) + 40
    del game.actions[start : start + 20]


def swap_sides(game: Game) -> None:
    box = game.box
    box["homeTeam"], box["awayTeam"] = box["awayTeam"], box["homeTeam"]


def box_before_the_final(game: Game) -> None:
    game.box["gameStatus"] = 1
    for side in ("homeTeam", "awayTeam"):
        game.box[side]["score"] = 0
    for player in game.players:
        zero(player["statistics"])


def zero(statistics: Row) -> None:
    for name, value in statistics.items():
        statistics[name] = "PT00M00.00S" if name == "minutes" else 0 if value else value


def no_minutes(game: Game) -> None:
    for player in game.players:
        player["statistics"]["minutes"] = "PT00M00.00S"


def list_under_both_teams(game: Game) -> None:
    game.box["awayTeam"]["players"].append(game.box["homeTeam"]["players"][0])


def act_for_the_other_team(game: Game) -> None:
    row = next(row for row in shots(game) if row["period"] == 2)
    teams = {game.box["homeTeam"]["teamId"], game.box["awayTeam"]["teamId"]}
    row["teamId"] = (teams - {row["teamId"]}).pop()


def leave_out_a_scorer(game: Game) -> None:
    team = game.box["homeTeam"]
    bench = [player for player in team["players"] if player["starter"] == "0"]
    team["players"].remove(max(bench, key=lambda player: player["statistics"]["points"]))


def correct_an_attempt(game: Game) -> None:
    statistics = max(
        (player["statistics"] for player in game.players),
        key=lambda statistics: statistics["fieldGoalsAttempted"],
    )
    statistics["fieldGoalsAttempted"] += 1


def sixth_starter(game: Game) -> None:
    next(player for player in game.players if player["played"] == "0")["starter"] = "1"


def forget_to_bring_in(game: Game) -> None:
    """The last man who came in before clutch time, and was not named again, never came in."""
    first = game.actions.index(game.clutch[0])
    named = [row["personId"] for row in game.actions[first:] if row["actionType"] == "substitution"]
    row = next(
        row
        for row in reversed(substitutions(game, "in"))
        if game.actions.index(row) < first and row["personId"] not in named
    )
    game.actions.remove(row)


def repeat_substitution(game: Game) -> None:
    for direction in ("out", "in"):
        row = substitutions(game, direction)[3]
        index = game.actions.index(row)
        repeated = {"actionNumber": number_of_its_own(game), "orderNumber": row["orderNumber"] + 1}
        game.actions.insert(index + 1, {**row, **repeated})


def bring_in_who_is_there(game: Game) -> None:
    row = substitutions(game, "in")[-1]
    index = game.actions.index(row)
    repeated = {"actionNumber": number_of_its_own(game), "orderNumber": row["orderNumber"] + 7}
    game.actions.insert(index + 1, {**row, **repeated})


def divide_coordinates(game: Game) -> None:
    for row in shots(game):
        row["xLegacy"], row["yLegacy"] = row["xLegacy"] // 10, row["yLegacy"] // 10


def mirror_coordinates(game: Game) -> None:
    for row in shots(game):
        row["xLegacy"] = -row["xLegacy"]


def shift_coordinates(game: Game) -> None:
    for row in shots(game):
        row["yLegacy"] += 52


def late_entries(game: Game) -> None:
    """Three single rows of clutch time were entered some minutes later."""
    rows = game.clutch
    for row in (rows[3], rows[len(rows) // 2], rows[-4]):
        shift_wall_clock(row, minutes=4)


def day_early(game: Game) -> None:
    shift_wall_clock(game.clutch[len(game.clutch) // 2], days=-1)


def hours_late(game: Game) -> None:
    shift_wall_clock(game.clutch[len(game.clutch) // 2], hours=5)


def drop_wall_clock(game: Game) -> None:
    for row in game.clutch[4:-4:7]:
        del row["timeActual"]


def garble_wall_clock(game: Game) -> None:
    for row in game.clutch[4:-4:7]:
        row["timeActual"] = "2099-02-30T20:00:00Z"
    for row in game.clutch[6:-4:7]:
        row["timeActual"] = "yesterday"


def text_instead_of_numbers(row: Row) -> None:
    for name in ("actionNumber", "orderNumber", "period", "personId", "teamId", "isFieldGoal"):
        if row.get(name) is not None:
            row[name] = str(row[name])


def next_number(name: str) -> Callable[[Game], None]:
    """One action has the number of the next."""

    def edit(game: Game) -> None:
        middle = len(game.actions) // 2
        game.actions[middle][name] = game.actions[middle + 1][name]

    return edit


def take_away(resource: str) -> Callable[[Game], None]:
    def edit(game: Game) -> None:
        if resource == "boxscore":
            game.box_score = None
        else:
            game.play_by_play = None

    return edit


def one_player(**statistics: Any) -> Callable[[Game], None]:
    def edit(game: Game) -> None:
        game.players[0]["statistics"].update(statistics)

    return edit


def replace(old: bytes, new: bytes) -> Callable[[bytes, bytes], bytes]:
    def mangle(body: bytes, _: bytes) -> bytes:
        assert old in body
        return body.replace(old, new, 1)

    return mangle


def empty_lists(game: Game) -> None:
    for side in ("homeTeam", "awayTeam"):
        del game.box[side]["players"]


def float_ids(row: Row) -> None:
    if row.get("teamId") is not None:
        row["teamId"] = float(row["teamId"])


def same_team(game: Game) -> None:
    game.box["awayTeam"]["teamId"] = game.box["homeTeam"]["teamId"]


def no_starters(game: Game) -> None:
    for player in game.players:
        player["starter"] = "0"


HTML = b"<!DOCTYPE html><html><head><title>Access Denied</title></head><body>Reference #18</body>"

KINDS: tuple[Kind, ...] = (
    # --- bytes ---
    Kind(
        "JSON cut short",
        BLOCKED,
        quarantined("truncated_json"),
        mangle=lambda body, _: body[: len(body) // 2],
    ),
    Kind(
        "gzip cut short",
        BLOCKED,
        quarantined("gzip_damaged"),
        mangle=lambda body, _: gzip.compress(body)[:-2000],
    ),
    Kind("HTML page of a block", BLOCKED, quarantined("html_page"), mangle=lambda *_: HTML),
    Kind("empty body", BLOCKED, quarantined("empty_body"), mangle=lambda *_: b""),
    Kind(
        "error message as JSON",
        BLOCKED,
        quarantined("wrong_shape"),
        mangle=lambda *_: b'{"Message": "An error has occurred."}',
    ),
    Kind(
        "payload of another game",
        "stale cache; hoopR #163",
        quarantined("game_id_mismatch"),
        mangle=lambda _, other: other,
    ),
    Kind(
        "NUL character",
        ENCODING,
        quarantined("nul_character"),
        mangle=replace(b"Period Start", b"Period\\u0000Start"),
    ),
    Kind(
        "not UTF-8",
        BYTES,
        quarantined("invalid_utf8"),
        mangle=replace(b"Period Start", b"P\xe9riod Start"),
    ),
    Kind(
        "NaN literal",
        ROUND_TRIP,
        quarantined("not_json"),
        mangle=replace(b'"shotDistance":', b'"shotDistance":NaN,"was":'),
    ),
    Kind(
        "Infinity literal",
        ROUND_TRIP,
        quarantined("not_json"),
        mangle=replace(b'"shotDistance":', b'"shotDistance":-Infinity,"was":'),
    ),
    Kind(
        "byte order mark",
        BYTES,
        unharmed(),
        mangle=lambda body, _: b"\xef\xbb\xbf" + body,
    ),
    Kind(
        "pretty-printed, keys in another order",
        BYTES,
        unharmed(),
        mangle=lambda body, _: json.dumps(json.loads(body), indent=1, sort_keys=True).encode(),
    ),
    # --- a whole payload ---
    Kind(
        "no box score",
        f"{README}: 18 play-in games",
        quarantined("missing_box_score"),
        take_away("boxscore"),
        "boxscore",
    ),
    Kind(
        "no play-by-play of a final game",
        BLOCKED,
        quarantined("missing_play_by_play"),
        take_away("playbyplay"),
    ),
    Kind(
        "sparse form: numbers as scores, no null keys, no envelope",
        f"{README}: most games after 2020-21",
        unharmed(),
        to_sparse_form,
    ),
    # --- ids and numbers ---
    Kind(
        "game id without leading zeros",
        "millxing and others: ids with and without zeros",
        quarantined("malformed_game_id"),
        mangle=lambda body, _: body.replace(b'"gameId":"00', b'"gameId":"'),
    ),
    Kind(
        "game id as a number",
        "millxing and others: ids with and without zeros",
        quarantined("wrong_shape"),
        mangle=lambda body, _: body.replace(b'"gameId":"00', b'"gameId":', 1).replace(
            b'","actions"', b',"actions"', 1
        ),
    ),
    Kind(
        "ids as floating point numbers",
        ROUND_TRIP,
        quarantined("malformed_id"),
        each_action(float_ids),
    ),
    Kind("numbers and ids as text", ROUND_TRIP, unharmed(), each_action(text_instead_of_numbers)),
    Kind(
        "two actions with one actionNumber",
        f"{README}: v3",
        quarantined("duplicate_number"),
        next_number("actionNumber"),
    ),
    Kind(
        "two actions with one orderNumber",
        "precaution: no true order",
        quarantined("duplicate_number"),
        next_number("orderNumber"),
    ),
    Kind(
        "action without orderNumber",
        "pbpstats 1.3.11: a stored rebound without order",
        quarantined("malformed_number"),
        one_action(orderNumber=None),
    ),
    Kind(
        "action number of a fraction",
        ROUND_TRIP,
        quarantined("malformed_number"),
        one_action(actionNumber=17.5),
    ),
    Kind(
        "action that is null",
        ENCODING,
        quarantined("wrong_shape"),
        lambda game: game.actions.__setitem__(9, None),  # type: ignore[call-overload]
    ),
    Kind(
        "action type that is null",
        ENCODING,
        quarantined("malformed_action"),
        one_action(actionType=None),
    ),
    # --- order ---
    Kind(
        "actions shuffled in the array",
        f"{README}: orderNumber is the true order",
        unharmed(),
        shuffle,
    ),
    Kind(
        "action entered late",
        f"{README}: 0.9 % of rows; {LATE}",
        unharmed("action_number", "action_id"),
        enter_late,
    ),
    # --- clock and period ---
    Kind(
        "clock steps back",
        f"{README}: 97 rows; {CLOCK_BACK}",
        unharmed("actions_total"),
        step_clock_back,
    ),
    Kind(
        "clock in another form",
        "v2 writes 4:59, the CDN PT04M59.00S",
        quarantined("malformed_clock"),
        one_action(clock="4:59"),
    ),
    Kind(
        "clock beyond the period",
        ENCODING,
        quarantined("clock_out_of_range"),
        one_action(clock="PT12M01.00S"),
    ),
    Kind(
        "overtime clock of a quarter",
        "nflfastR #307: overtime is a case of its own",
        quarantined("clock_out_of_range"),
        one_action(period=5, clock="PT11M00.00S"),
    ),
    Kind(
        "clock below zero",
        ENCODING,
        quarantined("malformed_clock"),
        one_action(clock="PT-01M30.00S"),
    ),
    Kind("no clock", ENCODING, quarantined("malformed_clock"), one_action(clock=None)),
    Kind("period 0", ENCODING, quarantined("malformed_period"), one_action(period=0)),
    Kind(
        "no period",
        ENCODING,
        quarantined("malformed_period"),
        lambda game: without_key("period")(game.actions[30]),
    ),
    # --- rows that are missing, and rows nobody knows ---
    Kind(
        "no closing row",
        "every payload of a live game",
        # the closing row is itself one of clutch time
        unharmed("actions_total", "end_timestamp"),
        lambda game: drop(game, lambda row: row["actionType"] == "game"),
    ),
    Kind(
        "rows after the closing row",
        "33 real games of 2020-21 and 2021-22 end with a memo or a request for a replay",
        unharmed("actions_total"),
        lambda game: insert_after(game, len(game.actions) - 1, actionType="memo"),
    ),
    Kind(
        "no period starts",
        LATE,
        unharmed(),
        lambda game: drop(
            game,
            lambda row: (
                row["actionType"] == "period" and row["subType"] == "start" and row["period"] > 1
            ),
        ),
    ),
    Kind("action type heave", f"{README}: a later season", unharmed(), insert_heave),
    Kind(
        "stoppage, instant replay and memo rows",
        f"{README}: 2020-21 and 2021-22",
        unharmed("actions_total"),
        insert_old_types,
    ),
    Kind(
        "keys nobody knows",
        f"{README}: jerseyNumber, value, isTargetScoreLastPeriod",
        unharmed(),
        each_action(lambda row: row.update(jerseyNumber="7", aKeyOfTomorrow=[{"deep": None}])),
    ),
    Kind(
        "20 plays missing",
        "DojoZero #75: plays missing while live",
        flagged("missing_plays"),
        lose_plays,
    ),
    Kind(
        "a period missing",
        "DojoZero #75: plays missing while live",
        flagged("missing_plays"),
        lambda game: drop(game, lambda row: row["period"] == 2),
    ),
    # --- wall clock ---
    Kind(
        "wall clock of single rows minutes late",
        f"{README}: 28 to 79 rows a season",
        clock_repaired(120),
        late_entries,
    ),
    Kind(
        "wall clock a day early", f"{README}: 0022200745 and others", clock_repaired(120), day_early
    ),
    Kind(
        "wall clock hours late",
        f"{README}: 0022000416, 0022100042",
        clock_repaired(120),
        hours_late,
    ),
    Kind(
        "wall clock missing on rows", f"{README}: v3 has none", clock_repaired(200), drop_wall_clock
    ),
    Kind(
        "no wall clock at all",
        f"{README}: v3 has none",
        Outcome(is_same=True, unlike=FREE_OF_WALL_CLOCK),
        each_action(without_key("timeActual")),
    ),
    Kind("wall clock unreadable", ENCODING, clock_repaired(200), garble_wall_clock),
    Kind(
        "time of editing unreadable",
        ENCODING,
        unharmed(),
        each_action(lambda row: row.update(edited="just now")),
    ),
    # --- score ---
    Kind(
        "score decreases for a play",
        "hoopR #146",
        unharmed(flagged=("score_decreased",)),
        decrease_score,
    ),
    Kind(
        "stale score at the end of periods",
        STALE,
        unharmed(flagged=("score_decreased",)),
        stale_period_ends,
    ),
    Kind(
        "last row says 0-1",
        f"{STALE}: at the end of 115-113",
        unharmed(flagged=("score_decreased",)),
        final_row_says_0_1,
    ),
    Kind(
        "score jumps",
        "hoopR #146",
        flagged("unexplained_score_change", "score_mismatch"),
        jump_score,
    ),
    Kind(
        "score that is no number",
        ENCODING,
        quarantined("malformed_score"),
        one_action(scoreHome="x"),
    ),
    Kind(
        "empty score",
        f"{README}: v3, on every row on which nobody scored",
        quarantined("malformed_score"),
        one_action(scoreHome=""),
    ),
    Kind("score below zero", ENCODING, quarantined("malformed_score"), one_action(scoreAway="-2")),
    # --- shots ---
    Kind("coordinates divided by ten", UNITS, flagged("shot_units_changed"), divide_coordinates),
    Kind("coordinates mirrored", UNITS, unharmed(), mirror_coordinates),
    Kind(
        "coordinates shifted by 5.25 feet", UNITS, flagged("shot_units_changed"), shift_coordinates
    ),
    Kind(
        "distance 0 on every shot",
        "shot tables to 2010: 27 % of shots at 0",
        flagged("shot_units_changed"),
        lambda game: [row.update(shotDistance=0) for row in shots(game)] and None,
    ),
    Kind(
        "one distance on every shot",
        "hoopR #140: a default on every row",
        flagged("shot_units_changed"),
        lambda game: [row.update(shotDistance=2.5) for row in shots(game)] and None,
    ),
    Kind(
        "no coordinates",
        f"{README}: v2 has none",
        unharmed("expected_points", "points_over_expected"),
        each_action(without_key("x", "y", "xLegacy", "yLegacy", "area", "areaDetail", "side")),
    ),
    Kind(
        "coordinates that are no numbers",
        ENCODING,
        unharmed("expected_points", "points_over_expected"),
        each_action(lambda row: row.update(xLegacy="n/a", yLegacy=[], x={}, y="left")),
    ),
    Kind(
        "distance that is no number",
        ENCODING,
        unharmed(),
        lambda game: [row.update(shotDistance="24 ft") for row in shots(game)] and None,
    ),
    # --- who was there ---
    Kind(
        "player on both box scores",
        "hoopR #23",
        quarantined("duplicate_player"),
        list_under_both_teams,
        "boxscore",
    ),
    Kind(
        "player acts for the other team",
        "hoopR #23",
        flagged("player_on_both_teams"),
        act_for_the_other_team,
    ),
    Kind(
        "player missing on the box score",
        "hoopR #163: stale box scores",
        flagged("statistics_differ"),
        leave_out_a_scorer,
    ),
    Kind(
        "home and away swapped",
        "nflfastR #606: home inverted",
        flagged("score_mismatch"),
        swap_sides,
    ),
    Kind(
        "same team on both sides",
        "MATCHUP equal on both rows of a game (shot tables)",
        quarantined("same_team_twice"),
        same_team,
        "boxscore",
    ),
    Kind("nobody starts", LATE, unharmed(), no_starters),
    Kind("six start", LATE, flagged("floor_not_five"), sixth_starter),
    Kind(
        "substitution without its second half",
        LATE,
        flagged("floor_not_five"),
        forget_to_bring_in,
    ),
    Kind("substitution entered twice", LATE, unharmed(), repeat_substitution),
    Kind(
        "player comes in who is there",
        LATE,
        unharmed("actions_total"),
        bring_in_who_is_there,
    ),
    # --- box score ---
    Kind(
        "box score from before the final",
        f"{README}: 0022301104",
        flagged("score_mismatch"),
        box_before_the_final,
    ),
    Kind("minutes 0 for everybody", "hoopR #163", flagged("zero_minutes"), no_minutes),
    Kind(
        "statistic corrected",
        "nba_data #8: 19 against 20 attempts",
        Outcome(is_same=True, differences=("fga",)),
        correct_an_attempt,
    ),
    Kind(
        "statistic below zero",
        ENCODING,
        quarantined("malformed_number"),
        one_player(points=-2),
        "boxscore",
    ),
    Kind(
        "statistic that is no number",
        ENCODING,
        quarantined("malformed_number"),
        one_player(assists="-"),
        "boxscore",
    ),
    Kind(
        "minutes in another form",
        "v3 writes 30:07, the CDN PT30M07.00S",
        quarantined("malformed_minutes"),
        one_player(minutes="30.12"),
        "boxscore",
    ),
    Kind(
        "no lists of players",
        ENCODING,
        quarantined("wrong_shape"),
        empty_lists,
        "boxscore",
    ),
    Kind(
        "tip-off in another form",
        "millxing: 10/30/12 on 1,314 rows, ISO elsewhere",
        quarantined("malformed_time"),
        lambda game: game.box.update(gameTimeUTC="10/30/12"),
        "boxscore",
    ),
    Kind(
        "attendance and duration unreadable",
        ENCODING,
        unharmed(),
        lambda game: game.box.update(attendance="sold out", duration="2:14"),
    ),
    Kind(
        "time zone nobody knows",
        ENCODING,
        quarantined("unknown_time_zone"),
        lambda game: game.box["arena"].update(arenaTimezone="EST/New_York"),
        "boxscore",
    ),
)
