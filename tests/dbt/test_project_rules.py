"""Rules that hold for the dbt project as a whole, read from its manifest."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest
import yaml

from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, invoke_dbt

LAYERS = ("staging", "intermediate", "marts")


@pytest.fixture(scope="module")
def manifest(
    embedded_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    done = invoke_dbt(embedded_settings, ["parse"], tmp_path_factory.mktemp("target"))
    assert done.success, done.exception
    manifest: dict[str, Any] = done.result.to_dict(omit_none=False)
    return manifest


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(found) > 20
    return found


def layer(node: dict[str, Any]) -> str:
    return node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"]


def test_every_model_and_column_is_described(models: list[dict[str, Any]]) -> None:
    bare = [model["name"] for model in models if not model["description"].strip()]
    assert bare == []
    undescribed = [
        f"{model['name']}.{column['name']}"
        for model in models
        for column in model["columns"].values()
        if not column["description"].strip()
    ]
    assert undescribed == []


def test_only_staging_reads_sources_and_layers_never_look_back(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    wrong = []
    for model in models:
        for parent in model["depends_on"]["nodes"]:
            if parent.startswith("source."):
                if layer(model) != "staging":
                    wrong.append(f"{model['name']} reads {parent}")
            elif parent.startswith("model."):
                upstream = manifest["nodes"][parent]
                if LAYERS.index(layer(upstream)) > LAYERS.index(layer(model)):
                    wrong.append(f"{model['name']} ({layer(model)}) reads {upstream['name']}")
    assert wrong == []


def test_every_mart_has_an_enforced_contract_and_every_mart_table_a_primary_key(
    models: list[dict[str, Any]],
) -> None:
    marts = [model for model in models if layer(model) == "marts"]
    assert {model["schema"] for model in marts} == {"analytics"}
    assert [model["name"] for model in marts if not model["contract"]["enforced"]] == []
    without_key = [
        model["name"]
        for model in marts
        if model["config"]["materialized"] != "view"
        and "primary_key" not in {constraint["type"] for constraint in model["constraints"]}
    ]
    assert without_key == []


def test_nothing_that_modeling_reads_depends_on_what_it_wrote(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    """Else a fit would learn from the fit before it."""
    parents = {model["unique_id"]: model["depends_on"]["nodes"] for model in models}
    told: set[str] = set()
    found = {name for name in manifest["sources"] if name.split(".")[2] == "model_output"}
    assert len(found) == 5
    while found:
        told |= found
        found = {name for name, nodes in parents.items() if told & set(nodes)} - told
    names = {manifest["nodes"][name]["name"] for name in told if name.startswith("model.")}
    assert {"model_runs", "clutch_predictions", "stg_model_output__runs"} <= names
    # a place of their own: what is in no other folder cannot be read by mistake
    folders = {tuple(manifest["nodes"][name]["fqn"][1:3]) for name in told if "model." in name[:6]}
    assert folders == {("staging", "model_output"), ("marts", "model"), ("marts", "board")}
    read = {
        (name, path.name)
        for path in (PROJECT_ROOT / "modeling").rglob("*.py")
        for name in re.findall(r"analytics\.(\w+)", path.read_text())
    }
    assert {"games", "expected_points", "player_game_shots"} <= {name for name, _ in read}
    # a fit that is asked for only if needed looks whether one is in force; nothing of it enters
    assert {each for each in read if each[0] in names} == {("model_runs", "run.py")}


def test_p9_no_model_knows_a_salary_or_a_contract(models: list[dict[str, Any]]) -> None:
    """What decides on a player's pay has no place beside his body."""
    named = {
        f"{model['name']}.{column}" for model in models for column in (*model["columns"], "itself")
    }
    assert len(named) > 500
    forbidden = re.compile(r"salar|contract|payroll|agent|waiver|cap_hit", re.IGNORECASE)
    assert {name for name in named if forbidden.search(name)} == set()


def test_a_change_of_any_var_rebuilds_every_game() -> None:
    declared = yaml.safe_load((PROJECT_ROOT / "dbt_project.yml").read_text())["vars"]
    macro = (PROJECT_ROOT / "dbt_project/macros/incremental_by_game.sql").read_text()
    listed = re.findall(r"'(\w+)'", macro.split("macro metric_vars()")[1])
    assert sorted(listed) == sorted(declared)


def test_the_common_subset_holds_for_models() -> None:
    """What a second engine lacks stands in macros with dispatch, never in a model."""
    forbidden = re.compile(
        r"distinct on|\bqualify\b|generate_series|->>|->|#>|jsonb|at time zone|\{\{ function\(",
        re.IGNORECASE,
    )
    hits = []
    for path in sorted((PROJECT_ROOT / "dbt_project/models").rglob("*.sql")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if forbidden.search(line.split("--")[0]):
                hits.append(f"{path.name}:{number}: {line.strip()}")
    assert hits == []


def test_public_names_of_the_data_contract_exist(models: list[dict[str, Any]]) -> None:
    columns = {model["name"]: set(model["columns"]) for model in models}
    contract = {
        "games": "game_id season season_type game_date tipoff_at arena_timezone home_team_id "
        "away_team_id home_score away_score playoff_game is_final",
        "players": "player_id full_name team_id position",
        "teams": "team_id tricode city name",
        "clutch_situations": "situation_id game_id situation_type start_timestamp end_timestamp "
        "game_clock_start game_clock_end period score_margin score_margin_absolute home_score "
        "away_score is_clutch_time clutch_intensity playoff_game data_source",
        "clutch_player_actions": "action_id situation_id game_id player_id action_timestamp "
        "game_clock period action_type action_subtype is_successful points_scored expected_points "
        "score_margin win_probability_added data_source",
        "expected_points": "shot_id game_id action_number order_number player_id team_id period "
        "seconds_remaining shot_type shot_value distance_feet angle_degrees is_made points_scored "
        "make_probability expected_points is_clutch is_and_one is_technical is_flagrant "
        "data_source average_make_probability average_expected_points",
        "player_game_shots": "player_id game_id shot_kind phase season team_id is_clutch attempts "
        "makes points_scored expected_points average_expected_points residual_squares "
        "leverage_sum leverage_squares leverage_residuals margin_sum margin_squares "
        "margin_residuals leverage_margin_products",
        "player_game_contexts": "player_id game_id season season_type game_date tipoff_at is_final "
        "is_upcoming team_id opponent_team_id is_home playoff_game rest_days is_back_to_back "
        "team_rating opponent_rating clutch_field_goal_attempts clutch_free_throw_attempts "
        "field_goal_attempts free_throw_attempts has_clutch_action",
        "clutch_predictions": "player_id game_id model_run_id fitted_at is_current "
        "predicted_clutch_score lower_90 upper_90 confidence used_wearables",
        "model_runs": "model_run_id fitted_at data_hash code_hash seed max_r_hat min_ess_bulk "
        "min_ess_tail divergences min_e_bfmi is_published refusal_reasons is_stale stale_reason "
        "is_current",
        "clutch_player_skills": "player_id full_name model_run_id overall_skill clutch_deviation "
        "clutch_reliability clutch_skill is_current",
        "model_effects": "effect model_run_id mean lower_90 upper_90 probability_in_rope statement "
        "is_current",
        "clutch_performance_scores": "player_id game_id situation_id actions_total "
        "actions_successful success_rate points_scored expected_points points_over_expected "
        "clutch_score clutch_percentile win_probability_added hrv_rmssd_pregame "
        "hrv_baseline_deviation recovery_score_pregame sleep_performance_pregame "
        "day_strain_pregame has_wearables_data wearables_quality_score calculation_method "
        "updated_at",
        "wearables_devices": "device_id player_id device_type api_version consent_granted "
        "consent_granted_at is_active last_sync_at sync_status",
        "wearables_readings": "device_id metric_type reading_timestamp player_id metric_value "
        "metric_unit quality_score activity_state source_session_id data_source",
        "wearables_daily_summary": "player_id summary_date hrv_rmssd_avg hrv_baseline_deviation "
        "recovery_score resting_heart_rate sleep_performance_score day_strain data_completeness",
        "pregame_baselines": "player_id game_id sleep_id hrv_rmssd_pregame hrv_baseline_deviation "
        "recovery_score_pregame sleep_performance_pregame day_strain_pregame quality_score "
        "quality_reasons known_at",
        "action_wearable_context": "action_id cycle_id recovery_score workout_id "
        "hours_since_waking permitted",
        "player_wearables_summary": "player_id hrv_rmssd_latest hrv_rmssd_7d hrv_rmssd_28d "
        "recovery_score_latest recovery_score_7d recovery_score_28d",
        "morning_board": "player_id game_id full_name tipoff_at team_id opponent_team_id is_home "
        "hrv_baseline_deviation hrv_normal_range recovery_score_pregame "
        "resting_heart_rate_deviation sleep_performance_pregame asleep_minutes_pregame "
        "day_strain_pregame quality_score quality_reasons missing_reason predicted_clutch_score "
        "lower_50 upper_50 lower_90 upper_90 confidence reliability",
        "readiness_alerts": "player_id game_id rule_id severity metric value threshold words "
        "quality_score",
        "data_health": "subject metric value unit measured_at state explanation what_to_do",
        "clutch_player_totals": "player_id season season_type gp w l minutes pts fgm fga fg3m fg3a "
        "ftm fta oreb dreb ast tov stl blk pf plus_minus",
        "game_reconciliation": "game_id player_id team_id points_difference differences_total",
        "game_quality": "game_id is_suspect suspect_reasons",
        "restatements": "game_id resource field version_number old_value new_value seen_at",
        "clutch_leaderboard": "full_name total_clutch_games avg_clutch_score clutch_percentile "
        "points_scored points_over_expected win_probability_added avg_recovery_score",
    }
    missing = {
        name: sorted(set(names.split()) - columns.get(name, set()))
        for name, names in contract.items()
    }
    assert {name: gone for name, gone in missing.items() if gone} == {}


def test_no_mart_has_a_token_or_an_id_of_the_wearable_service(
    models: list[dict[str, Any]],
) -> None:
    forbidden = re.compile(r"token|provider_user|whoop_user|email|first_name|family_name")
    columns = [
        f"{model['name']}.{column}"
        for model in models
        if layer(model) == "marts"
        for column in model["columns"]
    ]
    assert len(columns) > 200
    assert [column for column in columns if forbidden.search(column)] == []


def test_metrics_seed_and_allow_list_name_the_same_fields() -> None:
    """The macro gives a metric its column, the seed its unit, the allow-list what is stored."""
    seeds = PROJECT_ROOT / "dbt_project/seeds"
    with (seeds / "wearable_metrics.csv").open() as lines:
        metrics = list(csv.DictReader(lines))
    with (seeds / "whoop_metric_allow_list.csv").open() as lines:
        allowed = {
            (row["resource"], row["field_path"])
            for row in csv.DictReader(lines)
            if row["allowed"] == "true"
        }
    macro = (PROJECT_ROOT / "dbt_project/macros/wearables.sql").read_text()
    body = macro.split("macro wearable_metrics()")[1].split("endmacro")[0]
    named = set(re.findall(r"'(\w+)': '\w+'", body)) - {"metric_type", "model", "column"}
    assert named == {row["metric_type"] for row in metrics}
    composed = {"time_asleep", "sleep_needed"}
    unknown = [
        row["metric_type"]
        for row in metrics
        if row["metric_type"] not in composed
        and (row["resource"], row["field_path"]) not in allowed
    ]
    assert unknown == []
    assert all(float(row["lowest"]) < float(row["highest"]) for row in metrics)
    assert all(row["unit"] and row["source"] for row in metrics)


def test_weights_of_the_quality_have_a_part_each() -> None:
    with (PROJECT_ROOT / "dbt_project/seeds/wearable_quality_weights.csv").open() as lines:
        parts = {row["part"]: float(row["weight"]) for row in csv.DictReader(lines)}
    sql = (PROJECT_ROOT / "dbt_project/models/marts/wearables/pregame_baselines.sql").read_text()
    assert set(re.findall(r"as (\w+)_part\b", sql)) == set(parts)
    assert set(re.findall(r"weights\.(\w+) \* parts\.\1_part", sql)) == set(parts)
    assert sum(parts.values()) == pytest.approx(1)


def test_alert_rules_and_health_rules_have_a_value_each() -> None:
    """A rule whose value no SQL looks up would never fire."""
    seeds, board = (
        PROJECT_ROOT / "dbt_project/seeds",
        PROJECT_ROOT / "dbt_project/models/marts/board",
    )
    for seed, model in (
        ("alert_rules", "readiness_checks"),
        ("data_health_rules", "data_health"),
    ):
        with (seeds / f"{seed}.csv").open() as lines:
            metrics = {row["metric"] for row in csv.DictReader(lines)}
        sql = (board / f"{model}.sql").read_text()
        looked_up = set(re.findall(r"when '(\w+)' then (?:board|gathered)\.", sql))
        assert metrics <= looked_up, seed
