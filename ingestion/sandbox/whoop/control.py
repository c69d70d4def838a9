"""Control of a running sandbox over HTTP, under ``/__sim``; never in a client's path.

======================================= ==========================================================
``GET /__sim/clock``                    simulated time
``POST /__sim/clock``                   ``{"advance_seconds": 3600}`` or ``{"set": "2025-.."}``
``GET /__sim/consent?auto=approve&..``  the query of ``/oauth/oauth2/auth`` with ``auto`` (approve,
                                        deny) and ``member``: decides and redirects
``POST /__sim/consent``                 the form of the consent page
``POST /__sim/sleep/ID/edit``           ``{"shift_seconds": -1800}``; also ``workout``
``DELETE /__sim/sleep/ID``              also ``workout``
``POST /__sim/records/RESOURCE``        a record in wire form, put as it is (``sleep`` ..)
``POST /__sim/members/ID/revoke``       the member revokes in the app
``GET /__sim/members``                  user ids with player ids and names
``GET, POST /__sim/switches``           ``{"last_page": "null"}``
``POST /__sim/faults``                  ``{"fault": "lost", "count": 1, "match": "", "member": ID}``
``GET, POST /__sim/webhooks``           ``{"urls": [...]}``
``GET /__sim/deliveries``               every webhook attempt
``GET /__sim/requests[?by=status,..]``  every request, or counts of them
``GET /__sim/truth``                    nights with their true readiness
======================================= ==========================================================

Wrong input is answered with 400 and ``{"error": ...}``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop.api import Answer, json_answer
from ingestion.sandbox.whoop.oauth import OAuthError
from ingestion.sandbox.whoop.records import write_time

if TYPE_CHECKING:
    from ingestion.sandbox.whoop.server import WhoopSandbox


def refused(error: OAuthError) -> Answer:
    """Write a refusal of the authorization server."""
    if error.redirect is not None:
        return Answer(302, headers={"Location": error.redirect})
    return json_answer({"error": error.error, "error_description": error.description}, error.status)


def handle(
    sandbox: WhoopSandbox,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer one request under ``/__sim``.

    Raises:
        SandboxError: If its input cannot work.
    """
    parts = path.removeprefix("/__sim/").split("/")
    if parts == ["consent"]:
        return _consent(sandbox, method, query, body)
    asked = (method, *parts)
    if method == "GET":
        return _show(sandbox, parts, query)
    given = _json(body)
    if asked == ("POST", "clock"):
        if "set" in given:
            sandbox.advance_to(_moment(given["set"]))
        else:
            sandbox.advance(_number(given, "advance_seconds"))
    elif len(parts) == 2 and asked[:2] == ("POST", "records"):
        sandbox.put(parts[1], given)
    elif asked == ("POST", "switches"):
        sandbox.switch(**given)
    elif asked == ("POST", "webhooks"):
        urls = given.get("urls")
        if not isinstance(urls, list):
            raise SandboxError("urls", "there is no list", 'send {"urls": ["http://..."]}')
        sandbox.webhook_urls = tuple(str(url) for url in urls)
    elif asked == ("POST", "faults"):
        member = given.get("member")
        sandbox.faults.order(
            str(given.get("fault")),
            int(_number(given, "count", 1)),
            str(given.get("match", "")),
            int(member) if member is not None else None,
        )
    elif len(parts) == 3 and parts[0] == "members" and asked[::3] == ("POST", "revoke"):
        if not parts[1].isdecimal():
            raise SandboxError("member", f"{parts[1]!r} is no user id", "take one of /members")
        return json_answer({"was_connected": sandbox.revoke_in_app(int(parts[1]))})
    elif len(parts) == 3 and parts[0] in ("sleep", "workout") and asked[::3] == ("POST", "edit"):
        shift = timedelta(seconds=_number(given, "shift_seconds"))
        edit = sandbox.edit_sleep if parts[0] == "sleep" else sandbox.edit_workout
        edit(parts[1], shift)
    elif len(parts) == 2 and parts[0] in ("sleep", "workout") and method == "DELETE":
        delete = sandbox.delete_sleep if parts[0] == "sleep" else sandbox.delete_workout
        delete(parts[1])
    else:
        return json_answer({"error": f"{method} {path}: there is no such control"}, 404)
    return _show(sandbox, ["clock"], {})


def _show(sandbox: WhoopSandbox, parts: list[str], query: Mapping[str, str]) -> Answer:
    if parts == ["clock"]:
        return json_answer({"now": write_time(sandbox.clock.milli())})
    if parts == ["switches"]:
        return json_answer(dataclasses.asdict(sandbox.switches))
    if parts == ["webhooks"]:
        return json_answer({"urls": list(sandbox.webhook_urls)})
    if parts == ["deliveries"]:
        return json_answer([dataclasses.asdict(line) for line in sandbox.deliveries()])
    if parts == ["requests"]:
        if query.get("by"):
            names = query["by"].split(",")
            counts = sandbox.request_counts(*names)
            return json_answer(
                [
                    dict(zip(names, key, strict=True)) | {"count": count}
                    for key, count in counts.items()
                ]
            )
        return json_answer([dataclasses.asdict(line) for line in sandbox.requests()])
    if parts == ["truth"]:
        return json_answer([dataclasses.asdict(row) for row in sandbox.truth()])
    if parts == ["members"]:
        return json_answer(
            [
                {
                    "user_id": athlete.user_id,
                    "player_id": athlete.player_id,
                    "first_name": athlete.first_name,
                    "family_name": athlete.family_name,
                }
                for athlete in sandbox.athletes
            ]
        )
    return json_answer({"error": f"/__sim/{'/'.join(parts)}: there is nothing to show"}, 404)


def _consent(sandbox: WhoopSandbox, method: str, query: Mapping[str, str], body: bytes) -> Answer:
    form = dict(parse_qsl(body.decode("utf-8", "replace"))) if method == "POST" else dict(query)
    decision = form.get("decision" if method == "POST" else "auto")
    if decision not in ("approve", "deny"):
        raise SandboxError("decision", f"{decision!r} is none", "give approve or deny")
    member = form.get("member", "")
    if decision == "approve" and (not member.isdecimal() or int(member) not in sandbox.player_ids):
        raise SandboxError("member", f"there is no member {member!r}", "take one of /__sim/members")
    try:
        if method == "POST":
            location = sandbox.decide(form.get("challenge", ""), decision, member)
        else:
            location = sandbox.decide_at_once(query, decision, member)
    except OAuthError as error:
        return refused(error)
    return Answer(302, headers={"Location": location})


def _json(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise SandboxError("body", "it is not a JSON object", 'send {"name": value}')
    return given


def _number(given: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SandboxError(name, f"{value!r} is not a number", f'send {{"{name}": 60}}')
    return float(value)


def _moment(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise SandboxError(
            "set", f"{text!r} is not a time", "write 2025-11-21T17:00:00+00:00"
        ) from None
