"""``win_probability.sql`` in Polars: the same formula and columns, from the same tables."""

from __future__ import annotations

import polars as pl

from modeling.win_probability.model import (
    LARGEST_LOGIT,
    NORMAL_CUBIC,
    NORMAL_LINEAR,
    REGULATION_SECONDS,
)

_KEPT = ("game_id", "order_number", "action_number", "action_timestamp", "period")


def win_probability(
    states: pl.DataFrame, games: pl.DataFrame, models: pl.DataFrame
) -> pl.DataFrame:
    """Probabilities, what every action added and the leverage before it.

    Args:
        states: ``analytics.game_states``.
        games: One row per game: id, ratings, home edge, back-to-backs, playoffs, local date.
        models: The seed ``win_probability_coefficients``, ``valid_from`` ascending.
    """
    of_games = (
        games.lazy()
        .sort("game_date")
        .join_asof(
            models.lazy().sort("valid_from"),
            left_on="game_date",
            right_on="valid_from",
            strategy="backward",
        )
        .with_columns(
            strength=pl.col("rating") * pl.col("rating_difference")
            + pl.col("home") * pl.col("home_edge_points")
            + pl.col("home_back_to_back") * pl.col("is_home_back_to_back")
            + pl.col("away_back_to_back") * pl.col("is_away_back_to_back")
            + pl.col("playoff") * pl.col("is_playoff")
        )
    )
    before_tip = of_games.select(
        "game_id",
        order_number=pl.lit(-1, pl.Int32),
        period=pl.lit(0, pl.Int32),
        seconds_remaining=pl.lit(720.0),
        is_over=False,
        is_clutch=False,
        home_margin=pl.lit(0, pl.Int32),
        seconds_left=pl.lit(REGULATION_SECONDS),
        is_overtime=False,
        ball_side=pl.lit(0, pl.Int32),
        is_loose_after_shot=False,
        is_loose_after_free_throw=False,
        home_pending_free_throws=pl.lit(0, pl.Int32),
    )
    return (
        pl.concat([states.lazy(), before_tip], how="diagonal_relaxed")
        .join(of_games, on="game_id")
        .with_columns(step_fade=_fading("step_seconds"), beyond=_beyond_margin(), spread=_spread())
        .with_columns(
            z=_standardised(pl.col("home_margin")),
            z_up=_standardised(pl.col("home_margin") + 3),
            z_down=_standardised(pl.col("home_margin") - 3),
        )
        .with_columns(
            home_win_probability=pl.when(pl.col("is_over") & (pl.col("home_margin") > 0))
            .then(1.0)
            .when(pl.col("is_over") & (pl.col("home_margin") < 0))
            .then(0.0)
            .otherwise(_normal("z")),
            leverage_after=pl.when("is_over")
            .then(0.0)
            .otherwise(_normal("z_up") - _normal("z_down")),
        )
        .sort("game_id", "period", "order_number")
        .with_columns(
            home_win_probability_before=pl.col("home_win_probability").shift(1).over("game_id"),
            leverage=pl.col("leverage_after").shift(1).over("game_id"),
        )
        .filter(pl.col("order_number") >= 0)
        .select(
            *_KEPT,
            "seconds_remaining",
            "home_margin",
            "is_clutch",
            "home_win_probability_before",
            "home_win_probability",
            away_win_probability=1.0 - pl.col("home_win_probability"),
            home_win_probability_added=pl.col("home_win_probability")
            - pl.col("home_win_probability_before"),
            leverage="leverage",
            model_version="model_version",
        )
        .collect()
    )


def _fading(scale: str) -> pl.Expr:
    return (-pl.min_horizontal(pl.col("seconds_left") / pl.col(scale), pl.lit(50.0))).exp()


def _share() -> pl.Expr:
    return pl.col("seconds_left") / REGULATION_SECONDS


def _beyond_margin() -> pl.Expr:
    ball = pl.col("ball_side") * (
        pl.when("is_loose_after_shot")
        .then("loose_after_shot")
        .when("is_loose_after_free_throw")
        .then("loose_after_free_throw")
        .otherwise(1.0)
    )
    worth = pl.col("held") + pl.col("held_late") * _fading("held_late_seconds")
    weight = pl.when("is_overtime").then("overtime_strength").otherwise(1.0)
    return (
        pl.col("free_throw") * pl.col("home_pending_free_throws")
        + worth * (1.0 - _fading("buzzer_seconds")) * ball
        + pl.col("strength") * weight * (_share() + pl.col("after_regulation"))
    )


def _spread() -> pl.Expr:
    pace = pl.when("is_overtime").then("overtime_pace").otherwise("pace")
    return (
        pace**2 * _share()
        + pl.col("doubt") ** 2 * _share() ** 2
        + pl.col("last_shots") ** 2 * (1.0 - _fading("buzzer_seconds"))
        + pl.col("buzzer") ** 2
        + pl.col("free_throw_variance") * pl.col("home_pending_free_throws").abs()
    ).sqrt()


def _standardised(margin: pl.Expr) -> pl.Expr:
    step = (
        pl.when(margin.abs() == 1)
        .then("step_1")
        .when(margin.abs() == 2)
        .then("step_2")
        .when(margin.abs() == 3)
        .then("step_3")
        .otherwise(0.0)
    )
    lead = margin + pl.col("step_fade") * step * margin.sign() + pl.col("beyond")
    return lead / pl.col("spread")


def _normal(z: str) -> pl.Expr:
    odds = pl.col(z) * (NORMAL_LINEAR + NORMAL_CUBIC * pl.col(z) ** 2)
    return 1.0 / (1.0 + (-odds.clip(-LARGEST_LOGIT, LARGEST_LOGIT)).exp())
