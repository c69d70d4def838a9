"""Time until a page shows its figures and has drawn its charts, in a real browser.

``clutch serve dashboard`` runs in a process of its own, beside Debian's chromium without a graphics
card. After a first visit, which fills the browser's cache, each page is opened some times more, in
turns with a page without figures, so that a slow minute slows all. Times count from the start of
the navigation: "figures" until the page's tables and words are there, "drawn" until its charts are
as well. New assets are what came over the wire besides answers of the API.

Real seasons from a database that is built (``--database``), or four are loaded for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from playwright.sync_api import Page

from clutch import reader_addresses
from dashboard.keys import PUBLIC, new_key
from tests.benchmarks import leaderboard_api
from tests.benchmarks.measuring import Spread, ratio
from tests.benchmarks.workplace import Workplace
from tests.support.browsers import chromium, visiting

SEASON = leaderboard_api.SEASONS[-1]
PATHS = {
    "without figures": "/sign-in",
    "morning": "/morning",
    "leaderboard": f"/leaderboard?season={SEASON}",
    "games": f"/games?season={SEASON}",
    "game": "/games/0022300478",
    "player": "/players/201939",
    "sphere": f"/sphere?season={SEASON}",
    "health": "/health",
}
REPETITIONS = 10

# Both moments are taken where they happen: asking from outside would add its own time.
_WATCH = """
(() => {
  window.seen = {};
  const look = () => {
    const content = document.getElementById('content');
    if (!content) return;
    if (content.getAttribute('aria-busy') === 'false') {
      window.seen.figures ??= performance.now();
      const waiting = document.querySelector('.plot:not([data-drawn])');
      if (!waiting) window.seen.drawn ??= performance.now();
    }
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});
})();
"""


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        For each page milliseconds, their ratio to the page without figures, and kB of new assets.
    """
    if workplace.built_database:
        settings = replace(workplace.settings, database_url=workplace.built_database)
    else:
        settings = leaderboard_api.load(workplace, progress)
    key, entry = new_key("benchmark", PUBLIC)
    assert reader_addresses(settings)[PUBLIC]
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in PATHS}
    with (
        leaderboard_api.serving(settings, entry) as base_url,
        chromium() as browser,
        visiting(browser, base_url, key) as visitor,
    ):
        page = visitor.page
        page.add_init_script(_WATCH)
        for repetition in range(REPETITIONS + 1):
            progress(f"round {repetition} (load {os.getloadavg()[0]:.1f})")
            for name, path in PATHS.items():
                visit = _visit(page, base_url + path)
                if repetition > 0:
                    seen[name].append(visit)
    empty = [visit["drawn"] for visit in seen["without figures"]]
    return {
        "pages": {
            name: {
                "figures, ms": Spread.of([visit["figures"] for visit in visits]),
                "drawn, ms": Spread.of([visit["drawn"] for visit in visits]),
                "drawn / without figures": ratio([visit["drawn"] for visit in visits], empty),
                "new assets, kB": Spread.of([visit["kB"] for visit in visits]),
            }
            for name, visits in seen.items()
        }
    }


def _visit(page: Page, address: str) -> dict[str, float]:
    # what a page before leaves behind is not this one's: a scene in software takes a second to go
    page.goto("about:blank")
    page.wait_for_timeout(1_000)
    page.goto(address)
    moments: dict[str, float] = page.evaluate(
        """async () => {
          while (!window.seen.drawn) await new Promise(done => setTimeout(done, 5));
          const assets = performance.getEntriesByType('resource')
            .filter(each => each.name.includes('/assets/'));
          const bytes = assets.reduce((sum, each) => sum + each.transferSize, 0);
          return {...window.seen, kB: bytes / 1000};
        }"""
    )
    return moments
