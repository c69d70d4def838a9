"""The heaviest models once more, in Polars: the yardstick for their SQL, which it must agree with.

Each function stands for the dbt model of its name; the definitions are those of
docs/methods/clutch_time.md. Times of play are in seconds or hundredths of them, order numbers as
in the feed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl

STAYS_TO_THE_END = 2147483647
CLUTCH_MIN_PERIOD = 4
CLUTCH_MAX_SECONDS_REMAINING = 300
CLUTCH_MAX_SCORE_MARGIN = 5

# fmt: off
STATISTICS = (
    "pts", "fgm", "fga", "fg3m", "fg3a", "ftm", "fta", "oreb", "dreb",
    "ast", "tov", "stl", "blk", "pf", "plus_minus",
)
# fmt: on

# Numbers that one wire form writes as text are read as text in both, and cast.
_ACTION = pl.Struct(
    {
        "orderNumber": pl.Int32,
        "actionNumber": pl.Int32,
        "period": pl.Int16,
        "clock": pl.String,
        "timeActual": pl.String,
        "edited": pl.String,
        "actionType": pl.String,
        "subType": pl.String,
        "descriptor": pl.String,
        "qualifiers": pl.List(pl.String),
        "teamId": pl.String,
        "personId": pl.String,
        "possession": pl.String,
        "scoreHome": pl.String,
        "scoreAway": pl.String,
        "isFieldGoal": pl.Int8,
        "shotResult": pl.String,
        "shotDistance": pl.Float64,
        "xLegacy": pl.Int32,
        "yLegacy": pl.Int32,
        "shotActionNumber": pl.Int32,
        "assistPersonId": pl.String,
        "blockPersonId": pl.String,
        "stealPersonId": pl.String,
        "foulDrawnPersonId": pl.String,
    }
)
_PLAYER_STATISTICS = {
    "points": "points",
    "fieldGoalsMade": "field_goals_made",
    "fieldGoalsAttempted": "field_goals_attempted",
    "threePointersMade": "three_pointers_made",
    "threePointersAttempted": "three_pointers_attempted",
    "freeThrowsMade": "free_throws_made",
    "freeThrowsAttempted": "free_throws_attempted",
    "reboundsOffensive": "offensive_rebounds",
    "reboundsDefensive": "defensive_rebounds",
    "assists": "assists",
    "turnovers": "turnovers",
    "steals": "steals",
    "blocks": "blocks",
    "foulsPersonal": "personal_fouls",
}
_TEAM = pl.Struct(
    {
        "teamId": pl.String,
        "players": pl.List(
            pl.Struct(
                {
                    "personId": pl.String,
                    "name": pl.String,
                    "position": pl.String,
                    "starter": pl.String,
                    "played": pl.String,
                    "statistics": pl.Struct(
                        {"minutes": pl.String, "plusMinusPoints": pl.Float64}
                        | dict.fromkeys(_PLAYER_STATISTICS, pl.Int32)
                    ),
                }
            )
        ),
    }
)


def _read(
    payloads: Sequence[bytes], game: dict[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """The member ``game`` of each payload, with the members of it that are named."""
    lines = io.BytesIO(b"\n".join(payloads))
    return pl.read_ndjson(lines, schema={"game": pl.Struct(game)}).unnest("game")


def _text(name: str, *, nobody: str = "") -> pl.Expr:
    """Text that is null when it is empty, or names nobody."""
    return pl.when(pl.col(name) != nobody).then(pl.col(name))


def _clock_seconds(column: pl.Expr) -> pl.Expr:
    """Seconds of the league's durations, PTmmMss.ffS."""
    return (
        column.str.slice(2, 2).cast(pl.Int32) * 60 + column.str.slice(5, 5).cast(pl.Float64)
    ).round(2)


def _utc(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")


def stg_nba__actions(play_by_play: Sequence[bytes]) -> pl.DataFrame:
    """Actions of play-by-play payloads, each a JSON text without line breaks."""
    rows = _read(play_by_play, {"gameId": pl.String, "actions": pl.List(_ACTION)})
    return (
        rows.explode("actions")
        .unnest("actions")
        .select(
            game_id="gameId",
            order_number="orderNumber",
            action_number="actionNumber",
            period="period",
            seconds_remaining=_clock_seconds(pl.col("clock")),
            recorded_at=_utc("timeActual"),
            edited_at=_utc("edited"),
            action_type="actionType",
            action_subtype=_text("subType"),
            descriptor=_text("descriptor"),
            qualifiers=pl.when(pl.col("qualifiers").list.len() > 0).then(
                pl.col("qualifiers").list.join(",")
            ),
            team_id=_text("teamId", nobody="0"),
            player_id=_text("personId", nobody="0"),
            possession_team_id=_text("possession", nobody="0"),
            score_home=pl.col("scoreHome").cast(pl.Int16),
            score_away=pl.col("scoreAway").cast(pl.Int16),
            is_field_goal_attempt=(pl.col("isFieldGoal") == 1).fill_null(value=False),
            shot_result="shotResult",
            shot_distance_feet="shotDistance",
            shot_x_tenths_of_feet="xLegacy",
            shot_y_tenths_of_feet="yLegacy",
            shot_action_number="shotActionNumber",
            assist_player_id=_text("assistPersonId", nobody="0"),
            block_player_id=_text("blockPersonId", nobody="0"),
            steal_player_id=_text("stealPersonId", nobody="0"),
            foul_drawn_player_id=_text("foulDrawnPersonId", nobody="0"),
        )
    )


def stg_nba__games(box_scores: Sequence[bytes]) -> pl.DataFrame:
    """Sides and status of each game, from box score payloads."""
    team = pl.Struct({"teamId": pl.String, "score": pl.Int32})
    boxes = _read(
        box_scores,
        {"gameId": pl.String, "gameStatus": pl.Int16, "homeTeam": team, "awayTeam": team},
    )
    return boxes.select(
        game_id="gameId",
        game_status="gameStatus",
        home_team_id=pl.col("homeTeam").struct.field("teamId"),
        home_score=pl.col("homeTeam").struct.field("score"),
        away_team_id=pl.col("awayTeam").struct.field("teamId"),
        away_score=pl.col("awayTeam").struct.field("score"),
    )


def stg_nba__box_score_players(box_scores: Sequence[bytes]) -> pl.DataFrame:
    """Players on the box score of each game, from its payloads."""
    boxes = _read(box_scores, {"gameId": pl.String, "homeTeam": _TEAM, "awayTeam": _TEAM})
    sides = pl.concat(
        boxes.select("gameId", pl.col(side).struct.field("teamId", "players"))
        for side in ("homeTeam", "awayTeam")
    )
    return (
        sides.explode("players")
        .unnest("players")
        .unnest("statistics")
        .select(
            *(pl.col(source).alias(name) for source, name in _PLAYER_STATISTICS.items()),
            game_id="gameId",
            team_id="teamId",
            player_id="personId",
            full_name="name",
            position="position",
            is_starter=(pl.col("starter") == "1").fill_null(value=False),
            has_played=(pl.col("played") == "1").fill_null(value=False),
            played_seconds=_clock_seconds(pl.col("minutes")),
            plus_minus_points="plusMinusPoints",
        )
    )


def int_games_described(games: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Season, final score and whether a game is over."""
    endings = actions.group_by("game_id").agg(
        last_home=pl.col("score_home").max(),
        last_away=pl.col("score_away").max(),
        has_closing_action=(
            (pl.col("action_type") == "game") & (pl.col("action_subtype") == "end")
        ).any(),
    )
    year = pl.col("game_id").str.slice(3, 2).cast(pl.Int32)
    first_year = pl.when(year >= 46).then(1900).otherwise(2000) + year
    return games.join(endings, on="game_id", how="left").select(
        "game_id",
        "home_team_id",
        "away_team_id",
        season=pl.format(
            "{}-{}", first_year, ((first_year + 1) % 100).cast(pl.String).str.zfill(2)
        ),
        season_type=pl.col("game_id")
        .str.slice(2, 1)
        .replace_strict({"2": "Regular Season", "4": "Playoffs"}, default="Unknown"),
        home_score=pl.coalesce("last_home", "home_score"),
        away_score=pl.coalesce("last_away", "away_score"),
        is_final=(pl.col("game_status") == 3) | pl.col("has_closing_action").fill_null(value=False),
    )


def int_actions_sequenced(actions: pl.DataFrame) -> pl.DataFrame:
    """Actions with what only the actions before them tell."""
    at_one_clock = ["game_id", "period", "seconds_remaining"]
    ordered = actions.sort("game_id", "period", "order_number")
    fouls = ordered.filter(pl.col("action_type").is_in(["foul", "freethrow"])).select(
        "game_id",
        "order_number",
        foul_order_number=pl.when(pl.col("action_type") == "foul")
        .then("order_number")
        .forward_fill()
        .over(at_one_clock),
    )
    period_seconds = pl.when(pl.col("period") <= 4).then(720.0).otherwise(300.0)
    is_free_throw = pl.col("action_type") == "freethrow"
    margin_before = (pl.col("score_home_before") - pl.col("score_away_before")).abs()
    return (
        ordered.with_columns(
            score_home_before=pl.col("score_home").shift(1, fill_value=0).over("game_id"),
            score_away_before=pl.col("score_away").shift(1, fill_value=0).over("game_id"),
            clock_reached=pl.col("seconds_remaining").cum_min().over("game_id", "period"),
        )
        .with_columns(
            clock_before=pl.col("clock_reached")
            .shift(1)
            .over("game_id", "period")
            .fill_null(period_seconds)
        )
        .join(fouls, on=["game_id", "order_number"], how="left")
        .select(
            "game_id",
            "order_number",
            "action_number",
            "period",
            "seconds_remaining",
            pl.col("recorded_at").alias("action_timestamp"),
            "action_type",
            "action_subtype",
            "team_id",
            "player_id",
            "assist_player_id",
            "is_field_goal_attempt",
            "shot_distance_feet",
            "score_home",
            "score_away",
            "score_home_before",
            "score_away_before",
            is_made=(pl.col("shot_result") == "Made").fill_null(value=False),
            points_home=pl.col("score_home") - pl.col("score_home_before"),
            points_away=pl.col("score_away") - pl.col("score_away_before"),
            elapsed_hundredths=((pl.col("clock_before") - pl.col("clock_reached")) * 100)
            .round(0)
            .cast(pl.Int32),
            floor_order_number=pl.when(is_free_throw)
            .then(pl.coalesce("foul_order_number", "order_number"))
            .otherwise("order_number"),
            is_clutch=(pl.col("period") >= CLUTCH_MIN_PERIOD)
            & (pl.col("seconds_remaining") <= CLUTCH_MAX_SECONDS_REMAINING)
            & (margin_before <= CLUTCH_MAX_SCORE_MARGIN),
        )
    )


def int_player_stints(actions: pl.DataFrame, players: pl.DataFrame) -> pl.DataFrame:
    """Unbroken stays of players on the floor."""
    columns = ["game_id", "team_id", "player_id"]
    starters = players.filter("is_starter").select(
        *columns,
        order_number_in=pl.lit(-1, pl.Int32),
        direction=pl.lit("in"),
    )
    substitutions = actions.filter(
        (pl.col("action_type") == "substitution") & pl.col("player_id").is_not_null()
    ).select(*columns, order_number_in="order_number", direction="action_subtype")
    return (
        pl.concat([starters, substitutions])
        .sort("game_id", "player_id", "order_number_in")
        .with_columns(
            order_number_out=pl.col("order_number_in")
            .shift(-1)
            .over("game_id", "player_id")
            .fill_null(STAYS_TO_THE_END)
        )
        .filter(pl.col("direction") == "in")
        .drop("direction")
    )


def int_clutch_player_games(
    sequenced: pl.DataFrame, stints: pl.DataFrame, games: pl.DataFrame
) -> pl.DataFrame:
    """Lines of players in clutch time by the league's rule."""
    clutch = sequenced.filter("is_clutch").join(
        games.select("game_id", "home_team_id"), on="game_id"
    )
    counts_for_floor = pl.col("floor_order_number") > pl.col("order_number_in")
    margin = pl.col("points_home").cast(pl.Int32) - pl.col("points_away")
    on_floor = (
        clutch.select(
            "game_id",
            "order_number",
            "floor_order_number",
            "elapsed_hundredths",
            "points_home",
            "points_away",
            "home_team_id",
        )
        .join(stints, on="game_id")
        .filter(
            pl.col("order_number") > pl.col("order_number_in"),
            pl.col("floor_order_number") <= pl.col("order_number_out"),
        )
        .group_by("game_id", "team_id", "player_id")
        .agg(
            clutch_seconds=pl.col("elapsed_hundredths")
            .filter(pl.col("order_number") <= pl.col("order_number_out"))
            .sum()
            / 100,
            clutch_action_count=counts_for_floor.sum(),
            plus_minus=pl.when(pl.col("team_id") == pl.col("home_team_id"))
            .then(margin)
            .otherwise(-margin)
            .filter(counts_for_floor)
            .sum(),
        )
        .filter((pl.col("clutch_action_count") > 0) | (pl.col("clutch_seconds") != 0))
    )

    def count(condition: pl.Expr) -> pl.Expr:
        return condition.fill_null(value=False).sum().cast(pl.Int32)

    kind, subtype = pl.col("action_type"), pl.col("action_subtype")
    made, attempt = pl.col("is_made"), pl.col("is_field_goal_attempt")
    actors = (
        clutch.filter(pl.col("player_id").is_not_null())
        .group_by("game_id", "player_id")
        .agg(
            fgm=count(attempt & made),
            fga=count(attempt),
            fg3m=count((kind == "3pt") & made),
            fg3a=count(kind == "3pt"),
            ftm=count((kind == "freethrow") & made),
            fta=count(kind == "freethrow"),
            oreb=count((kind == "rebound") & (subtype == "offensive")),
            dreb=count((kind == "rebound") & (subtype == "defensive")),
            tov=count(kind == "turnover"),
            stl=count(kind == "steal"),
            blk=count(kind == "block"),
            pf=count((kind == "foul") & (subtype != "technical")),
        )
        .with_columns(pts=2 * pl.col("fgm") + pl.col("fg3m") + pl.col("ftm"))
    )
    passers = (
        clutch.filter(pl.col("assist_player_id").is_not_null() & made)
        .group_by("game_id", player_id="assist_player_id")
        .agg(ast=pl.len().cast(pl.Int32))
    )
    key = ["game_id", "player_id"]
    return (
        on_floor.join(actors, on=key, how="left")
        .join(passers, on=key, how="left")
        .with_columns(pl.col(STATISTICS).fill_null(0), has_played=pl.col("clutch_action_count") > 0)
        .drop("clutch_action_count")
    )


def clutch_player_totals(player_games: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    """Totals of players by season and season type."""
    home_won = pl.col("home_score") > pl.col("away_score")
    won = (pl.col("team_id") == pl.col("home_team_id")) == home_won
    return (
        player_games.join(games.filter("is_final"), on="game_id")
        .group_by("player_id", "season", "season_type")
        .agg(
            pl.col(STATISTICS).sum(),
            gp=pl.col("has_played").sum(),
            w=(pl.col("has_played") & won).sum(),
            l=(pl.col("has_played") & ~won).sum(),
            minutes=(pl.col("clutch_seconds").sum() / 60).round(4),
        )
        .filter(pl.col("gp") > 0)
    )
