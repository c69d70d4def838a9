"""Tomorrow's night must not predict tonight."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from modeling.clutch_skill.design import NIGHTS
from modeling.clutch_skill.fit import Fit, Say
from modeling.clutch_skill.observations import Floats, Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statements import summarise_draws
from modeling.clutch_skill.validation.fits import Fitter
from modeling.clutch_skill.worlds import World, realistic_truth, simulate
from modeling.errors import ModelError

_SLOPE = 0.02


def shifted(observations: Observations) -> Observations:
    """Each player-game with the night before the player's next game of the season.

    The last one of a season has none and counts as without a wearable: a game of which nothing is
    known must not look like a night that was missed.
    """
    games = observations.player_games
    _, day = np.unique(observations.game_dates, return_inverse=True)
    _, game = np.unique(observations.game_ids, return_inverse=True)
    order = np.lexsort((game, day, games.season, games.player))
    has_next = np.zeros(len(order), dtype=bool)
    same = (np.diff(games.player[order]) == 0) & (np.diff(games.season[order]) == 0)
    has_next[order[:-1]] = same
    following = np.empty(len(order), dtype=np.int64)
    following[order] = np.append(order[1:], order[-1])
    return observations._replace(
        player_games=games._replace(
            nights=np.where(has_next[:, None], games.nights[following], np.nan),
            hrv_level=np.where(has_next, games.hrv_level[following], np.nan),
            device=np.where(has_next, games.device[following], -1),
            is_worn=has_next & games.is_worn[following],
        )
    )


def slopes_of(fit: Fit) -> list[dict[str, Any]]:
    """The eight slopes of nights: mean, s.d. and whether each is told apart from zero."""
    found = []
    for part, draws in (("night", fit.night), ("night_clutch", fit.night_clutch)):
        summary = summarise_draws(draws)
        for k, name in enumerate(NIGHTS):
            found.append(
                {
                    "slope": f"{part} {name}",
                    "mean": round(float(summary.mean[k]), 5),
                    "sd": round(float(summary.sd[k]), 5),
                    "told_apart": bool(summary.is_told_apart[k]),
                }
            )
    return found


def placebo(
    observations: Observations, *, seed: int = 1, fitter: Fitter | None = None, say: Say
) -> dict[str, Any]:
    """Fit with last night and with the night after, on the same shots.

    Nights that follow one another are alike in bodies: where they are, some of a real slope shows
    in the placebo as well, by their correlation, which is given beside.

    Args:
        observations: With nights.
        seed: For the fits.
        fitter: To use a model that is compiled already.
        say: Told what is done.

    Raises:
        ModelError: If too few athletes have nights.
    """
    fitter = fitter or Fitter(Priors(), say)
    fits = [fitter.fit(each, seed=seed) for each in (observations, shifted(observations))]
    if not all(fit.has_nights for fit in fits):
        raise ModelError("too few athletes have nights before their games for a placebo test.")
    return {
        "last_night": slopes_of(fits[0]),
        "night_after": slopes_of(fits[1]),
        "correlation_with_night_after": [
            round(value, 3) for value in _following(observations).tolist()
        ],
    }


def _following(observations: Observations) -> Floats:
    """Correlation of each value with that of the next game, within athletes."""
    games = observations.player_games
    after = shifted(observations).player_games.nights
    found = []
    for k in range(games.nights.shape[1]):
        both = np.isfinite(games.nights[:, k]) & np.isfinite(after[:, k])
        pairs = []
        for values in (games.nights[both, k], after[both, k]):
            player = games.player[both]
            count = np.maximum(np.bincount(player), 1)
            pairs.append(values - (np.bincount(player, values) / count)[player])
        found.append(np.corrcoef(*pairs)[0, 1])
    return np.array(found)


def placebo_leagues(
    leagues: int, *, first_seed: int = 30_001, players: int = 450, teams: int = 30, say: Say
) -> dict[str, Any]:
    """Leagues in which last night's HRV is worth 0.02 points a shot per s.d., all wearing devices.

    Args:
        leagues: How many; each is fitted twice.
        first_seed: They are numbered from here.
        players: Of each league.
        teams: Of each league.
        say: Told of progress.

    Returns:
        How often the real slope is found and how often one of the eight of the night after.
    """
    fitter = Fitter(Priors(), say)
    told: dict[str, list[bool]] = defaultdict(list)
    for seed in range(first_seed, first_seed + leagues):
        world = World(seed, players=players, teams=teams, athletes=players)
        league = simulate(world, realistic_truth(world, night=(_SLOPE, 0.0, 0.0, 0.0)))
        found = placebo(league.observations, seed=seed, fitter=fitter, say=say)
        told["last night's HRV"].append(found["last_night"][0]["told_apart"])
        told["the night after, HRV"].append(found["night_after"][0]["told_apart"])
        told["the night after, all eight"] += [row["told_apart"] for row in found["night_after"]]
        say(f"placebo league {seed - first_seed + 1} of {leagues}")
    return {
        "fits": 2 * leagues,
        "first_seed": first_seed,
        "slope": _SLOPE,
        "told_apart": [
            {"what": what, "of": len(values), "share": round(float(np.mean(values)), 4)}
            for what, values in told.items()
        ],
    }
