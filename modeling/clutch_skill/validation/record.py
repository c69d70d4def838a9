"""What was measured, with what it was measured by; and the page that is written from it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import textwrap
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "methods"
RECORD, PAGE = "clutch_skill_validation.json", "clutch_skill_validation.md"

_MODEL = Path(__file__).resolve().parents[1]
_FILES = (
    *("design", "fit", "model", "nights", "observations", "own_effects", "priors", "statements"),
    *("statistics", "exact", "worlds", "loops", "own_effects_density", "nights_density"),
)
_PACKAGES = ("numpy", "pymc", "nutpie")


def file_hashes() -> dict[str, str]:
    """Of every file that decides what a fit of a league says."""
    return {
        f"{name}.py": hashlib.sha256((_MODEL / f"{name}.py").read_bytes()).hexdigest()[:12]
        for name in _FILES
    }


# as they were when this process took them in, not when it is done
_AT_START = file_hashes()


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """All sections that are stored; none if nothing is."""
    path = folder / RECORD
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def store(section: str, result: dict[str, Any], seconds: float, folder: Path = FOLDER) -> None:
    """Put a result in place of the one before, and write the page anew."""
    record = read(folder)
    record[section] = {
        "made_by": {
            "files": _AT_START,
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
            "seconds": round(seconds),
        },
        **result,
    }
    _write(folder / RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")
    _write(folder / PAGE, page(record))


def rewrite(folder: Path = FOLDER) -> Path:
    """Write the page from what is stored and say in it which files have changed since."""
    _write(folder / PAGE, page(read(folder)))
    return folder / PAGE


def changed_since(section: dict[str, Any]) -> list[str]:
    """Files that differ from those a section was made by."""
    now = file_hashes()
    then = section["made_by"]["files"]
    return sorted(name for name in {*now, *then} if now.get(name) != then.get(name))


def lines(section: str, result: dict[str, Any]) -> list[str]:
    """A result in words, as it stands on the page."""
    return _SECTIONS[section](result)


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def page(record: dict[str, Any]) -> str:
    """The page, from nothing but what is stored and the hashes of today's files."""
    lines = [_HEAD]
    for name, write in _SECTIONS.items():
        if name in record:
            lines += [*write(record[name]), "", *_made_by(record[name]), ""]
    return "\n".join(lines).rstrip() + "\n"


_HEAD = """# How good the clutch skill model is

This page is written by `clutch skill page` from `clutch_skill_validation.json`; do not edit it.
What the model is: [clutch_skill.md](clutch_skill.md). Points are points over what a shot was worth
for an average shooter. An interval is right when it holds the truth as often as it says.
"""


def _table(headings: list[str], rows: list[list[Any]]) -> list[str]:
    body = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(str(value) for value in row) + " |" for row in body]


def _prose(*parts: str) -> list[str]:
    """Sentences as lines."""
    return textwrap.wrap(" ".join(parts), 100, break_long_words=False, break_on_hyphens=False)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _made_by(section: dict[str, Any]) -> list[str]:
    made = section["made_by"]
    first = section.get("first_seed", section.get("seed"))
    changed = changed_since(section)
    names = ", ".join(f"`{name}`" for name in changed)
    since = (
        f"Changed since: {names}; run it again to be sure."
        if changed
        else "The model's files are those of today."
    )
    return [
        *_prose(
            f"{section['fits']} fits, seeds from {first}, {made['seconds'] / 60:.0f} "
            f"minutes on two "
            f"shared cores, Python {made['python']}, PyMC {made['pymc']}, nutpie "
            f"{made['nutpie']}. "
            f"{since}"
        ),
    ]


def _calibration(found: dict[str, Any]) -> list[str]:
    sampler = found["sampler"]
    low = sum(row["p"] < 0.05 for row in found["quantities"])
    return [
        "## Intervals in leagues whose truth is known",
        "",
        *_prose(
            f"`clutch skill validate-worlds`. {found['fits']} leagues of 450 players "
            f"over 82 games. The",
            "truth of each is drawn from the priors it is fitted with; those of "
            "levels, roles and skills",
            "are narrower than the model's own (0.02, 0.04, 0.05), because wider "
            "ones ask for free throws",
            "that go in more often than always. Half of the leagues wear devices as "
            "a whole, half only a",
            "team of 15; 0 to 70 % of the nights are missing. Shots go in or not, "
            "with chances that",
            "differ from shot to shot. Aim: 86 to 94 % in intervals of 90 %.",
        ),
        "",
        *_table(
            ["", "50 % hold", "s.e.", "90 % hold", "s.e."],
            [
                [
                    row["group"],
                    _percent(row["covered_50"]),
                    _percent(row["covered_50_se"]),
                    _percent(row["covered_90"]),
                    _percent(row["covered_90_se"]),
                ]
                for row in found["groups"]
            ],
        ),
        "",
        *_prose(
            f"Ranks of the truth among draws (simulation-based calibration): of "
            f"{len(found['quantities'])} quantities {low} have a p value below 0.05 "
            f"by luck or not; the",
            f"smallest is {found['smallest_p']:.2g} (`{found['smallest_p_of']}`), "
            f"{found['smallest_p_holm']:.2g} after Holm.",
            f"Over all fits: largest r-hat {sampler['r_hat']:.3f}, least effective sample size "
            f"{sampler['ess']:.0f} of 1,000 draws, {sampler['divergences']:.0f} "
            f"divergences; at most "
            f"{_percent(sampler['clipped'], 2)} of a league's shots had",
            "their chance cut to 1 or 99 %.",
        ),
        "",
        "![Ranks of the truth among the draws](clutch_skill_ranks.svg)",
    ]


def _null(found: dict[str, Any]) -> list[str]:
    return [
        "## Leagues in which there is nothing",
        "",
        *_prose(
            f"{found['fits']} leagues with skill and role but no clutch deviation, no "
            f"circumstance, no",
            "opponent and no night that matters: how often the model tells something "
            "apart from zero",
            "(a sign with 97.5 %). Aim: at most 5 %.",
        ),
        "",
        *_table(
            ["", "told apart", "s.e."],
            [
                [row["group"], _percent(row["share"], 2), _percent(row["se"] or 0, 2)]
                for row in found["told_apart"]
            ],
        ),
        "",
        *_prose(
            f"Clutch spread: posterior mean {found['clutch_spread_mean']:.4f} where it is 0 "
            "(prior mean 0.016).",
        ),
    ]


def _slopes(found: dict[str, Any]) -> list[str]:
    return [
        "## Slopes of last night's HRV",
        "",
        *_prose(
            "Per s.d. of the true night, device error on (reliability 0.84). The "
            "prior N(0, 0.02) pulls a",
            "slope towards zero by se^2 / (se^2 + 0.02^2): that much of the bias is "
            "wanted. Aim: bias at",
            "most 10 % of the slope or 0.002. A regression on the measured night "
            "loses 16 % besides",
            "whatever else it leaves out.",
        ),
        "",
        *_table(
            [
                *("slope", "missing", "wearing", "found", "bias", "s.e.", "prior takes"),
                *("posterior s.d.", "90 % hold", "told apart", "regression"),
            ],
            [
                [
                    row["slope"],
                    _percent(row["missing"], 0),
                    row["athletes"],
                    f"{row['mean']:.4f}",
                    f"{row['bias']:+.4f}",
                    f"{row['bias_se']:.4f}",
                    f"{row['prior_takes']:+.4f}",
                    f"{row['posterior_sd']:.4f}",
                    _percent(row["covered_90"], 0),
                    _percent(row["told_apart"], 0),
                    f"{row['regression']:.4f}",
                ]
                for row in found["cells"]
            ],
        ),
        "",
        *_prose(*_slopes_in_words(found)),
        "",
        "![Slopes that were found](clutch_skill_slopes.svg)",
    ]


def _slopes_in_words(found: dict[str, Any]) -> list[str]:
    league = max(row["athletes"] for row in found["cells"])
    cells = [row for row in found["cells"] if row["athletes"] == league]
    outside = [row for row in cells if abs(row["bias"]) > max(0.1 * row["slope"], 0.002)]
    worst = max(cells, key=lambda row: abs(row["bias"] - row["prior_takes"]))
    named = "; ".join(
        f"{row['slope']} with {_percent(row['missing'], 0)} missing ({row['bias']:+.4f}, of which "
        f"the prior takes {row['prior_takes']:+.4f})"
        for row in outside
    )
    covered = sum(row["covered_90"] * row["leagues"] for row in cells) / sum(
        row["leagues"] for row in cells
    )
    return [
        f"Where a whole league wears devices {len(cells) - len(outside)} of {len(cells)} cells "
        f"are within the aim{f'; outside: {named}' if outside else ''}. Beyond what the prior "
        "takes the "
        f"bias is {worst['bias'] - worst['prior_takes']:+.4f} at most (s.e. "
        f"{worst['bias_se']:.4f}). Over these cells 90 % intervals hold {_percent(covered)}.",
        f"In one team of {min(row['athletes'] for row in found['cells'])} a season tells so little "
        "that the prior decides: such a slope is not distinguishable from zero.",
    ]


def _forecast(found: dict[str, Any]) -> list[str]:
    unseen = found["unseen"]
    return [
        f"## {unseen}, which no part of it had seen",
        "",
        *_prose(
            f"`clutch skill validate-forecast`. Fitted on "
            f"{', '.join(found['fitted'])}; clutch points",
            f"over expected of {found['player_seasons']} players in "
            f"{found['attempts']:,} attempts,",
            f"{found['new_players']} of them new. One density for each player's mean "
            f"an attempt, given",
            "the circumstances of his shots. Differences are paired by player: above "
            "zero the full model",
            f"is better. Correlation over {found['with_enough_attempts']} players with "
            f"{found['enough_attempts']} attempts and more (s.e. {found['correlation_se']}).",
        ),
        "",
        *_table(
            [
                *("", "log score a player", "full model better by", "s.e.", "squared error"),
                "correlation",
            ],
            [
                [
                    row["what"],
                    f"{row['log_score']:.4f}",
                    f"{row['full_better_by']:+.2f}",
                    f"{row['se']:.2f}",
                    f"{row['squared_error']:.5f}",
                    f"{row['correlation']:.3f}",
                ]
                for row in found["models"]
            ],
        ),
        "",
        *_prose(
            "Squared error is of an attempt's mean, weighted by attempts; luck "
            "alone, at the variances of",
            f"the shots fitted, gives {found['squared_error_of_luck']:.5f}. Halves of the season",
            f"correlate by {found['split_half']:.3f}: a whole one has a reliability of "
            f"{found['reliability_of_season']:.2f}, so nothing can",
            f"correlate with it by more than about "
            f"{max(found['reliability_of_season'], 0) ** 0.5:.2f}. Of the predictive intervals "
            f"{_percent(found['covered_50'])} (50 %)",
            f"and {_percent(found['covered_90'])} (90 %) hold what came; ranks of "
            f"what came in tenths: "
            f"{', '.join(map(str, found['pit']))}.",
        ),
        "",
        *_table(
            ["players by what was predicted", "attempts", "predicted", "seen", "s.e."],
            [
                [
                    row["players"],
                    f"{row['attempts']:.0f}",
                    f"{row['predicted']:+.3f}",
                    f"{row['seen']:+.3f}",
                    f"{row['se']:.3f}",
                ]
                for row in found["curve"]
            ],
        ),
        "",
        "![What was predicted and what came](clutch_skill_forecast.svg)",
    ]


def _oracle(found: dict[str, Any]) -> list[str]:
    return [
        "## Against exact integration",
        "",
        *_prose(
            f"`clutch skill validate-oracle`. {found['attempts']:,} shots of "
            f"{found['players']} players,",
            "no nights: everything but eight spreads and correlations integrated by "
            "linear algebra, those",
            f"by importance sampling ({found['exact_effective']:,} effective draws). "
            f"Largest distance of",
            "means in posterior s.d. (aim 0.1) and largest difference of s.d. (aim "
            "10 %), sampling error",
            "of both sides included.",
        ),
        "",
        *_table(
            ["", "quantities", "means apart", "s.d. apart"],
            [
                [row["what"], row["quantities"], f"{row['shift']:.3f}", _percent(row["stretch"])]
                for row in found["rows"]
            ],
        ),
        "",
        *_prose(
            "Agrees." if found["agrees"] else "Does not agree within these aims.",
        ),
    ]


def _placebo(found: dict[str, Any]) -> list[str]:
    return [
        "## Tomorrow's night must not predict tonight",
        "",
        *_prose(
            f"`clutch skill placebo`. Leagues in which last night's HRV is worth "
            f"{found['slope']} a shot",
            "per s.d.; the same shots fitted with last night and with the night "
            "before the next game.",
        ),
        "",
        *_table(
            ["slope", "looked at", "told apart from zero"],
            [[row["what"], row["of"], _percent(row["share"])] for row in found["told_apart"]],
        ),
    ]


def _priors_moved(title: str, found: dict[str, Any]) -> list[str]:
    has_nights = "hrv" in found["rows"][0]
    return [
        f"## {title}",
        "",
        *_prose(
            f"Top deviation: mean of the {found['top']} players who are highest with "
            f"the priors as they",
            "are.",
        ),
        "",
        *_table(
            [
                *("priors", "clutch spread", "90 %", "top deviation", "s.d."),
                *("players told apart", "clutch field goals", "leverage"),
                *(("HRV slope", "s.d.") if has_nights else ()),
            ],
            [
                [
                    row["priors"],
                    f"{row['clutch_spread']:.4f}",
                    "{:.4f} to {:.4f}".format(*row["clutch_spread_90"]),
                    f"{row['top_deviation']:+.4f}",
                    f"{row['top_sd']:.4f}",
                    row["players_told_apart"],
                    f"{row['clutch_field_goals']:+.4f}",
                    f"{row['leverage']:+.4f}",
                    *((f"{row['hrv']:+.4f}", f"{row['hrv_sd']:.4f}") if has_nights else ()),
                ]
                for row in found["rows"]
            ],
        ),
    ]


def _missing(found: dict[str, Any]) -> list[str]:
    return [
        "## Nights that are missing for a reason",
        "",
        *_prose(
            "Bad nights are missing more often, which the model does not know. The "
            "first column is the",
            "correlation of missing with how bad the true night was.",
        ),
        "",
        *_table(
            [
                *("missing with", "missing", "slope", "bias", "s.e.", "posterior s.d."),
                *("a game without a night", "clutch spread"),
            ],
            [
                [
                    row["missing_with"],
                    _percent(row["missing"], 0),
                    row["slope"],
                    f"{row['bias']:+.4f}",
                    f"{row['bias_se']:.4f}",
                    f"{row['posterior_sd']:.4f}",
                    f"{row['no_night']:+.4f}",
                    f"{row['clutch_spread']:.4f}",
                ]
                for row in found["rows"]
            ],
        ),
    ]


_OTHER_PRIORS_SIMULATED = "Other priors, a simulated league with a slope of HRV of 0.02"

_SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "forecast": _forecast,
    "calibration": _calibration,
    "null": _null,
    "slopes": _slopes,
    "placebo": _placebo,
    "oracle": _oracle,
    "priors_real": lambda found: _priors_moved("Other priors, real seasons", found),
    "priors_league": lambda found: _priors_moved(_OTHER_PRIORS_SIMULATED, found),
    "missing": _missing,
}
