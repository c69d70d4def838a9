"""The pages: shells without a figure, which a browser fills from the API with its own key.

A shell and its assets are the same for everybody and are served to anybody. What a reader may see
is decided by the API alone, request by request.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape as as_text
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, RedirectResponse, Response

from dashboard.keys import Keys
from dashboard.problems import Problem

COOKIE = "clutch_key"
ASSETS = Path(__file__).parent / "assets"
UNKNOWN = "This key is not known here. Ask who gave it to you."

_FORM_BYTES = 2_000
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# plotly.js sets styles on elements that it makes, and draws its pictures as data
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        path: Its address, with parameters as FastAPI writes them.
        name: Of its script, and of its exposure in dbt.
        title: Heading before the script knows a better one.
        place: Address of the entry of the menu that it belongs to.
    """

    path: str
    name: str
    title: str
    place: str


PAGES = (
    Page("/morning", "morning", "Morning board", "/morning"),
    Page("/leaderboard", "leaderboard", "Leaderboard", "/leaderboard"),
    Page("/games", "games", "Games", "/games"),
    Page("/games/{game_id}", "game", "Game", "/games"),
    Page("/players/{player_id}", "player", "Player", "/leaderboard"),
    Page("/sphere", "sphere", "Performance sphere", "/sphere"),
    Page("/health", "health", "Data health", "/health"),
    Page("/sign-in", "sign_in", "Sign in", ""),
)
_MENU = tuple((page.path, page.title) for page in PAGES if page.path == page.place)


@dataclass(frozen=True)
class _Asset:
    content: bytes
    packed: bytes
    media_type: str


@dataclass(frozen=True)
class _Assets:
    """What pages load, by address.

    The address holds a mark of the content: a browser keeps it for good, and never mixes two
    versions of ours, which are marked as a whole.
    """

    by_address: Mapping[str, _Asset]
    folder: str
    plotly: str


@cache
def _assets() -> _Assets:
    files = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.is_file()}
    folder = _mark(b"\0".join(name.encode() + content for name, content in files.items()))
    found = {
        f"{folder}/{name}": _asset(content, Path(name).suffix) for name, content in files.items()
    }
    plotly_js = _plotly_file().read_bytes()
    plotly = f"{_mark(plotly_js)}/plotly.min.js"
    found[plotly] = _asset(plotly_js, ".js")
    return _Assets(found, folder, plotly)


def _plotly_file() -> Path:
    # found and not imported: of the package only a file is needed
    package = importlib.util.find_spec("plotly")
    if package is None or package.origin is None:  # pragma: no cover - a broken environment
        raise FileNotFoundError("the package plotly is not installed: python3 clutch.py --help")
    return Path(package.origin).parent / "package_data" / "plotly.min.js"


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _asset(content: bytes, suffix: str) -> _Asset:
    return _Asset(content, gzip.compress(content, 6, mtime=0), _TYPES[suffix])


_router = APIRouter(include_in_schema=False)


def add_to(app: FastAPI, catalogue: Path | None) -> None:
    """Add pages, their assets and signing in.

    Args:
        app: To this application.
        catalogue: Page about the models that dbt makes, if there is one.
    """
    _assets()
    app.state.catalogue = catalogue
    app.include_router(_router)
    for page in PAGES:
        app.add_api_route(page.path, _shown(page), include_in_schema=False, methods=["GET"])


@_router.get("/")
def first() -> Response:
    """The board of the day."""
    return RedirectResponse("/morning", 307, {"cache-control": "no-cache"})


@_router.get("/assets/{mark}/{name}")
def asset(request: Request, mark: str, name: str) -> Response:
    """A file that pages load; it never changes under its address."""
    found = _assets().by_address.get(f"{mark}/{name}")
    if found is None:
        raise Problem(404, "Not found", "There is nothing at this address.")
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(found.packed, headers=headers, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)


@_router.get("/docs/")
def catalogue(request: Request) -> Response:
    """Every model and column, as dbt describes them; made by a command and not here."""
    path: Path | None = request.app.state.catalogue
    if path is None or not path.is_file():
        words = "There is no catalogue yet. An administrator makes it with: clutch docs\n"
        return Response(words, 404, {"cache-control": "no-store"}, "text/plain; charset=utf-8")
    # one file from dbt with its scripts in it
    policy = (
        "default-src 'none'; script-src 'unsafe-inline'; img-src data:; "
        "style-src 'unsafe-inline'; font-src data:; frame-ancestors 'none'"
    )
    headers = {"cache-control": "no-cache", "content-security-policy": policy}
    return FileResponse(path, headers=headers, media_type="text/html")


@_router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Keep a key in the browser, where no script can read it."""
    _of_our_own_pages(request)
    try:
        form = parse_qs((await _body(request)).decode("utf-8", "replace"), max_num_fields=4)
    except ValueError:
        raise Problem(422, "Parameters are wrong", "The form has key and next alone.") from None
    key = form.get("key", [""])[0].strip()
    following = _inside(form.get("next", [""])[0])
    keys: Keys = request.app.state.keys
    if keys.find(key) is None:
        return _page_response(_page("sign_in"), 401, note=UNKNOWN)
    answer = RedirectResponse(following, 303, {"cache-control": "no-store"})
    # a proxy with TLS says so; whoever says so himself keeps his own cookie from plain HTTP
    is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    answer.set_cookie(
        COOKIE, key, max_age=43_200, httponly=True, samesite="strict", secure=is_secure
    )
    return answer


@_router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Forget it."""
    _of_our_own_pages(request)
    answer = RedirectResponse("/sign-in", 303, {"cache-control": "no-store"})
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _shown(page: Page) -> Any:
    def show() -> Response:
        return _page_response(page)

    return show


def _page(name: str) -> Page:
    return next(page for page in PAGES if page.name == name)


def _of_our_own_pages(request: Request) -> None:
    """Refuse a form that another site sent: it would sign a reader in as somebody else."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "Not from here", "Open the page itself and send its form.")


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > _FORM_BYTES:
                raise Problem(413, "Too long", "A key has 50 letters.")
    except ClientDisconnect:
        raise Problem(400, "Cut off", "The form did not come whole; send it again.") from None
    return body


def _inside(path: str) -> str:
    """The address if it leads to a page of ours, else the first page."""
    # "//host" and "/\\host" lead elsewhere
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours and path.isascii() else "/"


def _page_response(page: Page, status: int = 200, *, note: str = "") -> Response:
    headers = {"cache-control": "no-cache", "content-security-policy": POLICY}
    return Response(html(page, note), status, headers, "text/html; charset=utf-8")


def html(page: Page, note: str = "") -> str:
    """The shell of a page.

    Args:
        page: Which.
        note: Said above its content.
    """
    assets = _assets()
    root = f"/assets/{assets.folder}"
    menu = "".join(
        f'<li><a href="{path}"{" aria-current=page" if path == page.place else ""}>{title}</a></li>'
        for path, title in _MENU
    )
    preloads = "".join(
        f'<link rel="modulepreload" href="{root}/{name}.js">'
        for name in ("shell", "api", "format", "tables", "charts")
    )
    return f"""<!doctype html>
<html lang="en" data-plotly="/assets/{assets.plotly}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{page.title} - Clutch</title>
<link rel="icon" href="{root}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{root}/style.css">
{preloads}
<script type="module" src="{root}/{page.name}.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<a class="brand" href="/">Clutch</a>
<nav aria-label="Pages"><ul>{menu}</ul></nav>
<div class="me" id="me"></div>
</header>
<main id="main" tabindex="-1">
<h1 id="title">{page.title}</h1>
<div id="content" aria-busy="true"><p class="note" role="alert">{as_text(note)}</p>
<noscript><p>These pages draw their figures with scripts, which this browser does not run. The same
figures come from the API as JSON, under /api/v1.</p></noscript></div>
</main>
<footer id="footer"></footer>
</body>
</html>
"""
