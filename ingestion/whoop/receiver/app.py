"""The receiver's addresses as one ASGI application, and the server that runs it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import anyio.to_thread
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingestion.consent import texts
from ingestion.consent.invitations import CALLBACK_PATH, CONSENT_PATH, public_address
from ingestion.consent.links import OWN_PATH
from ingestion.consent.settings import ConsentSettings
from ingestion.consent.vault import Vault
from ingestion.database.connection import connect, role_url
from ingestion.database.migrate import ensure_ready
from ingestion.database.roles import INGEST
from ingestion.errors import ClutchError
from ingestion.serving import PortServer
from ingestion.settings import Settings
from ingestion.whoop.clock import Clock, SystemClock
from ingestion.whoop.receiver import own_page, pages
from ingestion.whoop.receiver.browser import BrowserCookie, Signer
from ingestion.whoop.receiver.oauth_flow import Outcome, Walk
from ingestion.whoop.receiver.own import STOP, Finisher, Own, OwnStanding
from ingestion.whoop.receiver.threads import Threads
from ingestion.whoop.receiver.webhooks import POOL_SIZE, STORE_SECONDS, Webhooks
from ingestion.whoop.settings import WhoopSettings

WEBHOOKS_PATH = "/webhooks/whoop"
WITHDRAWAL_PATH = "/withdrawal/"
LARGEST_FORM_BYTES = 16_384
FORM_SECONDS = 10.0
WALKERS = 8
"""Athletes on the pages at the same time, each with a thread and a connection while it works."""
_CONNECT_SECONDS = 5

_log = logging.getLogger(__name__)


class Pages:
    """Consent page and callback; what blocks runs in threads.

    Args:
        walk: The steps.
        text: What is asked.
        whoop: For the cookie's name and the keys.
        threads: Where the steps run.
    """

    def __init__(
        self, walk: Walk, text: texts.ConsentText, whoop: WhoopSettings, threads: Threads
    ) -> None:
        self._walk = walk
        self._text = text
        self._cookie = BrowserCookie(is_https=whoop.redirect_uri.startswith("https:"))
        self._signer = Signer(whoop.encryption_keys, "form")
        self._in_thread = threads.run

    async def show(self, request: Request) -> Response:
        """``GET /consent/{secret}``."""
        secret = request.path_params["secret"]
        browser = self._cookie.read(request.cookies)
        standing, invitation = await self._in_thread(self._walk.look, secret, browser)
        if invitation is None or standing in ("no_link", "used"):
            return _message(Outcome(standing))
        browser = browser or self._cookie.new()
        token = self._signer.sign(self._token_text(secret, browser))
        page = (
            pages.consent_page(self._text, invitation.player_id, token)
            if standing == "ask"
            else pages.go_on_page(token)
        )
        return HTMLResponse(page, headers={"set-cookie": self._cookie.header(browser)})

    async def decide(self, request: Request) -> Response:
        """``POST /consent/{secret}``."""
        form = await _read_form(request)
        secret = request.path_params["secret"]
        browser = self._cookie.read(request.cookies)
        decision = form.get(pages.DECISION_FIELD)
        token = form.get(pages.TOKEN_FIELD, "")
        if browser is None or not self._signer.is_signed(self._token_text(secret, browser), token):
            return _message(Outcome("wrong_form"))
        if decision not in ("agree", "decline"):
            return _message(Outcome("bad_request"))
        outcome = await self._in_thread(
            self._walk.decide, secret, browser, agrees=decision == "agree", ticked=list(form)
        )
        if outcome.address is None:
            return _message(outcome)
        return RedirectResponse(outcome.address, status_code=303)

    async def come_back(self, request: Request) -> Response:
        """``GET /oauth/callback``."""

        def once(name: str) -> str | None:
            values = request.query_params.getlist(name)
            return values[0] if len(values) == 1 else None

        outcome = await self._in_thread(
            self._walk.come_back,
            once("state"),
            once("code"),
            once("error"),
            self._cookie.read(request.cookies),
        )
        return _message(outcome)

    def _token_text(self, secret: str, browser: str) -> str:
        """What a form's token is tied to: link, browser, and the words that were shown."""
        return f"{secret} {browser} {self._text.sha256}"


class OwnPages:
    """The athlete's own page, and the state of a withdrawal.

    Args:
        own: What the page does.
        threads: Where that runs.
    """

    def __init__(self, own: Own, threads: Threads) -> None:
        self._own = own
        self._in_thread = threads.run
        # one at a time, so that fetching data never holds up who wants to stop
        self._fetch = Threads(1).run

    async def show(self, request: Request) -> Response:
        """``GET /mine/{secret}``: changes nothing, and shows no value of a body."""
        secret = request.path_params["secret"]
        found = await self._in_thread(self._own.look, secret)
        if isinstance(found, OwnStanding):
            return HTMLResponse(own_page.own_page(found, self._own.tokens(secret)))
        return _message(Outcome("no_page")) if found is None else _to_state(found)

    async def act(self, request: Request) -> Response:
        """``POST /mine/{secret}``: stop, or fetch the data."""
        form = await _read_form(request)
        secret = request.path_params["secret"]
        deed = form.get(own_page.DEED_FIELD, "")
        if not self._own.is_form(secret, deed, form.get(pages.TOKEN_FIELD, "")):
            return _message(Outcome("wrong_own_form"))
        if deed == STOP:
            begun = await self._in_thread(self._own.stop, secret)
            return _message(Outcome("no_page")) if begun is None else _to_state(begun)
        try:
            data = await self._fetch(self._own.data, secret)
        except ClutchError as error:
            _log.warning("an athlete's data cannot be put together: %s", error)
            return _message(Outcome("no_data"))
        if data is None:
            return _message(Outcome("no_page"))
        return Response(
            await self._fetch(json.dumps, data, indent=1, sort_keys=True),
            media_type="application/json",
            headers={"content-disposition": 'attachment; filename="my-records.json"'},
        )

    async def state(self, request: Request) -> Response:
        """``GET /withdrawal/{id}``: how far it has come, without a word of whose it is."""
        found = await self._in_thread(self._own.state, request.path_params["withdrawal_id"])
        if found is None:
            return _message(Outcome("not_found"))
        return HTMLResponse(own_page.state_page(*found))


def _to_state(withdrawal_id: UUID) -> Response:
    return RedirectResponse(f"{WITHDRAWAL_PATH}{withdrawal_id}", status_code=303)


def _message(outcome: Outcome) -> Response:
    status, html = pages.message_page(outcome.code, outcome.missing, outcome.own_page)
    return HTMLResponse(html, status_code=status)


async def _read_form(request: Request) -> dict[str, str]:
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST_FORM_BYTES:
                    raise HTTPException(413)
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(400) from None
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=50)
    except ValueError:
        raise HTTPException(400) from None
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


class _Guard:
    """Gives every answer the strict headers, and turns what fails into a page without details."""

    def __init__(self, app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except psycopg.OperationalError as error:
            _log.warning("the database does not answer: %s", type(error).__name__)
            code = "database_away"
        except ClutchError as error:  # made for people, so without secrets
            _log.warning("a request is not served: %s", error)
            code = "database_away"
        except Exception as error:  # noqa: BLE001 - its text could hold what a log must not
            _log.error("a request failed: %s at %s", type(error).__name__, _place(error))
            code = "failed"
        else:
            return
        if not has_begun:
            await _message(Outcome(code))(scope, receive, send_with_headers)


def _place(error: BaseException) -> str:
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


async def _error_page(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    code = {404: "not_found", 405: "wrong_method", 413: "too_large"}.get(status, "bad_request")
    response = _message(Outcome(code))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def create_app(
    settings: Settings, whoop: WhoopSettings, consent: ConsentSettings, clock: Clock
) -> Starlette:
    """The application. Its database must be migrated and the text registered (:func:`prepare`).

    Args:
        settings: Database and state directory.
        whoop: The service, keys and secrets.
        consent: Who asks, and for how long.
        clock: Time of deliveries and tokens.
    """
    address = role_url(settings, INGEST)
    limits = {"autocommit": True, "connect_timeout": _CONNECT_SECONDS}
    inbox: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        address,
        kwargs=limits,
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        timeout=STORE_SECONDS,
        open=False,
        name="inbox",
    )
    walkers: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
        address,
        kwargs={"connect_timeout": _CONNECT_SECONDS},
        min_size=0,
        max_size=WALKERS,
        timeout=_CONNECT_SECONDS,
        check=ConnectionPool.check_connection,
        open=False,
        name="walkers",
    )
    text = texts.consent_text(consent, whoop.resources)
    threads = Threads(WALKERS)
    site = Pages(Walk(settings, whoop, text, clock, walkers), text, whoop, threads)
    finisher = Finisher(settings, whoop, clock)
    own = OwnPages(Own(settings, whoop, walkers, finisher), threads)
    webhooks = Webhooks(whoop.webhook_secret, whoop.webhook_tolerance_seconds, clock, inbox)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with inbox:
            with walkers:
                chores = asyncio.create_task(webhooks.run())
                finisher.start()
                try:
                    yield
                finally:
                    await anyio.to_thread.run_sync(finisher.stop)
                    chores.cancel()
                    with suppress(asyncio.CancelledError):
                        await chores

    app = Starlette(
        routes=[
            Route(CONSENT_PATH + "{secret}", site.show, methods=["GET"]),
            Route(CONSENT_PATH + "{secret}", site.decide, methods=["POST"]),
            Route(OWN_PATH + "{secret}", own.show, methods=["GET"]),
            Route(OWN_PATH + "{secret}", own.act, methods=["POST"]),
            Route(WITHDRAWAL_PATH + "{withdrawal_id:uuid}", own.state, methods=["GET"]),
            Route(CALLBACK_PATH, site.come_back, methods=["GET"]),
            Route(WEBHOOKS_PATH, webhooks),
        ],
        middleware=[
            Middleware(
                _Guard,
                headers=pages.headers(
                    whoop.oauth_base_url, is_https=whoop.redirect_uri.startswith("https:")
                ),
            )
        ],
        exception_handlers={HTTPException: _error_page},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def prepare(settings: Settings, whoop: WhoopSettings, consent: ConsentSettings) -> None:
    """Check and prepare what the application needs: database, addresses, text, keys.

    Raises:
        ClutchError: If the database cannot be used or the text was shown with other words.
        SettingError: If ``WHOOP_REDIRECT_URI`` is not the address of the callback, or
            ``ENCRYPTION_KEY`` opens stored tokens no more.
    """
    public_address(whoop.redirect_uri)
    ensure_ready(settings)
    with connect(settings, INGEST) as connection:
        texts.register(connection, texts.consent_text(consent, whoop.resources))
        Vault(whoop.encryption_keys).check(connection)


class Receiver(PortServer):
    """The receiver on a port.

    Args:
        settings: Database and state directory.
        whoop: The service, keys and secrets.
        consent: Who asks, and for how long.
        host: Address to listen on.
        port: Port; 0 for any free one.
        clock: Time of deliveries and tokens.

    Raises:
        ClutchError: If the port cannot be used, and as :func:`prepare`.
    """

    def __init__(
        self,
        settings: Settings,
        whoop: WhoopSettings,
        consent: ConsentSettings,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        clock: Clock | None = None,
    ) -> None:
        prepare(settings, whoop, consent)
        super().__init__(
            create_app(settings, whoop, consent, clock or SystemClock()), host=host, port=port
        )
