"""What the API answers. Null is "not known", never a number that is none."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

Score = Annotated[float, Field(description="0-100.")]
Share = Annotated[float, Field(description="0-1.")]
Points = Annotated[float, Field(description="Points.")]


class Me(BaseModel):
    """Whose key it is."""

    name: str
    audience: str
    sees_athletes: bool = Field(description="Whether athletes can allow this audience anything.")


class Season(BaseModel):
    """A season with finished games."""

    season: str = Field(description="E.g. 2023-24.")
    games: int = Field(description="Finished games.")
    last_game_date: date | None = Field(description="Date at the arena; null where none is known.")


class Seasons(BaseModel):
    """All seasons, the newest first."""

    items: list[Season]


class _Average(BaseModel):
    total_clutch_games: int = Field(description="Games with an action in clutch time.")
    avg_clutch_score: Score
    lower_90: float | None = Field(description="Lower end of the average's 90 % interval.")
    upper_90: float | None = Field(description="Upper end of it.")
    reliability: Share | None = Field(
        description="Share of what sets players apart at so many games that is not luck, 0-1."
    )
    expected_clutch_score: Score | None = Field(
        description="What to expect of his next games by these alone, 0-100."
    )
    clutch_percentile: Score | None = Field(
        description="Among players with enough games, 0-100; null below them."
    )
    points_scored: int = Field(description="In clutch time.")
    points_over_expected: Points
    win_probability_added: float | None = Field(description="Summed over the season.")
    avg_recovery_score: Score | None = Field(
        description="Mean pre-game recovery, 0-100 %; null without one that you may see."
    )
    recovery_games: int = Field(description="Games behind it.")


class Leader(_Average):
    """A player of a season. Ranks are among all of the season with so many games."""

    player_id: str
    season: str
    full_name: str | None
    team_id: str | None = Field(description="His latest team.")
    tricode: str | None = Field(description="Its three letters.")
    rank: int = Field(description="Ties share one.")
    rank_lower_90: int | None = Field(description="One more than who is surely ahead of him.")
    rank_upper_90: int | None = Field(description="All but who is surely behind him.")


class Leaderboard(BaseModel):
    """One page of a leaderboard."""

    items: list[Leader]
    total: int = Field(description="Rows of all pages.")
    next: str | None = Field(description="Address of the next page; null on the last.")


class Player(BaseModel):
    """Who he is."""

    player_id: str
    full_name: str | None
    team_id: str | None = Field(description="His latest team.")
    tricode: str | None
    position: str | None


class Players(BaseModel):
    """One page of players."""

    items: list[Player]
    total: int
    next: str | None = Field(description="Address of the next page; null on the last.")


class Team(BaseModel):
    """A team."""

    team_id: str
    tricode: str | None = Field(description="Three letters.")
    city: str | None
    name: str | None


class Teams(BaseModel):
    """All teams."""

    items: list[Team]


class PlayerSeason(_Average):
    """One season of a player."""

    season: str


class PlayerGame(BaseModel):
    """One stretch of clutch time of a player, with what was known of his body before the game."""

    game_id: str
    season: str
    game_date: date | None
    home_team_id: str | None
    away_team_id: str | None
    situation_id: str
    actions_total: int
    actions_successful: int
    points_scored: int
    points_over_expected: Points | None
    clutch_score: Score
    win_probability_added: float | None
    has_wearables_data: bool = Field(description="That you may see.")
    hrv_rmssd_pregame: float | None = Field(description="rMSSD of the night before (ms).")
    hrv_baseline_deviation: float | None = Field(description="z against his own 28 nights.")
    recovery_score_pregame: Score | None
    sleep_performance_pregame: Score | None
    wearables_quality_score: Share | None


class PlayerModel(BaseModel):
    """What the model in force says of a player, in points a shot."""

    model_run_id: str
    fitted_at: datetime
    overall_skill: float
    overall_skill_lower_90: float
    overall_skill_upper_90: float
    clutch_deviation: float
    clutch_deviation_lower_90: float
    clutch_deviation_upper_90: float
    clutch_reliability: Share | None
    statement: str = Field(description="In words.")


class PlayerClutch(BaseModel):
    """A player's clutch performance by season, and his games, the newest first."""

    player: Player
    seasons: list[PlayerSeason]
    model: PlayerModel | None = Field(description="Null without a run in force that knows him.")
    games: list[PlayerGame]
    total_games: int = Field(description="Stretches of all pages.")
    next: str | None = Field(description="Address of the next page of games; null on the last.")


class Night(BaseModel):
    """A date of an athlete."""

    summary_date: date = Field(description="When he woke, by his own clock.")
    hrv_rmssd_avg: float | None = Field(description="rMSSD (ms).")
    hrv_baseline_deviation: float | None = Field(description="z against his own 28 nights.")
    hrv_normal_range: str | None = Field(description="below, within or above.")
    hrv_baseline_lower: float | None = Field(
        description="A standard deviation below the mean of his own 28 nights before (ms)."
    )
    hrv_baseline_upper: float | None = Field(description="A standard deviation above it (ms).")
    recovery_score: Score | None
    resting_heart_rate: float | None = Field(description="Beats a minute.")
    sleep_performance_score: Score | None
    asleep_minutes: float | None = Field(description="Minutes.")
    day_strain: float | None = Field(description="0-21.")
    data_completeness: Share
    missing_reason: str | None


class WearablesSummary(BaseModel):
    """Newest night, and means of a week and of four."""

    last_date: date
    latest_night: date | None
    hrv_rmssd_latest: float | None
    hrv_baseline_deviation_latest: float | None
    hrv_normal_range_latest: str | None
    recovery_score_latest: Score | None
    resting_heart_rate_latest: float | None
    sleep_performance_latest: Score | None
    asleep_minutes_latest: float | None
    day_strain_latest: float | None
    nights_7d: int
    nights_28d: int
    hrv_rmssd_7d: float | None
    hrv_rmssd_28d: float | None
    recovery_score_7d: Score | None
    recovery_score_28d: Score | None
    resting_heart_rate_7d: float | None
    resting_heart_rate_28d: float | None
    sleep_performance_7d: Score | None
    sleep_performance_28d: Score | None
    asleep_minutes_7d: float | None
    asleep_minutes_28d: float | None
    data_completeness_7d: Share | None
    data_completeness_28d: Share | None


class PlayerWearables(BaseModel):
    """Empty for a player of whom there is nothing that you may see: which it is, is not said."""

    player: Player
    summary: WearablesSummary | None
    nights: list[Night] = Field(description="The newest first.")


class Game(BaseModel):
    """A game."""

    game_id: str
    season: str
    season_type: str | None
    game_date: date | None
    tipoff_at: datetime | None
    home_team_id: str | None
    home_tricode: str | None
    home_score: int | None
    away_team_id: str | None
    away_tricode: str | None
    away_score: int | None
    is_final: bool


class GameSummary(Game):
    """A game, and how close it was."""

    periods: int | None = Field(description="5 and more are overtimes.")
    clutch_windows: int = Field(description="Unbroken stretches of clutch time.")
    total_swing: float | None = Field(description="Sum of absolute changes of win probability.")
    lowest_win_probability_of_winner: Share | None


class Games(BaseModel):
    """One page of games, the newest first."""

    items: list[GameSummary]
    total: int
    next: str | None = Field(description="Address of the next page; null on the last.")


class Readiness(BaseModel):
    """A player of a game, and what was known of his night at tip-off where you may see it."""

    player_id: str
    full_name: str | None
    team_id: str | None = Field(description="His side; null where he has a night and no minutes.")
    hrv_rmssd_pregame: float | None = Field(description="rMSSD (ms).")
    hrv_baseline_deviation: float | None = Field(description="z against his own 28 nights.")
    recovery_score_pregame: Score | None
    resting_heart_rate_deviation: float | None = Field(description="z; positive is higher.")
    sleep_performance_pregame: Score | None
    asleep_minutes_pregame: float | None = Field(description="Minutes.")
    day_strain_pregame: float | None = Field(description="0-21.")
    hours_to_tipoff: float | None = Field(description="From waking (h).")
    quality_score: Share | None
    quality_reasons: str | None = Field(description="What lowers it, separated by commas.")
    missing_reason: str | None


class GameReadiness(BaseModel):
    """A game, and who played it how rested."""

    game: Game
    players: list[Readiness]


class Moment(BaseModel):
    """Win probability after an action."""

    order_number: int
    action_number: int
    action_timestamp: datetime | None
    period: int
    seconds_remaining: float | None = Field(description="In the period (s).")
    home_margin: int | None = Field(description="Home minus visitors (points).")
    is_clutch: bool
    home_win_probability: Share | None
    leverage: Share | None


class Action(BaseModel):
    """An action in clutch time and who is credited."""

    order_number: int
    player_id: str
    full_name: str | None
    team_id: str | None
    action_type: str
    action_subtype: str | None
    is_successful: bool
    points_scored: int
    expected_points: Points | None
    win_probability_added: float | None


class ClutchWindow(BaseModel):
    """An unbroken stretch of clutch time."""

    situation_id: str
    period: int
    start_timestamp: datetime | None
    end_timestamp: datetime | None
    game_clock_start: str
    game_clock_end: str
    clutch_intensity: Share | None


class GameWave(BaseModel):
    """A game's win probability, its clutch time, and who did what in it."""

    game: Game
    moments: list[Moment]
    windows: list[ClutchWindow]
    actions: list[Action]


class Prediction(BaseModel):
    """A player before a game of the next two days."""

    player_id: str
    full_name: str | None
    team_id: str | None
    game_id: str
    tipoff_at: datetime | None
    home_tricode: str | None
    away_tricode: str | None
    model_run_id: str
    fitted_at: datetime
    predicted_clutch_score: Score
    lower_50: Score
    upper_50: Score
    lower_90: Score
    upper_90: Score
    confidence: Share | None
    reliability: Share | None
    game_reliability: Share | None
    used_wearables: bool


class Predictions(BaseModel):
    """One page of predictions, by tip-off."""

    items: list[Prediction]
    total: int
    next: str | None = Field(description="Address of the next page; null on the last.")


class Run(BaseModel):
    """A run of the model."""

    model_run_id: str
    fitted_at: datetime
    model_version: int
    seasons: str = Field(description="In words.")
    last_game_date: date | None
    games: int
    players: int
    athletes: int = Field(description="Players whose nights entered it.")
    attempts: int = Field(description="Shots, free throws included.")
    clutch_attempts: int
    used_wearables: bool


class Effect(BaseModel):
    """What a circumstance or a night changes."""

    effect: str
    label: str
    unit: str
    mean: float = Field(description="Posterior mean (unit).")
    lower_90: float
    upper_90: float
    statement: str = Field(description="In words.")


class Model(BaseModel):
    """What the run in force says."""

    run: Run | None = Field(description="Null without one in force.")
    effects: list[Effect]


class MorningRow(BaseModel):
    """A player before a game of the next two days: last night as far as you may see it.

    Whoever has no night, or one that you may not see, has nulls: the two look alike. A prediction
    that stands on nights which you may not see is not there either.
    """

    player_id: str
    full_name: str | None
    game_id: str
    season: str | None
    tipoff_at: datetime | None
    team_id: str | None = Field(description="His team.")
    team_tricode: str | None = Field(description="Its three letters.")
    opponent_team_id: str | None
    opponent_tricode: str | None
    is_home: bool | None
    woke_at: datetime | None = Field(description="End of the night that counts.")
    hrv_rmssd_pregame: float | None = Field(description="rMSSD of the night (ms).")
    hrv_baseline_deviation: float | None = Field(description="z against his own 28 nights.")
    hrv_normal_range: str | None = Field(description="His week: below, within or above.")
    hrv_normal_lower: float | None = Field(description="Lower end of his normal range (ms).")
    hrv_normal_upper: float | None = Field(description="Upper end of it (ms).")
    recovery_score_pregame: Score | None
    resting_heart_rate_pregame: float | None = Field(description="Beats a minute.")
    resting_heart_rate_deviation: float | None = Field(description="z against his own 28 nights.")
    sleep_performance_pregame: Score | None
    asleep_minutes_pregame: float | None = Field(description="Minutes.")
    asleep_deviation: float | None = Field(description="z against his own 28 nights.")
    day_strain_pregame: float | None = Field(description="0-21.")
    quality_score: Share | None = Field(description="How good the night is, 0-1.")
    quality_reasons: list[str] = Field(description="What lowers it.")
    missing_reason: str | None = Field(description="Why there is no HRV.")
    known_at: datetime | None = Field(description="When the newest of these values was written.")
    model_run_id: str | None = Field(description="Null, like what follows, without a prediction.")
    fitted_at: datetime | None
    predicted_clutch_score: Score | None
    lower_50: Score | None
    upper_50: Score | None
    lower_90: Score | None
    upper_90: Score | None
    confidence: Share | None
    reliability: Share | None
    game_reliability: Share | None
    used_wearables: bool | None
    alerts: int = Field(description="Rules that fire; see alerts.")
    severity: str | None = Field(description="Of the gravest of them: act or watch.")
    rules_withheld: int = Field(
        description="Rules that say nothing either way because the night is not good enough."
    )


class Morning(BaseModel):
    """One page of the morning board, by tip-off and game."""

    items: list[MorningRow]
    total: int = Field(description="Rows of all pages.")
    next: str | None = Field(description="Address of the next page; null on the last.")


class Alert(BaseModel):
    """A reason to ask an athlete before a game, never a verdict on who plays."""

    player_id: str
    full_name: str | None
    game_id: str
    tipoff_at: datetime | None
    team_id: str | None
    team_tricode: str | None
    opponent_tricode: str | None
    is_home: bool | None
    rule_id: str
    severity: str = Field(description="act or watch.")
    metric: str = Field(description="Field of the morning board.")
    value: float = Field(description="In the unit.")
    comparison: str = Field(description="below or above the threshold.")
    threshold: float = Field(description="In the unit.")
    unit: str
    words: str = Field(description="What it says.")
    quality_score: Share | None = Field(description="How good the night is, 0-1.")
    quality_reasons: list[str] = Field(description="What lowers it.")


class Alerts(BaseModel):
    """One page of alerts, by tip-off, the gravest of a game first."""

    items: list[Alert]
    total: int = Field(description="Rows of all pages.")
    next: str | None = Field(description="Address of the next page; null on the last.")


class HealthMatter(BaseModel):
    """One thing that is looked at."""

    subject: str
    metric: str
    value: float | None = Field(
        description="In the unit; null where there is nothing to measure, or too few accounts."
    )
    unit: str
    late_above: float | None = Field(description="Above it the state is late.")
    bad_above: float | None = Field(description="Above it the state is bad.")
    state: str = Field(description="good, late or bad.")
    measured_at: datetime | None = Field(description="To the minute.")
    explanation: str
    what_to_do: str | None = Field(description="Null while the state is good.")


class Quarantined(BaseModel):
    """What was refused and did not come again in good form."""

    source: str = Field(description="nba or whoop.")
    resource: str = Field(description="Kind of record.")
    reason: str
    entries: int
    first_seen_at: datetime
    last_seen_at: datetime


class DataHealth(BaseModel):
    """Whether the data are as new and whole as they should be."""

    state: str = Field(description="The worst of all: good, late or bad.")
    items: list[HealthMatter]
    quarantine: list[Quarantined] = Field(
        description="Open entries by kind and reason; of WHOOP with five accounts or more."
    )


class Restatement(BaseModel):
    """What the league changed after a game was final."""

    restatement_id: str
    game_id: str
    game_date: date | None
    home_tricode: str | None
    away_tricode: str | None
    resource: str = Field(description="playbyplay or boxscore.")
    record_type: str = Field(description="game, team, player or action.")
    record_id: str
    field: str = Field(description="Name of the field in the league's payload.")
    version_number: int
    old_value: str | None
    new_value: str | None
    previous_seen_at: datetime = Field(description="When the value before was fetched.")
    seen_at: datetime = Field(description="When the change was fetched.")
    edited_at: datetime | None = Field(description="The league's own time of the edit.")
    period: int | None
    game_clock: str | None
    player_id: str | None
    full_name: str | None
    is_clutch_time: bool | None


class Restatements(BaseModel):
    """One page of restatements, the newest first."""

    items: list[Restatement]
    total: int = Field(description="Rows of all pages.")
    next: str | None = Field(description="Address of the next page; null on the last.")


class Freshness(BaseModel):
    """How new what is shown is."""

    last_game_date: date | None
    model_fitted_at: datetime | None


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
