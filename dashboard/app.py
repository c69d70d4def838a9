"""The read API: what dbt made, as JSON, for whoever has a key."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import answers, pages, queries
from dashboard.keys import STAFF, Caller, Keys
from dashboard.problems import MEDIA_TYPE, Problem

PREFIX = "/api/v1"
POOL_SIZE = 4
"""Connections of each audience."""
STATEMENT_MILLISECONDS = 5_000
_POOL_SECONDS = 5.0

_log = logging.getLogger(__name__)

_Rows = list[DictRow]
_PlayerId = Annotated[str, Path(pattern="^[0-9]{1,12}$", description="League person id.")]
_GameId = Annotated[str, Path(pattern="^[0-9]{10}$", description="League game id, ten digits.")]
_SeasonName = Annotated[
    str | None,
    Query(alias="season", pattern="^[0-9]{4}-[0-9]{2}$", description="E.g. 2023-24."),
]
_Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page.")]
_Offset = Annotated[int, Query(ge=0, le=100_000, description="Rows before the page.")]


class Readers:
    """A pool of connections for each audience, each as its own database role.

    Args:
        addresses: Of the database, by audience. Each leads to a session of a role that reads
            ``analytics`` and says what for.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._pools: dict[str, ConnectionPool[psycopg.Connection[DictRow]]] = {
            audience: ConnectionPool(
                address,
                min_size=0,
                max_size=POOL_SIZE,
                timeout=_POOL_SECONDS,
                open=False,
                kwargs={"autocommit": True, "row_factory": dict_row},
                configure=_configure,
                # a server that was restarted, or a session that an administrator ended
                check=ConnectionPool.check_connection,
                name=audience,
            )
            for audience, address in addresses.items()
        }

    def open(self) -> None:
        """Open them; connections are made when they are needed."""
        for pool in self._pools.values():
            pool.open()

    def close(self) -> None:
        """Close them."""
        for pool in self._pools.values():
            pool.close()

    def read(self, caller: Caller, *asked: tuple[str, Mapping[str, Any]]) -> list[_Rows]:
        """Ask queries on one connection, as the caller's audience.

        Args:
            caller: Who asks; the log of reads names his key.
            asked: Queries and their parameters.

        Raises:
            Problem: If the database does not answer in time, or nothing was built yet.
        """
        try:
            with self._pools[caller.audience].connection() as connection:
                connection.execute(
                    "select set_config('application_name', %s, false)", [f"api_{caller.name}"]
                )
                return [
                    connection.execute(query.encode(), parameters).fetchall()
                    for query, parameters in asked
                ]
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            raise Problem(
                503, "Nothing to show yet", "The models were not built: dbt build."
            ) from None
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("the database does not answer: %s", type(error).__name__)
            raise Problem(
                503, "Not available now", "The database does not answer. Try again in a minute."
            ) from None


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "select set_config('statement_timeout', %s, false)", [str(STATEMENT_MILLISECONDS)]
    )


def create_app(
    addresses: Mapping[str, str], keys: Keys, *, catalogue: FilePath | None = None
) -> FastAPI:
    """The application.

    Args:
        addresses: As for :class:`Readers`, for every audience that a key has.
        keys: Who may ask.
        catalogue: Page about the models that dbt makes, if there is one.
    """
    readers = Readers(addresses)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        readers.open()
        try:
            yield
        finally:
            readers.close()

    app = FastAPI(
        title="Clutch",
        version="1",
        description="Clutch performance and athlete readiness, read-only. Every request carries a "
        "key as bearer token; what an athlete does not allow the key's audience is not there.",
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        # its pages load from elsewhere
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.readers = readers
    app.state.keys = keys
    _add_errors(app)
    app.add_middleware(_Guard)
    app.include_router(_router)
    pages.add_to(app, catalogue)
    return app


def _caller(
    request: Request,
    _: Annotated[Any, Depends(HTTPBearer(auto_error=False, description="An API key."))],
) -> Caller:
    given = request.headers.getlist("authorization")
    scheme, _space, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if not given:
        # of a browser that signed in
        scheme, key = "bearer", request.cookies.get(pages.COOKIE, "")
    keys: Keys = request.app.state.keys
    caller = keys.find(key) if scheme.lower() == "bearer" else None
    if caller is None:
        raise Problem(
            401,
            "No valid key",
            "Send the header Authorization: Bearer KEY; a key is made with clutch keys api.",
            headers={"www-authenticate": "Bearer"},
        )
    return caller


_Asks = Annotated[Caller, Depends(_caller)]
_router = APIRouter(
    prefix=PREFIX,
    responses={
        status: {"model": answers.ProblemDetails, "content": {MEDIA_TYPE: {}}}
        for status in (401, 404, 422, 503)
    },
)


def _read(request: Request, caller: Caller, *asked: tuple[str, Mapping[str, Any]]) -> list[_Rows]:
    readers: Readers = request.app.state.readers
    return readers.read(caller, *asked)


def _player(rows: _Rows) -> DictRow:
    if not rows:
        raise Problem(404, "Not found", "There is no player of this id in any game here.")
    return rows[0]


@_router.get("/me", response_model=answers.Me)
def me(request: Request, caller: _Asks) -> Response:
    """Whose key it is and what its audience sees."""
    return _answer(
        request,
        answers.Me(
            name=caller.name, audience=caller.audience, sees_athletes=caller.audience in STAFF
        ),
    )


@_router.get("/seasons", response_model=answers.Seasons)
def seasons(request: Request, caller: _Asks) -> Response:
    """Seasons with finished games, the newest first."""
    (rows,) = _read(request, caller, (queries.SEASONS, {}))
    return _answer(request, answers.Seasons.model_validate({"items": rows}))


@_router.get("/leaderboard", response_model=answers.Leaderboard)
def leaderboard(
    request: Request,
    caller: _Asks,
    season: Annotated[str, Query(pattern="^[0-9]{4}-[0-9]{2}$", description="E.g. 2023-24.")],
    min_games: Annotated[int, Query(ge=1, le=200, description="Clutch games.")] = 10,
    team_id: Annotated[
        str | None,
        Query(pattern="^[0-9]{1,12}$", description="Latest team; ranks stay those of all."),
    ] = None,
    limit: _Limit = 50,
    offset: _Offset = 0,
) -> Response:
    """Players by average clutch score, with the ranks that luck leaves open."""
    given = {"season": season, "min_games": min_games, "team_id": team_id}
    (rows,) = _read(
        request, caller, (queries.LEADERBOARD, {**given, "limit": limit, "offset": offset})
    )
    return _answer(request, answers.Leaderboard.model_validate(_paged(request, rows, offset)))


@_router.get("/teams", response_model=answers.Teams)
def teams(request: Request, caller: _Asks) -> Response:
    """Teams that ever played, by their three letters."""
    (rows,) = _read(request, caller, (queries.TEAMS, {}))
    return _answer(request, answers.Teams.model_validate({"items": rows}))


@_router.get("/players", response_model=answers.Players)
def players(
    request: Request,
    caller: _Asks,
    name: Annotated[
        str, Query(min_length=2, max_length=60, description="Part of a name, in any case.")
    ],
    limit: _Limit = 20,
    offset: _Offset = 0,
) -> Response:
    """Players whose name has a part, by name."""
    (rows,) = _read(
        request, caller, (queries.PLAYERS, {"name": name, "limit": limit, "offset": offset})
    )
    return _answer(request, answers.Players.model_validate(_paged(request, rows, offset)))


@_router.get("/games", response_model=answers.Games)
def games(
    request: Request,
    caller: _Asks,
    season: _SeasonName = None,
    team_id: Annotated[
        str | None, Query(pattern="^[0-9]{1,12}$", description="Of either side.")
    ] = None,
    limit: _Limit = 50,
    offset: _Offset = 0,
) -> Response:
    """Games, the newest first, with how close they were."""
    given = {"season": season, "team_id": team_id, "limit": limit, "offset": offset}
    (rows,) = _read(request, caller, (queries.GAMES, given))
    return _answer(request, answers.Games.model_validate(_paged(request, rows, offset)))


@_router.get(
    "/players/{player_id}/clutch",
    response_model=answers.PlayerClutch,
)
def player_clutch(
    request: Request,
    caller: _Asks,
    player_id: _PlayerId,
    season: _SeasonName = None,
    limit: _Limit = 50,
    offset: _Offset = 0,
) -> Response:
    """A player's clutch performance by season, what the model says, and his games."""
    of = {"player_id": player_id, "season": season}
    who, by_season, model, games = _read(
        request,
        caller,
        (queries.PLAYER, of),
        (queries.PLAYER_SEASONS, of),
        (queries.PLAYER_MODEL, of),
        (queries.PLAYER_GAMES, {**of, "limit": limit, "offset": offset}),
    )
    page = _paged(request, games, offset)
    return _answer(
        request,
        answers.PlayerClutch.model_validate(
            {
                "player": _player(who),
                "seasons": by_season,
                "model": model[0] if model else None,
                "games": page["items"],
                "total_games": page["total"],
                "next": page["next"],
            }
        ),
    )


@_router.get(
    "/players/{player_id}/wearables",
    response_model=answers.PlayerWearables,
)
def player_wearables(
    request: Request,
    caller: _Asks,
    player_id: _PlayerId,
    limit: _Limit = 28,
) -> Response:
    """Newest night, week and four weeks, and the nights; empty where you may see nothing."""
    of = {"player_id": player_id}
    who, summary, nights = _read(
        request,
        caller,
        (queries.PLAYER, of),
        (queries.WEARABLES_SUMMARY, of),
        (queries.WEARABLES_DAYS, {**of, "limit": limit}),
    )
    return _answer(
        request,
        answers.PlayerWearables.model_validate(
            {
                "player": _player(who),
                "summary": summary[0] if summary else None,
                "nights": nights,
            }
        ),
    )


@_router.get(
    "/games/{game_id}/win-probability",
    response_model=answers.GameWave,
)
def game_wave(
    request: Request,
    caller: _Asks,
    game_id: _GameId,
) -> Response:
    """A game's win probability after every action, and who did what in clutch time."""
    of = {"game_id": game_id}
    game, moments, windows, actions = _read(
        request,
        caller,
        (queries.GAME, of),
        (queries.GAME_WAVE, of),
        (queries.GAME_WINDOWS, of),
        (queries.GAME_ACTIONS, of),
    )
    if not game:
        raise Problem(404, "Not found", "There is no game of this id here.")
    return _answer(
        request,
        answers.GameWave.model_validate(
            {"game": game[0], "moments": moments, "windows": windows, "actions": actions}
        ),
    )


@_router.get("/games/{game_id}/readiness", response_model=answers.GameReadiness)
def game_readiness(request: Request, caller: _Asks, game_id: _GameId) -> Response:
    """Who played, and what was known of his night at tip-off where you may see it."""
    of = {"game_id": game_id}
    game, rows = _read(request, caller, (queries.GAME, of), (queries.GAME_READINESS, of))
    if not game:
        raise Problem(404, "Not found", "There is no game of this id here.")
    return _answer(
        request, answers.GameReadiness.model_validate({"game": game[0], "players": rows})
    )


@_router.get("/model", response_model=answers.Model)
def model(request: Request, caller: _Asks) -> Response:
    """The run in force and what it says of circumstances and nights, in words."""
    run, effects = _read(request, caller, (queries.MODEL_RUN, {}), (queries.MODEL_EFFECTS, {}))
    return _answer(
        request,
        answers.Model.model_validate({"run": run[0] if run else None, "effects": effects}),
    )


@_router.get("/predictions/upcoming", response_model=answers.Predictions)
def upcoming(
    request: Request,
    caller: _Asks,
    limit: _Limit = 50,
    offset: _Offset = 0,
) -> Response:
    """Predictions for the games of the next two days, by the run in force."""
    (rows,) = _read(request, caller, (queries.UPCOMING, {"limit": limit, "offset": offset}))
    return _answer(request, answers.Predictions.model_validate(_paged(request, rows, offset)))


@_router.get("/morning", response_model=answers.Morning)
def morning(
    request: Request,
    caller: _Asks,
    limit: _Limit = 100,
    offset: _Offset = 0,
) -> Response:
    """Who plays in the next two days: last night as far as you may see it, and what to expect."""
    (rows,) = _read(request, caller, (queries.MORNING, {"limit": limit, "offset": offset}))
    return _answer(request, answers.Morning.model_validate(_paged(request, rows, offset)))


@_router.get("/alerts", response_model=answers.Alerts)
def alerts(
    request: Request,
    caller: _Asks,
    limit: _Limit = 100,
    offset: _Offset = 0,
) -> Response:
    """Reasons to ask an athlete before a game of the next two days, of those whom you may see."""
    (rows,) = _read(request, caller, (queries.ALERTS, {"limit": limit, "offset": offset}))
    return _answer(request, answers.Alerts.model_validate(_paged(request, rows, offset)))


@_router.get("/data-health", response_model=answers.DataHealth)
def data_health(request: Request, caller: _Asks) -> Response:
    """Whether the data are as new and whole as they should be, the worst first."""
    matters, quarantine = _read(
        request, caller, (queries.DATA_HEALTH, {}), (queries.OPEN_QUARANTINE, {})
    )
    return _answer(
        request,
        answers.DataHealth.model_validate(
            {
                "state": matters[0]["state"] if matters else "good",
                "items": matters,
                "quarantine": quarantine,
            }
        ),
    )


@_router.get("/restatements", response_model=answers.Restatements)
def restatements(
    request: Request,
    caller: _Asks,
    limit: _Limit = 50,
    offset: _Offset = 0,
) -> Response:
    """What the league changed after games were final, the newest first."""
    (rows,) = _read(request, caller, (queries.RESTATEMENTS, {"limit": limit, "offset": offset}))
    return _answer(request, answers.Restatements.model_validate(_paged(request, rows, offset)))


@_router.get("/freshness", response_model=answers.Freshness)
def freshness(request: Request, caller: _Asks) -> Response:
    """How new what is shown is."""
    (rows,) = _read(request, caller, (queries.FRESHNESS, {}))
    return _answer(request, answers.Freshness.model_validate(rows[0]))


def _paged(request: Request, rows: _Rows, offset: int) -> dict[str, Any]:
    """Rows of a page with the number of all, and where the next page is."""
    total = rows[0]["total"] if rows else 0
    after = offset + len(rows)
    following = None
    if after < total:
        address = request.url.include_query_params(offset=after)
        following = f"{address.path}?{address.query}"
    return {"items": rows, "total": total, "next": following}


def _answer(request: Request, content: BaseModel) -> Response:
    """JSON with a mark of its content: who has the same gets no second copy.

    It is asked for anew each time (``no-cache``): a withdrawal must show at once, and a shared
    cache must not hold it.
    """
    body = content.model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "authorization, cookie"}
    known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
    if known & {etag, f"W/{etag}", "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


class _Guard:
    """Gives every answer the strict headers, and turns what fails into one without details."""

    _HEADERS = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                own = message.get("headers", ())
                named = {name.lower() for name, _ in own}
                # a page allows itself more than an answer of the API
                message["headers"] = [
                    *own,
                    *(each for each in self._HEADERS if each[0] not in named),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 - its text could hold what a log must not
            _log.error("a request failed: %s", type(error).__name__)
            if not has_begun:
                failed = Problem(500, "Failed", "It is our fault, and in the log.")
                await failed.response()(scope, receive, send_with_headers)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def told(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - what the handler is registered for
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        # what was sent is not repeated
        fields = [
            {"parameter": str(each["loc"][-1]), "detail": str(each["msg"])}
            for each in error.errors()
        ]
        return Problem(
            422,
            "Parameters are wrong",
            "See errors, and the parameters in openapi.json.",
            fields=fields,
        ).response()

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as above
        detail = {404: "There is nothing at this address.", 405: "This address is read with GET."}
        return Problem(
            error.status_code,
            str(error.detail),
            detail.get(error.status_code, "See openapi.json."),
            headers=dict(error.headers or {}),
        ).response()
