"""``clutch fit``: read, check, fit, judge, publish or say why not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection

from modeling.clutch_skill import SEED
from modeling.clutch_skill.data import hash_of, read_newest
from modeling.clutch_skill.effects import effect_rows, player_rows
from modeling.clutch_skill.fit import DRAWS, Fit, Sampler, Say
from modeling.clutch_skill.gate import lacks_draws, of_effects, reasons
from modeling.clutch_skill.observations import Observations
from modeling.clutch_skill.predictions import predict
from modeling.clutch_skill.predictive import Check, posterior_checks
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.publish import (
    MODEL_NAME,
    MODEL_VERSION,
    Written,
    code_hash,
    prediction_rows,
    run_id,
    write,
)
from modeling.clutch_skill.refusals import check
from modeling.clutch_skill.statistics import summarise
from modeling.errors import ModelError
from modeling.marts import reading


class Outcome(NamedTuple):
    """What became of a fit.

    Attributes:
        run: Row of ``model_output.runs``.
        checks: Posterior predictive checks; none if it was refused before.
        predictions: Rows published.
        seconds: Wall time by part (s).
        is_unchanged: Whether the run in force already stands on this data and code.
    """

    run: dict[str, Any]
    checks: list[Check]
    predictions: int
    seconds: dict[str, float]
    is_unchanged: bool = False

    @property
    def exit_code(self) -> int:
        """0 published or nothing to do, 3 refused."""
        return 0 if self.is_unchanged or self.run["is_published"] else 3

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run": self.run,
            "checks": [{**each._asdict(), "passed": each.passed} for each in self.checks],
            "predictions": self.predictions,
            "seconds": self.seconds,
            "is_unchanged": self.is_unchanged,
        }

    def lines(self) -> list[str]:
        """For the person at the terminal."""
        run = self.run
        if self.is_unchanged:
            return [f"{run['model_run_id']} stands on this data and code: nothing to do"]
        lines = []
        if run["fitted_at"] is not None:
            wearables = f"{run['athletes']} athletes' nights" if run["athletes"] else "no wearables"
            lines += [
                f"{run['attempts']:,} shots, {run['clutch_attempts']:,} in clutch time, of "
                f"{run['players']} players in {run['games']:,} games ({run['seasons']}); "
                f"{wearables}",
                f"r-hat {run['max_r_hat']:.4f}, least effective sample size "
                f"{run['min_ess_bulk']:,.0f} bulk, {run['min_ess_tail']:,.0f} tail, "
                f"{run['divergences']} divergences, {sum(c.passed for c in self.checks)} of "
                f"{len(self.checks)} predictive checks passed, {run['seconds']:.0f} s",
            ]
        if run["is_published"]:
            return [*lines, f"published: {run['model_run_id']}, {self.predictions:,} predictions"]
        return [
            *lines,
            f"not published: {run['refusal_reasons']}. The last good run stays in force.",
        ]


def fit(
    connection: Connection[Any],
    seasons: Sequence[str] = (),
    *,
    with_wearables: bool = True,
    seed: int = SEED,
    only_if_needed: bool = False,
    say: Say = lambda _: None,
) -> Outcome:
    """Fit the model to the marts and publish it, or record why not.

    Args:
        connection: Of the role that reads ``analytics`` and writes ``model_output``.
        seasons: Seasons; none for the newest three.
        with_wearables: Whether nights may enter.
        seed: For every random number.
        only_if_needed: Do nothing when the run in force was made of the same data by the same code
            and is not stale.
        say: Where to say what is done.

    Returns:
        What became of it. A refusal is recorded and returned, with exit code 3.

    Raises:
        ModelError: If the marts cannot be read.
    """
    begun, started = time.monotonic(), datetime.now(UTC)
    say("reading shots, circumstances and nights")
    observations = read_newest(connection, seasons, with_wearables=with_wearables)
    data_hash = hash_of(observations)
    run: dict[str, Any] = {
        "model_run_id": run_id(data_hash, seed, started),
        "started_at": started,
        "fitted_at": None,
        "model_name": MODEL_NAME,
        "model_version": MODEL_VERSION,
        "data_hash": data_hash,
        "code_hash": code_hash(),
        "seed": seed,
    }
    if only_if_needed:
        current = _in_force(connection)
        if current and all(
            current[name] == run[name] for name in ("data_hash", "code_hash", "seed")
        ):
            return Outcome({**run, **current}, [], 0, {}, is_unchanged=True)
    seconds = {"read": time.monotonic() - begun}
    try:
        check(observations)
    except ModelError as refusal:
        return _refused(connection, run, [str(refusal)], seconds)
    statistics = summarise(observations)
    seconds["sum"] = time.monotonic() - begun - seconds["read"]
    sampler = Sampler(statistics, Priors(), say)
    fitted = sampler.sample(statistics, seed=seed, say=say)
    if lacks_draws(fitted.diagnostics):
        # few games leave spreads near zero, where draws follow one another more closely
        say("too few effective draws: once more with three times as many")
        first = fitted.seconds
        fitted = sampler.sample(statistics, seed=seed, draws=3 * DRAWS, say=say)
        for part in ("sample", "own"):
            fitted.seconds[part] += first[part]
    seconds |= fitted.seconds
    say("checking")
    checks = posterior_checks(fitted, seed)
    run |= _facts(observations, fitted, checks)
    run["fitted_at"] = datetime.now(UTC)
    run["seconds"] = time.monotonic() - begun
    devices = _devices(observations, fitted)
    if found := reasons(fitted.diagnostics, checks):
        return _refused(connection, run, found, seconds, checks, devices)
    say("predicting")
    before = time.monotonic()
    predictions = predict(fitted, observations, seed)
    rows = prediction_rows(predictions, observations)
    effects = effect_rows(fitted)
    seconds["predict"] = time.monotonic() - before
    if found := of_effects(effects):
        return _refused(connection, run, found, seconds, checks, devices)
    run |= {
        "is_published": True,
        "refusal_reasons": None,
        "seconds": time.monotonic() - begun,
    }
    say("publishing")
    before = time.monotonic()
    write(
        connection,
        Written(
            run,
            devices,
            player_rows(fitted, list(observations.player_ids)),
            effects,
            rows,
        ),
    )
    seconds["publish"] = time.monotonic() - before
    return Outcome(run, checks, len(rows), seconds)


def _devices(observations: Observations, fitted: Fit) -> list[str]:
    """Wearables of whose nights anything entered."""
    if not fitted.has_nights:
        return []
    games = observations.player_games
    entered = games.device[games.is_worn & (games.device >= 0)]
    return [observations.device_ids[number] for number in np.unique(entered)]


def _facts(observations: Observations, fitted: Fit, checks: list[Check]) -> dict[str, Any]:
    games = observations.player_games
    played = ~games.is_upcoming
    dates = [observations.game_dates[row] for row in np.flatnonzero(played).tolist()]
    ids = {observations.game_ids[row] for row in np.flatnonzero(played).tolist()}
    return {
        "seasons": ", ".join(observations.season_names),
        "first_game_date": min(dates),
        "last_game_date": max(dates),
        "games": len(ids),
        "players": int((fitted.statistics.attempts.sum(axis=1) > 0).sum()),
        "athletes": fitted.statistics.nights.athletes,
        "attempts": observations.attempts,
        "clutch_attempts": observations.clutch_attempts,
        "used_wearables": fitted.has_nights,
        "chains": fitted.chains,
        "tune": fitted.tune,
        "draws": len(fitted.coefficients) // fitted.chains,
        **{name: value for name, value in fitted.diagnostics._asdict().items() if name != "worst"},
        "predictive_checks": "; ".join(map(str, checks)),
    }


def _refused(
    connection: Connection[Any],
    run: dict[str, Any],
    why: list[str],
    seconds: dict[str, float],
    checks: Sequence[Check] = (),
    devices: Sequence[str] = (),
) -> Outcome:
    run = {**run, "is_published": False, "refusal_reasons": "; ".join(why)}
    write(connection, Written(run, devices))
    return Outcome(run, list(checks), 0, seconds)


def _in_force(connection: Connection[Any]) -> dict[str, Any] | None:
    with reading("analytics.model_runs"):
        row = connection.execute(
            "select model_run_id, data_hash, code_hash, seed, fitted_at, is_published"
            " from analytics.model_runs where is_current"
        ).fetchone()
    connection.commit()
    if row is None:
        return None
    names = ("model_run_id", "data_hash", "code_hash", "seed", "fitted_at", "is_published")
    return dict(zip(names, row, strict=True))
