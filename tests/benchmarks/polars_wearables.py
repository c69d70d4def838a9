"""Baselines of wearables once more, in Polars: the yardstick for their SQL.

Each function stands for the dbt model of its name; the definitions are those of
docs/methods/pregame_baselines.md. Windows are ranges of a sorted column that a binary search finds,
and sums over what is held now are differences of running sums: faster in Polars than its rolling
groups and joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

HOUR = 3_600_000_000  # microseconds
BASELINE_WINDOW = (28 * 24 + 12) * HOUR
ROLLING_WINDOW = (6 * 24 + 12) * HOUR
LONGEST_GAP = 20 * HOUR
BASELINE_MIN_NIGHTS = 7
ROLLING_MEAN_MIN_NIGHTS = 3
ROLLING_VARIATION_MIN_NIGHTS = 5

# plausible values, both ends included
HRV_RMSSD = (5, 300)
RESTING_HEART_RATE = (25, 120)
TIME_ASLEEP = (0, 1440)

# Sums are taken of distances from these, so that running sums of squares keep their digits.
_CENTRES = {"ln_hrv": 4.0, "resting_heart_rate_bpm": 50.0, "asleep_minutes": 450.0}
_SQUARES = {f"{name}_squared": name for name in _CENTRES}
# A baseline leaves the night itself out, a rolling week has it.
_UNTIL: dict[str, Literal["left", "right"]] = {"baseline": "left", "rolling": "right"}
_SUMMED = ["nights", *_CENTRES, *_SQUARES]
# a spread below it comes from rounding: the nights are equal
_LEAST_VARIANCE = 1e-10

# More microseconds than have passed since 1970: it keeps the moments of two devices apart.
_APART = 2**51

_NIGHT = ["device_id", "sleep_id"]
_GAME = ["player_id", "game_id"]


def int_sleeps_current(sleeps: pl.DataFrame) -> pl.DataFrame:
    """Sleeps and naps as they are held now."""
    return (
        sleeps.filter("is_newest", pl.col("sleep_end_at").is_not_null())
        .sort("known_from", "sleep_id", descending=[True, False])
        .unique(["device_id", "sleep_end_at"], keep="first")
    )


def int_recoveries_current(recoveries: pl.DataFrame, sleeps: pl.DataFrame) -> pl.DataFrame:
    """Recoveries of the main sleeps among them, with the generation of the strap."""
    return (
        recoveries.filter("is_newest")
        .join(sleeps.filter(~pl.col("is_nap")), on=["device_id", "cycle_id", "sleep_id"])
        .select(*_NIGHT, strap_generation=_strap_generation())
    )


def int_valid_nights(sleeps: pl.DataFrame, recoveries: pl.DataFrame) -> pl.DataFrame:
    """Nights that may stand in a baseline, by the time in which they were held like that."""
    return (
        sleeps.lazy()
        .filter(~pl.col("is_nap"), pl.col("score_state") == "SCORED")
        .select(*_NIGHT, "cycle_id", "sleep_end_at", "known_from", "known_until", _asleep_minutes())
        .filter(pl.col("asleep_minutes").is_between(*TIME_ASLEEP))
        .join(
            recoveries.lazy()
            .filter(
                pl.col("score_state") == "SCORED",
                ~pl.col("is_calibrating"),
                pl.col("hrv_rmssd_ms").is_between(*HRV_RMSSD),
                pl.col("resting_heart_rate_bpm").is_between(*RESTING_HEART_RATE),
            )
            .select(
                *_NIGHT,
                "cycle_id",
                "resting_heart_rate_bpm",
                "known_from",
                "known_until",
                ln_hrv=pl.col("hrv_rmssd_ms").log(),
                strap_generation=_strap_generation(),
            ),
            on=[*_NIGHT, "cycle_id"],
            suffix="_of_recovery",
        )
        .select(
            *_NIGHT,
            "sleep_end_at",
            "strap_generation",
            *_CENTRES,
            known_from=pl.max_horizontal("known_from", "known_from_of_recovery"),
            known_until=pl.min_horizontal("known_until", "known_until_of_recovery"),
        )
        .filter(pl.col("known_until").is_null() | (pl.col("known_from") < pl.col("known_until")))
        .with_columns(is_newest=pl.col("known_until").is_null())
        .collect()
    )


def int_pregame_nights(
    games: pl.DataFrame,
    devices: pl.DataFrame,
    sleeps: pl.DataFrame,
    recoveries: pl.DataFrame,
    cycles: pl.DataFrame,
) -> pl.DataFrame:
    """The last main sleep before each athlete's game, as everything was held at tip-off."""
    moments = (
        games.filter(pl.col("tipoff_at").is_not_null())
        .join(devices, on="player_id")
        .with_columns(since=pl.col("tipoff_at") - pl.duration(microseconds=LONGEST_GAP))
    )
    main_sleeps = sleeps.filter(~pl.col("is_nap")).with_columns(_asleep_minutes())
    candidates = _joined(moments, main_sleeps, "since", "tipoff_at").filter(_held("tipoff_at"))
    of_cycle = ["device_id", "cycle_id"]
    ended = (
        candidates.select(*_GAME, "tipoff_at", "sleep_id", *of_cycle)
        .join(cycles, on=of_cycle)
        .filter(_held("tipoff_at"), pl.col("cycle_end_at") <= pl.col("tipoff_at"))
    )
    nights = (
        candidates.join(ended, on=[*_GAME, *_NIGHT], how="anti")
        .sort("sleep_end_at", "connected_at", "sleep_id", descending=[True, True, False])
        .unique(_GAME, keep="first")
    )
    scores = (
        nights.select(*_GAME, "tipoff_at", *_NIGHT, "cycle_id")
        .join(recoveries, on=[*_NIGHT, "cycle_id"])
        .filter(_held("tipoff_at"))
        .select(
            *_GAME,
            "hrv_rmssd_ms",
            "resting_heart_rate_bpm",
            "known_from",
            recovery_score_state="score_state",
            strap_generation=_strap_generation(),
        )
    )
    return nights.join(scores, on=_GAME, how="left", suffix="_of_recovery").select(
        *_GAME,
        "tipoff_at",
        *_NIGHT,
        "cycle_id",
        "sleep_end_at",
        "asleep_minutes",
        "strap_generation",
        "hrv_rmssd_ms",
        "resting_heart_rate_bpm",
        "recovery_score_state",
        sleep_score_state="score_state",
        known_at=pl.max_horizontal("known_from", "known_from_of_recovery"),
    )


def int_night_baselines(
    sleeps_current: pl.DataFrame,
    recoveries_current: pl.DataFrame,
    pregame_nights: pl.DataFrame,
    valid_nights: pl.DataFrame,
) -> pl.DataFrame:
    """Every night beside the nights before it, as they are held now and as they were at tip-off."""
    valid = valid_nights.with_columns(
        *(pl.col(name) - centre for name, centre in _CENTRES.items()), nights=1
    ).with_columns(**{square: pl.col(name) ** 2 for square, name in _SQUARES.items()})
    now = _with_windows(
        sleeps_current.filter(~pl.col("is_nap"))
        .select(*_NIGHT, "sleep_end_at")
        .join(recoveries_current, on=_NIGHT, how="left")
    )
    then = _with_windows(
        pregame_nights.select(*_GAME, *_NIGHT, "sleep_end_at", "strap_generation", "tipoff_at")
    )
    views = pl.concat([_summed_now(now, valid), _summed_then(then, valid)], how="diagonal_relaxed")
    return _judged(views)


def _with_windows(views: pl.DataFrame) -> pl.DataFrame:
    """Add where the windows begin, as the moment after which a night belongs to them."""
    return views.with_columns(
        baseline_after=pl.col("sleep_end_at") - pl.duration(microseconds=BASELINE_WINDOW),
        rolling_after=pl.col("sleep_end_at") - pl.duration(microseconds=ROLLING_WINDOW),
    )


def _summed_now(views: pl.DataFrame, valid: pl.DataFrame) -> pl.DataFrame:
    """Sums over the newest versions, by strap generation where the night's own is known."""
    valid = valid.filter("is_newest")
    any_strap = _running_sums(views, valid, ["device_id"])
    same_strap = _running_sums(views, valid, ["device_id", "strap_generation"])
    knows_strap = views["strap_generation"].is_not_null()
    own = valid.select(*_NIGHT, *(pl.col(name).alias(f"own_{name}") for name in _CENTRES))
    return pl.concat(
        [
            views.join(own, on=_NIGHT, how="left", maintain_order="left"),
            pl.DataFrame(
                [
                    same_strap[name].zip_with(knows_strap, any_strap[name])
                    for name in any_strap.columns
                ]
            ),
            pl.DataFrame(
                {"other_strap_nights": any_strap["baseline_nights"] - same_strap["baseline_nights"]}
            ).select(pl.when(knows_strap).then("other_strap_nights").otherwise(0)),
        ],
        how="horizontal",
    )


def _running_sums(views: pl.DataFrame, valid: pl.DataFrame, of_whom: Sequence[str]) -> pl.DataFrame:
    """Sums of both windows of each view, as differences of running sums."""
    views, valid = _numbered(views, valid, of_whom)
    valid = valid.sort("place")
    running = pl.concat(
        [valid.select(_SUMMED).clear(1).fill_null(0), valid.select(pl.col(_SUMMED).cum_sum())]
    )
    ranges = {
        window: (
            _places(views, valid, f"{window}_after", side="right"),
            _places(views, valid, "sleep_end_at", side=side),
        )
        for window, side in _UNTIL.items()
    }
    # in one go, so that both cores take part
    return running.select(
        (pl.col(name).gather(beyond) - pl.col(name).gather(first)).alias(f"{window}_{name}")
        for window, (first, beyond) in ranges.items()
        for name in _SUMMED
    )


def _summed_then(views: pl.DataFrame, valid: pl.DataFrame) -> pl.DataFrame:
    """Sums over the versions that were held at each view's tip-off."""
    views = views.with_row_index("view")
    nights = _joined(
        views.select(
            "view",
            "device_id",
            "tipoff_at",
            "sleep_end_at",
            "baseline_after",
            "rolling_after",
            own_strap="strap_generation",
            own_sleep="sleep_id",
        ),
        valid.with_columns(ended_at="sleep_end_at"),
        "baseline_after",
        "sleep_end_at",
        from_inclusive=False,
    ).filter(_held("tipoff_at"))
    is_like = pl.col("own_strap").is_null() | (pl.col("strap_generation") == pl.col("own_strap"))
    is_own = pl.col("sleep_id") == pl.col("own_sleep")
    windows = {
        "baseline": is_like & (pl.col("ended_at") < pl.col("sleep_end_at")),
        "rolling": is_like & (pl.col("ended_at") > pl.col("rolling_after")),
    }
    sums = (
        nights.lazy()
        .select(
            "view",
            *_SUMMED,
            other_strap_nights=pl.col("strap_generation") != pl.col("own_strap"),
            is_own=is_own,
            **windows,
        )
        .group_by("view")
        .agg(
            pl.col("other_strap_nights").sum(),
            *(pl.col(name).filter("is_own").max().alias(f"own_{name}") for name in _CENTRES),
            *(
                pl.col(name).filter(window).sum().alias(f"{window}_{name}")
                for window in windows
                for name in _SUMMED
            ),
        )
        .collect()
    )
    return views.join(sums, on="view")


def _judged(views: pl.DataFrame) -> pl.DataFrame:
    """Means, spreads and deviations from the sums; nights without a window are left out."""
    has_baseline = pl.col("baseline_nights") >= BASELINE_MIN_NIGHTS
    has_rolling_mean = pl.col("rolling_nights") >= ROLLING_MEAN_MIN_NIGHTS

    def mean(window: str, name: str) -> pl.Expr:
        return _CENTRES[name] + pl.col(f"{window}_{name}") / pl.col(f"{window}_nights")

    def spread(window: str, name: str) -> pl.Expr:
        count = pl.col(f"{window}_nights").cast(pl.Float64)
        squares = pl.col(f"{window}_{name}_squared") - pl.col(f"{window}_{name}") ** 2 / count
        variance = squares / (count - 1)
        return pl.when(variance > _LEAST_VARIANCE).then(variance.sqrt()).otherwise(0.0)

    def deviation(name: str) -> pl.Expr:
        own = pl.col(f"own_{name}") + _CENTRES[name]
        sd = spread("baseline", name)
        return pl.when(has_baseline, sd > 0).then((own - mean("baseline", name)) / sd)

    return (
        views.lazy()
        .filter(
            (pl.col("baseline_nights") > 0)
            | (pl.col("rolling_nights") > 0)
            | (pl.col("other_strap_nights") > 0)
            | pl.col("own_ln_hrv").is_not_null()
        )
        .select(
            *_NIGHT,
            *_GAME,
            "baseline_nights",
            "other_strap_nights",
            "rolling_nights",
            is_valid=pl.col("own_ln_hrv").is_not_null(),
            ln_hrv_baseline_mean=pl.when(has_baseline).then(mean("baseline", "ln_hrv")),
            ln_hrv_baseline_sd=pl.when(has_baseline).then(spread("baseline", "ln_hrv")),
            hrv_baseline_deviation=deviation("ln_hrv"),
            ln_hrv_rolling_mean=pl.when(has_rolling_mean).then(mean("rolling", "ln_hrv")),
            ln_hrv_rolling_variation_pct=pl.when(
                pl.col("rolling_nights") >= ROLLING_VARIATION_MIN_NIGHTS
            ).then(100 * spread("rolling", "ln_hrv") / mean("rolling", "ln_hrv")),
            resting_heart_rate_baseline_mean=pl.when(has_baseline).then(
                mean("baseline", "resting_heart_rate_bpm")
            ),
            resting_heart_rate_deviation=deviation("resting_heart_rate_bpm"),
            resting_heart_rate_rolling_mean=pl.when(has_rolling_mean).then(
                mean("rolling", "resting_heart_rate_bpm")
            ),
            asleep_minutes_baseline_mean=pl.when(has_baseline).then(
                mean("baseline", "asleep_minutes")
            ),
            asleep_deviation=deviation("asleep_minutes"),
            asleep_minutes_rolling_mean=pl.when(has_rolling_mean).then(
                mean("rolling", "asleep_minutes")
            ),
        )
        .collect()
    )


def _held(moment: str) -> pl.Expr:
    """Whether the version of a row was the one that held at a moment."""
    return (pl.col(moment) >= pl.col("known_from")) & (
        pl.col("known_until").is_null() | (pl.col(moment) < pl.col("known_until"))
    )


def _asleep_minutes() -> pl.Expr:
    stages = ("light_sleep_minutes", "slow_wave_sleep_minutes", "rem_sleep_minutes")
    return (pl.col(stages[0]) + pl.col(stages[1]) + pl.col(stages[2])).alias("asleep_minutes")


def _strap_generation() -> pl.Expr:
    """Only WHOOP 4.0 and newer measure oxygen and skin temperature."""
    measures_more = (
        pl.col("spo2_pct").is_not_null() | pl.col("skin_temperature_celsius").is_not_null()
    )
    generation = pl.when(measures_more).then(pl.lit("4.0+")).otherwise(pl.lit("before 4.0"))
    return pl.when(pl.col("score_state") == "SCORED").then(generation)


def _numbered(
    left: pl.DataFrame, right: pl.DataFrame, of_whom: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give both sides the same number for the same device; who is not right has none left."""
    numbers = right.select(of_whom).unique().with_row_index("number", offset=1)
    numbers = numbers.with_columns(pl.col("number").cast(pl.Int64) * _APART)
    return (
        left.join(numbers, on=of_whom, how="left", maintain_order="left"),
        right.join(numbers, on=of_whom).with_columns(
            place=pl.col("number") + pl.col("sleep_end_at").to_physical()
        ),
    )


def _places(
    left: pl.DataFrame, right: pl.DataFrame, moment: str, *, side: Literal["left", "right"]
) -> pl.Series:
    """How many rows of the right side, in order, come before a moment of each of the left."""
    wanted = left.select((pl.col("number") + pl.col(moment).to_physical()).fill_null(0)).to_series()
    return right["place"].search_sorted(wanted, side=side)


def _joined(
    left: pl.DataFrame,
    right: pl.DataFrame,
    since: str,
    until: str,
    *,
    from_inclusive: bool = True,
) -> pl.DataFrame:
    """Pairs of the same device whose right side ended from one moment of the left to another."""
    left, right = _numbered(left, right, ["device_id"])
    right = right.sort("place")
    first = _places(left, right, since, side="left" if from_inclusive else "right")
    beyond = _places(left, right, until, side="right")
    counts = beyond - first
    rows = pl.int_range(left.height, eager=True).repeat_by(counts).explode()
    # the n-th pair of a row is the n-th of its range
    starts = (first.cast(pl.Int64) - (counts.cum_sum() - counts).cast(pl.Int64)).gather(rows)
    found = pl.int_range(rows.len(), eager=True) + starts
    ours = set(left.columns)
    return pl.concat(
        [
            left.drop("number")[rows],
            right.drop(name for name in right.columns if name in ours or name == "place")[found],
        ],
        how="horizontal",
    )
