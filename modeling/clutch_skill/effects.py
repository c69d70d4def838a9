"""What is published of effects and of players."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from modeling.clutch_skill.design import LOADING, NIGHTS
from modeling.clutch_skill.fit import Fit, effective
from modeling.clutch_skill.observations import KINDS, Floats
from modeling.clutch_skill.statements import ROPE, statements, summarise_draws
from modeling.clutch_skill.statistics import CLUTCH

_POINTS = "points a field-goal attempt"


class Quantity(NamedTuple):
    """One effect before it is summed up.

    Attributes:
        name: Its name in ``model_output.effects``.
        label: In words.
        unit: Of its draws.
        draws: Shape (s,).
        prior_sd: S.d. of its prior; None where it has none of its own.
        has_sign: Whether zero is a value like others; false for spreads.
    """

    name: str
    label: str
    unit: str
    draws: Floats
    prior_sd: float | None
    has_sign: bool


def quantities(fit: Fit) -> Iterator[Quantity]:
    """The effects of a fit: spreads, circumstances, nights."""
    priors, design = fit.priors, fit.statistics.design
    # s.d. of a half-normal is 0.6 of its scale
    half = float(np.sqrt(1 - 2 / np.pi))
    for kind, name in enumerate(KINDS):
        yield Quantity(
            f"skill_spread_{name}",
            f"how far players differ in skill, {name} (s.d.)",
            "points an attempt",
            fit.skill_spread[:, kind],
            half * priors.skill,
            has_sign=False,
        )
    yield Quantity(
        "clutch_spread",
        "how far players' clutch deviations differ (s.d.)",
        _POINTS,
        fit.clutch_spread,
        half * priors.clutch,
        has_sign=False,
    )
    yield Quantity(
        "opponent_spread",
        "how far opponents differ (s.d.)",
        _POINTS,
        fit.opponent_spread,
        half * priors.opponent,
        has_sign=False,
    )
    for number, term in enumerate(design.terms[: design.fixed]):
        # levels are of the expectation, opponents a means to an end
        if term.prior in ("level", "opponent", "role"):
            continue
        yield Quantity(
            term.name,
            term.label,
            term.unit,
            fit.coefficients[:, number],
            float(getattr(priors, term.prior)),
            has_sign=True,
        )
    if not fit.has_nights:
        return
    for k, name in enumerate(NIGHTS):
        of_night, in_clutch = fit.night[:, k], fit.night_clutch[:, k]
        unit = f"{_POINTS}, per s.d. of the true night within the athlete"
        word = name.lower()
        for part, label, draws, prior_sd in (
            ("night", "every shot", of_night, priors.night),
            ("night_clutch", "clutch time beyond other shots", in_clutch, priors.night_clutch),
            (
                "night_in_clutch",
                "shots in clutch time",
                of_night + in_clutch,
                float(np.hypot(priors.night, priors.night_clutch)),
            ),
        ):
            yield Quantity(
                f"{part}_{word}", f"last night's {name}: {label}", unit, draws, prior_sd, True
            )


def effect_rows(fit: Fit) -> list[dict[str, Any]]:
    """Rows of ``model_output.effects`` without the run's id."""
    chosen = list(quantities(fit))
    draws = np.stack([quantity.draws for quantity in chosen], axis=1)
    summary = summarise_draws(draws)
    bulk, tail, r_hat = effective(fit, draws)
    words = statements(summary)
    return [
        {
            "effect": quantity.name,
            "label": quantity.label,
            "unit": quantity.unit,
            "mean": summary.mean[k],
            "sd": summary.sd[k],
            "lower_90": summary.lower_90[k],
            "lower_50": summary.lower_50[k],
            "median": summary.median[k],
            "upper_50": summary.upper_50[k],
            "upper_90": summary.upper_90[k],
            "rope_half_width": ROPE if quantity.has_sign else None,
            "probability_in_rope": summary.probability_in_rope[k] if quantity.has_sign else None,
            "probability_positive": summary.probability_positive[k],
            "prior_sd": quantity.prior_sd,
            "statement": words[k]
            if quantity.has_sign
            else f"{summary.median[k]:.3f} points "
            f"({summary.lower_90[k]:.3f} to {summary.upper_90[k]:.3f} with 90 %)",
            "ess_bulk": bulk[k],
            "ess_tail": tail[k],
            "r_hat": r_hat[k],
        }
        for k, quantity in enumerate(chosen)
    ]


def full_skills(fit: Fit) -> Floats:
    """Skill in each kind with what his role says, shape (s / 2, P, 3), points an attempt."""
    design = fit.statistics.design
    first = design.number_of("role_" + KINDS[0])
    role = fit.with_own(fit.coefficients)[:, first : first + len(KINDS)]
    skills: Floats = fit.own[:, :, :CLUTCH] + (
        role[:, None, :] * fit.statistics.role[None, :, None]
    )
    return skills


def overall_skills(fit: Fit) -> Floats:
    """Skill at the player's own mix of shots, shape (s / 2, P), points an attempt."""
    return np.asarray(np.einsum("spk,pk->sp", full_skills(fit), fit.statistics.mix))


def clutch_deviations(fit: Fit) -> Floats:
    """Clutch deviation at the player's own mix of shots, shape (s / 2, P), points an attempt."""
    loading = fit.statistics.mix @ LOADING
    return np.asarray(fit.own[:, :, CLUTCH] * loading)


def player_rows(fit: Fit, player_ids: list[str]) -> list[dict[str, Any]]:
    """Rows of ``model_output.player_skills`` without the run's id; players with a shot only."""
    statistics = fit.statistics
    overall, deviation = overall_skills(fit), fit.own[:, :, CLUTCH]
    together = overall + clutch_deviations(fit)
    skill, clutch, both = (summarise_draws(each) for each in (overall, deviation, together))
    words = statements(clutch)
    prior_variance = float((fit.clutch_spread**2).mean())
    reliability = np.clip(1 - clutch.sd**2 / prior_variance, 0, 1)
    return [
        {
            "player_id": player,
            "attempts": int(statistics.attempts[p].sum()),
            "clutch_attempts": int(statistics.clutch_attempts[p].sum()),
            "overall_skill": skill.mean[p],
            "overall_skill_lower_90": skill.lower_90[p],
            "overall_skill_upper_90": skill.upper_90[p],
            "clutch_deviation": clutch.mean[p],
            "clutch_deviation_lower_90": clutch.lower_90[p],
            "clutch_deviation_upper_90": clutch.upper_90[p],
            "probability_clutch_deviation_positive": clutch.probability_positive[p],
            "clutch_reliability": reliability[p],
            "clutch_skill": both.mean[p],
            "clutch_skill_lower_90": both.lower_90[p],
            "clutch_skill_upper_90": both.upper_90[p],
            "statement": words[p],
        }
        for p, player in enumerate(player_ids)
        if statistics.attempts[p].sum() > 0
    ]
