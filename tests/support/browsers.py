"""Debian's chromium, driven by Playwright: without its own browser builds and without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    # WebGL in software: there is no graphics card in CI
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
# on a machine where other tests take both cores
PATIENCE_MILLISECONDS = 60_000
WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; without one the test is skipped, but not in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        assert not os.environ.get("CI"), "CI has no chromium: .ci/run installs Debian's"
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Somebody with a browser, who has signed in.

    Attributes:
        base_url: Of what is visited.
        page: The tab.
        faults: What the browser complained of, and every address that is not ours.
    """

    base_url: str
    page: Page
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MILLISECONDS)
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and not request.url.startswith(self.base_url):
            self.faults.append(f"asks {request.url}")

    def open(self, path: str) -> Page:
        """Open a page and wait until all of it is drawn."""
        self.page.goto(self.base_url + path)
        return self.drawn()

    def drawn(self) -> Page:
        """Wait until all of the page is drawn."""
        expect(self.page.locator("#content")).to_have_attribute("aria-busy", "false")
        expect(self.page.locator(".plot:not([data-drawn])")).to_have_count(0)
        expect(self.page.locator("#footer")).not_to_be_empty()
        return self.page

    def violations(self) -> list[str]:
        """What axe finds wrong by WCAG 2.2 at AA. Of long tables the first rows speak for all."""
        self.page.evaluate(
            "document.querySelectorAll('tbody').forEach("
            "body => [...body.rows].slice(4).forEach(row => row.remove()))"
        )
        found = Axe().run(self.page, options={"runOnly": WCAG_AA, "resultTypes": ["violations"]})
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for each in found.response["violations"]
            for node in each["nodes"]
        ]

    def cells(self, caption: str, key: str) -> list[str]:
        """Unrounded values of a column of the table of this caption, as they stand in the page."""
        rows = self.page.locator(f"table:has(caption:text-is({caption!r})) td[data-key='{key}']")
        found: list[str] = rows.evaluate_all("cells => cells.map(cell => cell.dataset.value)")
        return found

    def twin(self, name: str) -> list[dict[str, str]]:
        """Rows of a chart's table twin, which is opened."""
        figure = self.page.locator(f"figure:has(#chart-{name})")
        button = figure.get_by_role("button", name="Table")
        if button.get_attribute("aria-pressed") == "false":
            button.click()
        found: list[dict[str, str]] = figure.locator("tbody tr").evaluate_all(
            "rows => rows.map(row => Object.fromEntries("
            "[...row.cells].map(cell => [cell.dataset.key, cell.dataset.value])))"
        )
        return found

    def traces(self, name: str) -> list[dict[str, Any]]:
        """What a chart was drawn from, as the library holds it."""
        found: list[dict[str, Any]] = self.page.locator(f"#chart-{name}").evaluate(
            "plot => plot.data.map(({name, type, x, y, z, text, customdata}) =>"
            " ({name, type, customdata, text, ...Object.fromEntries(Object.entries({x, y, z})"
            ".map(([axis, values]) => [axis, values && Array.from(values)]))}))"
        )
        return found


@contextmanager
def visiting(browser: Browser, base_url: str, key: str | None, **options: Any) -> Iterator[Visitor]:
    """Somebody new, with a key or without.

    Args:
        browser: In this browser.
        base_url: Of what is visited.
        key: With it he signs in first.
        **options: Of a context, e.g. ``viewport`` and ``color_scheme``.

    Raises:
        AssertionError: At the end, if anything failed in his browser that he has not taken down
            from ``faults``.
    """
    context: BrowserContext = browser.new_context(**options)
    visitor = Visitor(base_url, context.new_page())
    if key is not None:
        context.add_cookies([{"name": "clutch_key", "value": key, "url": base_url}])
    try:
        yield visitor
        assert visitor.faults == []
    finally:
        context.close()
