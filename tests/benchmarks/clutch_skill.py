"""What a fit of the Bayesian model costs, beside the same model as one would first write it.

- One season, effective sample size per second: the product's fit (own effects integrated out, sums
  over games, nutpie) and one normal per player-game, kind and part of a game under PyMC's own NUTS
  with its C backend. The latter is cut short, so its effective sample size is of few draws; leaving
  its tuning out ("rows tune for nothing") is what a long run would come to, and the kinder figure.
  When its time is over before its draws are there, each of them counts as if it were there and
  independent: a bound that no run of it could reach.
- Wall time of the product's fit by part, with nothing compiled before and with a warm cache.
- The same at one and at three seasons.

Real seasons from a database that is built (``--database``), or the newest three are loaded for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import Spread, ratio
from tests.benchmarks.workplace import Workplace
from tests.support.dbt_runs import PROJECT_ROOT, WITHOUT_TESTS

SEASONS = ("2021-22", "2022-23", "2023-24")
ONE = "2022-23"
SEEDS = (1, 2, 3)
ROWS_TUNE, ROWS_DRAWS, ROWS_CHAINS = 100, 50, 2
ROWS_SECONDS = 300.0
"""After so long a run of the rows is over."""


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        Groups of figures; ESS is the least of each group of quantities.

    Raises:
        RuntimeError: If a process failed, or the product's fit would not have been published.
    """
    url = workplace.built_database or _load(workplace, progress)
    caches = workplace.directory / "caches"
    progress(f"three seasons, cold ({_load_average()})")
    cold = _fit(url, caches, SEEDS[0], SEASONS, is_cold=True)
    one, three = [], []
    for number, seed in enumerate(SEEDS):
        # the second of two may find warmer caches: take turns
        turns = [(one, (ONE,)), (three, SEASONS)]
        for found, seasons in turns if number % 2 == 0 else turns[::-1]:
            progress(f"{len(seasons)} seasons, seed {seed} ({_load_average()})")
            found.append(_fit(url, caches, seed, seasons))
    progress(f"one season, cell by cell under PyMC's NUTS ({_load_average()})")
    rows = _rows(url, caches)
    return {
        "of the rows": {
            name: rows[name]
            for name in (
                *("cells", "parameters", "gradient, ms", "has finished"),
                *("steps", "divergences", "linker", "compiler"),
            )
        },
        f"least ESS per second, {ONE}": _per_second(one, rows),
        "wall, s": {
            part: {
                "three, cold": Spread.of([cold["seconds"][part]]),
                "three, warm": Spread.of([each["seconds"][part] for each in three]),
                "one, warm": Spread.of([each["seconds"][part] for each in one]),
                "three / one": ratio(
                    [each["seconds"][part] for each in three],
                    [each["seconds"][part] for each in one],
                ),
            }
            for part in cold["seconds"]
        },
        "load of the machine": {
            "three, cold": round(cold["load"], 1),
            "warm": Spread.of([each["load"] for each in one + three]),
        },
    }


def _per_second(one: list[dict[str, Any]], rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By group of quantities: ours, the rows', ratios with and without compilation and tuning."""
    figures = {}
    for name in rows["ess"]:
        ours = [each["ess"][name] / each["seconds"]["sample"] for each in one]
        whole = [
            each["ess"][name] / (each["seconds"]["sample"] + each["seconds"]["compile"])
            for each in one
        ]
        theirs = rows["ess"][name] / rows["sample"]
        kindest = theirs / rows["share_of_draws"]
        with_compiling = rows["ess"][name] / (rows["sample"] + rows["compile"])
        figures[name] = {
            "ours": Spread.of(ours),
            "rows": f"{theirs:.3f}",
            "ours / rows": Spread.of([each / theirs for each in ours]),
            "rows tune for nothing": Spread.of([each / kindest for each in ours]),
            "both with compiling": Spread.of([each / with_compiling for each in whole]),
        }
    return figures


def _fit(
    url: str, caches: Path, seed: int, seasons: tuple[str, ...], *, is_cold: bool = False
) -> dict[str, Any]:
    if is_cold:
        shutil.rmtree(caches, ignore_errors=True)
    started = time.monotonic()
    found = _process(["tests.benchmarks.clutch_skill_fit", url, str(seed), *seasons], caches)
    whole, parts = time.monotonic() - started, found["seconds"]
    # start of Python, imports, predictive checks
    found["seconds"] = {**parts, "the rest": whole - sum(parts.values()), "all": whole}
    if not found["published"]:
        raise RuntimeError(f"the fit of {', '.join(seasons)} was refused: {found['refusal']}")
    return found


def _rows(url: str, caches: Path) -> dict[str, Any]:
    """The model as rows: what it came to, or what it could have come to at most."""
    arguments = ["tests.benchmarks.clutch_skill_rows", url, ONE]
    arguments += [str(value) for value in (ROWS_TUNE, ROWS_DRAWS, ROWS_CHAINS, SEEDS[0])]
    told = _lines(arguments, caches, ROWS_SECONDS)
    facts = told[0] | {"gradient, ms": round(1000 * told[0]["gradient"], 1)}
    if len(told) == 2:
        return facts | told[1] | {"has finished": True}
    most = float(ROWS_DRAWS * ROWS_CHAINS)
    names = ("spreads", "terms", "own skill", "own clutch deviation")
    return facts | {
        "has finished": False,
        "sample": ROWS_SECONDS,
        "share_of_draws": 1.0,
        "steps": None,
        "divergences": None,
        "ess": dict.fromkeys(names, most),
    }


def _process(arguments: list[str], caches: Path) -> dict[str, Any]:
    """Run a module that prints JSON, with caches of compiled code of its own."""
    return _lines(arguments, caches)[-1]


def _lines(
    arguments: list[str], caches: Path, seconds: float | None = None
) -> list[dict[str, Any]]:
    """What a module prints, line by line; up to when its time was over, if it has one."""
    # PyTensor's flags are the program's; its folder of compiled code lies in the home directory
    environment = os.environ | {"HOME": str(caches), "NUMBA_CACHE_DIR": str(caches / "numba")}
    environment.pop("PYTENSOR_FLAGS", None)
    caches.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # its chains are processes of their own
        start_new_session=True,
    )
    try:
        printed, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, said = process.communicate()
    else:
        if process.returncode != 0:
            raise RuntimeError(f"{arguments[0]} ended with {process.returncode}:\n{said[-3000:]}")
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if not found:
        raise RuntimeError(f"{arguments[0]} said nothing in {seconds} s:\n{said[-3000:]}")
    return found


def _load(workplace: Workplace, progress: Callable[[str], None]) -> str:
    settings = workplace.make_database("clutch_skill")
    for season in SEASONS:
        progress(f"loading {season}")
        workplace.ingest(settings, workplace.season_files(season))
    progress("building")
    workplace.dbt_build(settings, "--exclude", "possessions", *WITHOUT_TESTS)
    return settings.database_url or ""


def _load_average() -> str:
    return f"load {os.getloadavg()[0]:.1f} at {time.strftime('%H:%M')}"
