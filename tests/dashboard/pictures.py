"""Draws the pictures of docs/dashboard.md anew: ``python -m tests.dashboard.pictures``.

They show what ``clutch demo`` made, whose players are nobody.
"""

from __future__ import annotations

import re
import subprocess
import sys

from ingestion.settings import PROJECT_ROOT
from tests.support.browsers import chromium, visiting

FOLDER = PROJECT_ROOT / "docs" / "pictures"
WIDE = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}}


def main() -> int:
    """Serve the demo, look at every page, and keep the pictures."""
    FOLDER.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "clutch", "serve", "dashboard", "--demo", "--port", "0"],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        link = process.stdout.readline()
        found = re.search(r"(http://\S+)/sign-in#(\S+)", link)
        assert found is not None, link
        _take(found[1], found[2])
    finally:
        process.terminate()
        process.wait(30)
    return 0


def _take(base_url: str, key: str) -> None:
    with chromium() as browser:
        with visiting(browser, base_url, key, **WIDE) as visitor:
            page = visitor.open("/leaderboard?min_games=8")
            athlete = page.locator("td[data-key=avg_recovery_score]:not([data-value=''])").first
            player = athlete.locator("xpath=../td[@data-key='full_name']/a").get_attribute("href")
            page = visitor.open(str(player))
            game = page.locator("table:has(caption:has-text('clutch time')) td a").first
            sphere = f"/sphere?min_games=8&player={str(player).rpartition('/')[2]}"
            paths = {
                "morning": "/morning",
                "leaderboard": "/leaderboard?min_games=8",
                "player": player,
                "game": game.get_attribute("href"),
                "sphere": sphere,
                "sphere_flat": f"{sphere}&view=flat",
                "health": "/health",
            }
            for name, path in paths.items():
                page = visitor.open(str(path))
                page.wait_for_timeout(500)
                page.screenshot(path=FOLDER / f"{name}.png")
        with visiting(browser, base_url, key, color_scheme="dark", **PHONE) as visitor:
            visitor.open("/morning").screenshot(path=FOLDER / "phone.png")


if __name__ == "__main__":
    sys.exit(main())
