"""An athlete before the receiver's pages: links, forms as a browser sends them, the way back."""

from __future__ import annotations

import itertools
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from ingestion.consent import invitations
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST
from ingestion.settings import Settings
from ingestion.whoop.clock import SystemClock
from ingestion.whoop.settings import WhoopSettings

KEY = "Zm9yIHRlc3RzIG9ubHk6IDMyIGJ5dGVzIG9mIGtleSE="
CLIENT_SECRET = "secret-of-the-app-in-tests"
_numbers = itertools.count(1)


def whoop_settings(base_url: str, **changes: Any) -> WhoopSettings:
    """Settings for a service of a test."""
    values: dict[str, Any] = {
        "api_base_url": f"{base_url}/developer",
        "oauth_base_url": f"{base_url}/oauth/oauth2",
        "client_id": "clutch-in-tests",
        "client_secret": CLIENT_SECRET,
        "redirect_uri": "http://127.0.0.1:8080/oauth/callback",
        "webhook_secret": CLIENT_SECRET,
        "encryption_keys": (KEY,),
    }
    return WhoopSettings(**{**values, **changes})


class ImpatientClock(SystemClock):
    """The machine's clock that hardly waits: a service that is away costs a test no seconds."""

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 0.01))


class Page(HTMLParser):
    """Forms, boxes, buttons and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.boxes: list[dict[str, str | None]] = []
        self.hidden: dict[str, str] = {}
        self.buttons: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.forms = 0
        self._text: list[str] = []
        self._in_style = False
        self.style = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes |= found.keys()
        self._in_style = tag == "style"
        if tag == "input" and found.get("type") == "hidden":
            self.hidden[found["name"] or ""] = found["value"] or ""
        elif tag == "input":
            self.boxes.append(found)
        elif tag == "button":
            self.buttons.append(found)
        elif tag == "form":
            self.forms += 1

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join(self._text)


class Athlete:
    """One athlete with a browser of his own."""

    def __init__(self, settings: Settings, base_url: str, player_id: str | None = None) -> None:
        self.player_id = player_id or f"{900000 + next(_numbers)}"
        self.settings = settings
        self.base_url = base_url
        self.browser = requests.Session()
        self.secret = self.invite()

    def invite(self) -> str:
        with connect(self.settings, INGEST) as connection:
            return invitations.invite(connection, self.player_id, 7)[0]

    @property
    def address(self) -> str:
        return f"{self.base_url}/consent/{self.secret}"

    def open(self) -> requests.Response:
        return self.browser.get(self.address, allow_redirects=False)

    def press(self, decision: str, *, page: Page | None = None, **fields: str) -> requests.Response:
        """Press a button of the page (opened before, if none is given)."""
        page = page or Page(self.open().text)
        return self.browser.post(
            self.address,
            data={**page.hidden, "decision": decision, **fields},
            allow_redirects=False,
        )

    def agree(self, **fields: str) -> str:
        """Agree; gives the state that WHOOP is handed."""
        answer = self.press("agree", **fields)
        assert answer.status_code == 303, (answer.status_code, Page(answer.text).text)
        return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]

    def come_back(self, **query: str) -> requests.Response:
        return self.browser.get(
            f"{self.base_url}/oauth/callback?{urlencode(query)}", allow_redirects=False
        )

    def connect(self, account: int) -> requests.Response:
        return self.come_back(state=self.agree(), code=new_code(account))

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """This athlete's rows of a table of ``operations``, oldest first."""
        order = {"consents": "consent_id", "wearable_connections": "connected_at"}
        with connect(self.settings, INGEST) as connection:
            return connection.execute(
                f"select {columns} from operations.{table} where player_id = %s "
                f"order by {order.get(table, 'created_at')}",
                [self.player_id],
            ).fetchall()


def new_code(account: int) -> str:
    """A code that the scripted service takes once."""
    return f"good-{account}-{next(_numbers)}"
