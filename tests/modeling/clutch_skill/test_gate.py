"""A run is published only inside every limit; what is not a number is outside."""

from __future__ import annotations

import math

import pytest

from modeling.clutch_skill.fit import Diagnostics
from modeling.clutch_skill.gate import LEAST_E_BFMI, LEAST_ESS, MOST_R_HAT, of_effects, reasons
from modeling.clutch_skill.predictive import LEAST_P, MOST_P, Check

GOOD = Diagnostics(
    max_r_hat=1.004,
    min_ess_bulk=2100.0,
    min_ess_tail=1300.0,
    divergences=0,
    min_e_bfmi=0.8,
    max_tree_depth_hits=0,
    worst="clutch_spread",
)
PASSED = Check("scatter of players, 2pt", 1.01, 1.0, 0.4)


def test_a_good_run_has_nothing_against_it() -> None:
    assert reasons(GOOD, [PASSED]) == []
    assert reasons(GOOD, []) == []


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("max_r_hat", MOST_R_HAT, "r-hat 1.0100"),
        ("max_r_hat", 1.2, "r-hat 1.2000"),
        ("min_ess_bulk", LEAST_ESS - 1, "bulk effective sample size 999 (clutch_spread)"),
        ("min_ess_tail", LEAST_ESS - 1, "tail effective sample size 999 (clutch_spread)"),
        ("divergences", 1, "1 divergences"),
        ("min_e_bfmi", LEAST_E_BFMI, "E-BFMI 0.30"),
        ("max_tree_depth_hits", 1, "1 transitions"),
    ],
)
def test_each_limit_stops_a_run(field: str, value: float, told: str) -> None:
    (reason,) = reasons(GOOD._replace(**{field: value}), [PASSED])
    assert reason.startswith(told)


def test_what_lies_on_the_good_side_of_a_limit_passes() -> None:
    at_limits = GOOD._replace(
        max_r_hat=math.nextafter(MOST_R_HAT, 0),
        min_ess_bulk=LEAST_ESS,
        min_ess_tail=LEAST_ESS,
        min_e_bfmi=math.nextafter(LEAST_E_BFMI, 1),
    )
    assert reasons(at_limits, [PASSED._replace(p=LEAST_P), PASSED._replace(p=MOST_P)]) == []


@pytest.mark.parametrize("field", ["max_r_hat", "min_ess_bulk", "min_ess_tail", "min_e_bfmi"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_stops_a_run(field: str, value: float) -> None:
    assert "a draw is not a number" in reasons(GOOD._replace(**{field: value}), [PASSED])


def test_nan_fails_its_own_limit_as_well() -> None:
    found = reasons(GOOD._replace(max_r_hat=math.nan, min_e_bfmi=math.nan), [PASSED])
    assert [reason.split()[0] for reason in found] == ["a", "r-hat", "E-BFMI"]


@pytest.mark.parametrize(
    "p", [0.0, math.nextafter(LEAST_P, 0), math.nextafter(MOST_P, 1), math.nan]
)
def test_a_predictive_check_stops_a_run(p: float) -> None:
    failed = PASSED._replace(name="scatter of players, 3pt", p=p)
    (reason,) = reasons(GOOD, [PASSED, failed])
    assert reason.startswith("posterior predictive check failed: scatter of players, 3pt: ")


def test_every_reason_is_told() -> None:
    bad = GOOD._replace(max_r_hat=1.1, min_ess_bulk=10, min_ess_tail=5, divergences=3)
    assert len(reasons(bad, [PASSED._replace(p=0), PASSED._replace(p=1)])) == 6


def test_an_effect_with_too_few_draws_stops_a_run() -> None:
    enough = {"effect": "role", "ess_bulk": LEAST_ESS, "ess_tail": LEAST_ESS}
    assert of_effects([enough]) == []
    for field, value in (("ess_bulk", LEAST_ESS - 1), ("ess_tail", math.nan)):
        (reason,) = of_effects([enough, {**enough, "effect": "leverage", field: value}])
        assert reason.startswith("leverage: effective sample size")
