"""``clutch fit`` on a simulated league with nights: published, refused, withdrawn, fitted again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from modeling.clutch_skill import SEED, gate, run
from modeling.clutch_skill.fit import Fit
from modeling.clutch_skill.predictions import predict
from tests.end_to_end.test_win_probability_commands import clutch
from tests.support.fitted_league import GAMES, Fitted, Kept

TOLD = ("clutch_predictions", "clutch_player_skills", "model_effects")

Row = dict[str, Any]


def rows(settings: Settings, query: str) -> list[Row]:
    """What the medical staff finds."""
    with connect(settings, roles.MEDICAL, purpose="readiness") as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        names = [column.name for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def counts(settings: Settings) -> dict[str, dict[str, int]]:
    """Rows that the medical staff finds in each relation, by run."""
    return {
        relation: {
            row["model_run_id"]: row["count"]
            for row in rows(
                settings,
                f"select model_run_id, count(*) as count from analytics.{relation} group by 1",
            )
        }
        for relation in TOLD
    }


class Given:
    """A sampler that has been told what to find."""

    def __init__(self, fit: Fit | None) -> None:
        self._fit = fit

    def __call__(self, *_: object) -> Given:
        return self

    def sample(self, *_: object, **__: object) -> Fit:
        assert self._fit is not None, "nothing was to be fitted"
        return self._fit


def test_a_run_shows_at_once_without_a_build(fitted: Fitted) -> None:
    (shown,) = rows(fitted.settings, "select * from analytics.model_runs")
    assert shown["model_run_id"] == fitted.outcome.run["model_run_id"]
    assert shown["is_published"]
    assert shown["is_current"]
    assert not shown["is_stale"]
    assert shown["used_wearables"]
    assert shown["athletes"] >= 6
    assert shown["games"] == GAMES
    assert shown["seed"] == SEED
    assert shown["max_r_hat"] < gate.MOST_R_HAT
    assert min(shown["min_ess_bulk"], shown["min_ess_tail"]) >= gate.LEAST_ESS
    assert shown["divergences"] == 0
    devices = rows(fitted.settings, "select count(*) as count from analytics.wearables_devices")
    assert shown["athletes"] <= devices[0]["count"]


def test_predictions_are_in_order_and_tell_whether_a_night_entered(fitted: Fitted) -> None:
    found = rows(fitted.settings, "select * from analytics.clutch_predictions where is_current")
    assert len(found) == fitted.outcome.predictions > 400
    for row in found:
        assert 0 <= row["lower_90"] <= row["lower_50"] <= row["upper_50"] <= row["upper_90"] <= 100
        assert row["lower_90"] <= row["predicted_clutch_score"] <= row["upper_90"]
        assert row["points_lower_90"] < row["predicted_points_over_expected"]
        assert row["predicted_points_over_expected"] < row["points_upper_90"]
        assert 0 <= row["reliability"] <= 1
        assert row["confidence"] >= 0.5
        moved = row["wearables_score_effect"]
        assert (moved is not None) == row["used_wearables"]
        if row["used_wearables"]:
            low = row["wearables_score_effect_lower_90"]
            assert low <= moved <= row["wearables_score_effect_upper_90"]
    # who played in clutch time after a measured night, and nobody else
    worn = rows(
        fitted.settings,
        """
        select predictions.used_wearables, baselines.player_id is not null as is_athlete,
            count(*) as count
        from analytics.clutch_predictions as predictions
        left join analytics.pregame_baselines as baselines using (player_id, game_id)
        group by 1, 2
        """,
    )
    states = {(row["used_wearables"], row["is_athlete"]): row["count"] for row in worn}
    assert states[True, True] > 10
    assert states[False, False] > 200
    assert (True, False) not in states


def test_effects_are_told_in_words(fitted: Fitted) -> None:
    found = {
        row["effect"]: row
        for row in rows(fitted.settings, "select * from analytics.model_effects where is_current")
    }
    assert any("HRV" in name or "hrv" in name for name in found)
    for name, row in found.items():
        assert row["statement"], name
        assert row["lower_90"] <= row["mean"] <= row["upper_90"], name
        assert min(row["ess_bulk"], row["ess_tail"]) >= gate.LEAST_ESS, name


def test_skills_of_every_player_who_shot(fitted: Fitted) -> None:
    found = rows(fitted.settings, "select * from analytics.clutch_player_skills where is_current")
    shooters = np.unique(
        fitted.observations.player_games.player[fitted.observations.cells.row]
    ).tolist()
    told = {row["player_id"] for row in found}
    assert {fitted.observations.player_ids[number] for number in shooters} <= told


def test_the_same_seed_gives_the_same_predictions(fitted: Fitted) -> None:
    statistics = fitted.fit.statistics

    def scores(seed: int) -> np.ndarray:
        found = fitted.sampler.sample(statistics, seed=seed, draws=100, tune=200, chains=2)
        predictions = predict(found, fitted.observations, seed)
        return np.column_stack([predictions.score, predictions.lower_90, predictions.upper_90])

    first = scores(1)
    np.testing.assert_array_equal(scores(1), first)
    assert (scores(2) != first).any(axis=1).mean() > 0.9


def test_nothing_is_done_where_nothing_changed(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Sampler", Given(None))
    before = rows(fitted.settings, "select * from analytics.model_runs")
    done = clutch(fitted.settings, "fit", "--if-needed", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["is_unchanged"]
    with connect(fitted.settings, roles.MODEL) as connection:
        again = run.fit(connection, only_if_needed=True)
        assert again.is_unchanged
        assert again.exit_code == 0
        # another seed is another run
        with pytest.raises(AssertionError, match="nothing was to be fitted"):
            run.fit(connection, only_if_needed=True, seed=SEED + 1)
        # and so is one without the nights, whatever else is the same
        with pytest.raises(AssertionError, match="nothing was to be fitted"):
            run.fit(connection, only_if_needed=True, with_wearables=False)
    assert rows(fitted.settings, "select * from analytics.model_runs") == before


def test_what_the_gate_refuses_is_recorded_and_the_last_run_stays(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts(fitted.settings)
    least = fitted.fit.diagnostics.min_ess_bulk + 1
    monkeypatch.setattr(gate, "LEAST_ESS", least)
    monkeypatch.setattr(run, "Sampler", Given(fitted.fit))
    with connect(fitted.settings, roles.MODEL) as connection:
        refused = run.fit(connection)
    assert refused.exit_code == 3
    assert f"must be at least {least:.0f}" in refused.run["refusal_reasons"]
    _refused_beside_the_first(fitted, refused)
    assert counts(fitted.settings) == before


def test_broken_data_are_refused_before_a_fit(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts(fitted.settings)
    cells = fitted.observations.cells
    broken = fitted.observations._replace(cells=cells._replace(is_clutch=~cells.is_clutch))
    monkeypatch.setattr(run, "read_newest", lambda *_, **__: broken)
    monkeypatch.setattr(run, "Sampler", Given(None))
    with connect(fitted.settings, roles.MODEL) as connection:
        refused = run.fit(connection)
    assert refused.exit_code == 3
    assert "is_clutch" in refused.run["refusal_reasons"]
    assert "Fix:" in refused.run["refusal_reasons"]
    _refused_beside_the_first(fitted, refused)
    assert counts(fitted.settings) == before


def _refused_beside_the_first(fitted: Fitted, refused: run.Outcome) -> None:
    shown = {row["model_run_id"]: row for row in rows(fitted.settings, "select * from model_runs")}
    row = shown[refused.run["model_run_id"]]
    assert not row["is_published"]
    assert not row["is_current"]
    assert row["refusal_reasons"] == refused.run["refusal_reasons"]
    assert shown[fitted.outcome.run["model_run_id"]]["is_current"]


def test_a_withdrawal_takes_the_run_away_and_a_refit_knows_nothing_of_him(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, first = fitted.settings, fitted.outcome.run["model_run_id"]
    with connect(settings, roles.MODEL) as connection:
        ((device,),) = connection.execute(
            "select min(device_id) from model_output.run_devices where model_run_id = %s", [first]
        ).fetchall()
    (leaves,) = rows(
        settings, f"select player_id from analytics.wearables_devices where device_id = '{device}'"
    )
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            """
            insert into operations.consents (
                player_id, decision, text_version, purposes, audience, scopes
            )
            values (%s, 'withdrawn', 'test', '{}', '{}', '{}')
            """,
            [leaves["player_id"]],
        )
    assert counts(settings) == {relation: {} for relation in TOLD}
    stale, *refused = rows(
        settings, "select * from analytics.model_runs where is_stale order by is_published desc"
    )
    assert stale["model_run_id"] == first
    # one that the gate refused knew his nights as well
    assert not any(row["is_published"] for row in refused)
    assert "may no longer be read: fit again" in stale["stale_reason"]

    # no build between: the marts still hold his nights
    monkeypatch.setattr(run, "Sampler", Kept)
    with connect(settings, roles.MODEL) as connection:
        again = run.fit(connection, only_if_needed=True)
    assert again.exit_code == 0, again.lines()
    assert not again.is_unchanged
    second = again.run["model_run_id"]
    assert again.run["athletes"] == fitted.outcome.run["athletes"] - 1
    with connect(settings, roles.MODEL) as connection:
        devices = {
            name
            for (name,) in connection.execute(
                "select device_id from model_output.run_devices where model_run_id = %s", [second]
            ).fetchall()
        }
    assert devices
    assert device not in devices
    (current,) = rows(settings, "select * from analytics.model_runs where is_current")
    assert current["model_run_id"] == second
    assert set(counts(settings)["clutch_predictions"]) == {second}
    entered = rows(
        settings,
        f"select count(*) as count from analytics.clutch_predictions"
        f" where player_id = '{leaves['player_id']}' and used_wearables",
    )
    assert entered == [{"count": 0}]
