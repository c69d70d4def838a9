"""The authorization server: consent, codes, tokens with rotation, revocation."""

from __future__ import annotations

import hashlib
import hmac
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop.settings import OFFLINE, SCOPES, Switches, WhoopSandboxSettings

_CODE_MILLI = 600_000
_SHORTEST_STATE = 8
_SCOPE_WORDS = {
    OFFLINE: "Stay connected when you are away",
    "read:recovery": "Recovery: score, heart rate variability, resting heart rate",
    "read:cycles": "Cycles: day strain and average heart rate",
    "read:workout": "Workouts: activity strain and average heart rate",
    "read:sleep": "Sleep: performance and time in each stage",
    "read:profile": "Profile: name and e-mail address",
    "read:body_measurement": "Body: height, weight, maximum heart rate",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request for consent."""

    redirect_uri: str
    scopes: tuple[str, ...]
    state: str


@dataclass(slots=True)
class Grant:
    """One consent of one member, with its current tokens.

    Attributes:
        user_id: The member.
        scopes: What he accepted.
        since: When, ms since 1970.
        access: Current access token.
        expires: When it ends, ms since 1970.
        refresh: Current refresh token, or None.
        is_active: False once revoked.
    """

    user_id: int
    scopes: tuple[str, ...]
    since: int
    access: str = field(default="", repr=False)
    expires: int = 0
    refresh: str | None = field(default=None, repr=False)
    is_active: bool = True


@dataclass(slots=True)
class _Code:
    request: Request
    user_id: int
    expires: int
    grant: Grant | None = None


class OAuthError(Exception):
    """A refused request, as OAuth writes it.

    Args:
        status: HTTP status.
        error: Code of RFC 6749.
        description: For people.
        redirect: Where a refused request for consent is sent, or None to show it.
    """

    def __init__(
        self, status: int, error: str, description: str, redirect: str | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = description
        self.redirect = redirect


class AuthorizationServer:
    """Grants and tokens of the only client, in simulated time.

    Args:
        settings: Client and lifetimes.
        clock: Gives ms since 1970.
        switches: Gives the present switches.
    """

    def __init__(
        self,
        settings: WhoopSandboxSettings,
        clock: Callable[[], int],
        switches: Callable[[], Switches],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._switches = switches
        self._count = 0
        self._challenges: dict[str, Request] = {}
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, Grant] = {}
        self._access: dict[str, Grant] = {}
        self._grants: list[Grant] = []

    def _secret(self, kind: str) -> str:
        self._count += 1
        text = f"{kind}:{self._settings.seed}:{self._count}"
        return f"sim_{kind}_{hashlib.sha256(text.encode()).hexdigest()[:40]}"

    # --- consent
    # -----------------------------------------------------------------------------------------

    def check(self, query: Mapping[str, str]) -> Request:
        """Check a request for consent.

        Args:
            query: Parameters of ``/oauth/oauth2/auth``.

        Raises:
            OAuthError: If it is refused; shown to the person when the client or its address is
                wrong, sent to the client otherwise.
        """
        if query.get("client_id") != self._settings.client_id:
            raise OAuthError(401, "invalid_client", "There is no such client.")
        address = query.get("redirect_uri", "")
        if address not in self._settings.redirect_uris:
            raise OAuthError(400, "invalid_request", "The redirect_uri is not registered.")
        state = query.get("state", "")

        def refuse(error: str, description: str) -> OAuthError:
            fields = {"error": error, "error_description": description}
            return OAuthError(302, error, description, _with_query(address, fields, state))

        if len(state) < _SHORTEST_STATE:
            raise refuse("invalid_state", "The state must have 8 characters or more.")
        if query.get("response_type") != "code":
            raise refuse("unsupported_response_type", "Only response_type=code is offered.")
        scopes = tuple(dict.fromkeys(query.get("scope", "").split()))
        if not scopes or any(scope not in (*SCOPES, OFFLINE) for scope in scopes):
            raise refuse("invalid_scope", "A requested scope is missing or unknown.")
        return Request(address, scopes, state)

    def challenge(self, request: Request) -> str:
        """Remember a request until the member has decided; gives the name of the decision."""
        name = self._secret("challenge")
        self._challenges[name] = request
        return name

    def challenged(self, name: str) -> Request:
        """Take back what :meth:`challenge` remembered; each can be taken once.

        Raises:
            OAuthError: If there is no such decision to take.
        """
        request = self._challenges.pop(name, None)
        if request is None:
            raise OAuthError(400, "invalid_request", "This decision was taken already.")
        return request

    def approve(self, request: Request, user_id: int) -> str:
        """Let a member accept; gives the address that his browser is sent to."""
        code = self._secret("code")
        self._codes[code] = _Code(request, user_id, self._clock() + _CODE_MILLI)
        fields = {"code": code, "scope": " ".join(request.scopes)}
        return _with_query(request.redirect_uri, fields, request.state)

    def deny(self, request: Request) -> str:
        """Let a member refuse; gives the address that his browser is sent to."""
        fields = {
            "error": "access_denied",
            "error_description": "The resource owner denied the request",
        }
        return _with_query(request.redirect_uri, fields, request.state)

    # --- tokens
    # ------------------------------------------------------------------------------------------

    def token(self, form: Mapping[str, str]) -> dict[str, object]:
        """Answer a request for tokens.

        Args:
            form: Fields of the body.

        Raises:
            OAuthError: If it is refused.
        """
        id_is_right = hmac.compare_digest(
            form.get("client_id", "").encode(), self._settings.client_id.encode()
        )
        secret_is_right = hmac.compare_digest(
            form.get("client_secret", "").encode(), self._settings.client_secret.encode()
        )
        if not (id_is_right and secret_is_right):
            raise OAuthError(401, "invalid_client", "Client authentication failed.")
        kind = form.get("grant_type")
        if kind == "authorization_code":
            return self._exchange(form)
        if kind == "refresh_token":
            return self._rotate(form)
        raise OAuthError(400, "unsupported_grant_type", "The grant_type is missing or unknown.")

    def _exchange(self, form: Mapping[str, str]) -> dict[str, object]:
        code = self._codes.get(form.get("code", ""))
        if code is None or code.expires <= self._clock():
            raise OAuthError(400, "invalid_grant", "The authorization code is invalid or expired.")
        if code.grant is not None:
            # RFC 6749, 4.1.2: a code used twice ends what it gave
            self._end(code.grant)
            raise OAuthError(400, "invalid_grant", "The authorization code was used already.")
        if form.get("redirect_uri") != code.request.redirect_uri:
            raise OAuthError(400, "invalid_grant", "The redirect_uri is not that of the request.")
        code.grant = Grant(code.user_id, code.request.scopes, self._clock())
        self._grants.append(code.grant)
        return self._issue(code.grant, with_refresh=OFFLINE in code.grant.scopes)

    def _rotate(self, form: Mapping[str, str]) -> dict[str, object]:
        token = form.get("refresh_token", "")
        grant = self._refresh.get(token)
        if grant is None or not grant.is_active or grant.refresh != token:
            spent = grant is not None and grant.is_active
            if grant and spent and self._switches().spent_refresh_token == "revokes_grant":  # noqa: S105
                self._end(grant)
            if self._switches().refresh_error == "token_inactive":
                raise OAuthError(
                    401, "token_inactive", "Token is inactive because it is malformed or expired."
                )
            raise OAuthError(
                400,
                "invalid_grant",
                "The provided authorization grant or refresh token is invalid, expired or revoked.",
            )
        asked = form.get("scope", "").split()
        if any(scope not in grant.scopes for scope in asked):
            raise OAuthError(400, "invalid_scope", "A scope was not granted originally.")
        # `offline` is asked for again at every refresh: without it the chain ends here
        return self._issue(grant, with_refresh=OFFLINE in asked)

    def _issue(self, grant: Grant, *, with_refresh: bool) -> dict[str, object]:
        """Give a new pair; the old one is dead at once."""
        seconds = self._settings.access_token_seconds
        grant.access = self._secret("at")
        grant.expires = self._clock() + 1000 * seconds
        grant.refresh = self._secret("rt") if with_refresh else None
        self._access[grant.access] = grant
        answer: dict[str, object] = {"access_token": grant.access, "expires_in": seconds}
        if grant.refresh is not None:
            self._refresh[grant.refresh] = grant
            answer["refresh_token"] = grant.refresh
        return answer | {"scope": " ".join(grant.scopes), "token_type": "bearer"}

    def authenticate(self, header: str | None) -> Grant | None:
        """Give the grant of an ``Authorization`` header, or None when it is not valid now."""
        kind, _, token = (header or "").partition(" ")
        grant = self._access.get(token.strip())
        if kind.lower() != "bearer" or grant is None or grant.access != token.strip():
            return None
        return grant if grant.is_active and self._clock() < grant.expires else None

    def revoke(self, user_id: int) -> bool:
        """End all grants of a member; tells whether there was one."""
        active = [g for g in self._grants if g.user_id == user_id and g.is_active]
        for grant in active:
            self._end(grant)
        return bool(active)

    def _end(self, grant: Grant) -> None:
        grant.is_active = False

    def connected_since(self, user_id: int) -> int | None:
        """Tell since when (ms since 1970) a member is connected, or None."""
        since = [g.since for g in self._grants if g.user_id == user_id and g.is_active]
        return min(since, default=None)


def _with_query(address: str, fields: Mapping[str, str], state: str) -> str:
    separator = "&" if urlsplit(address).query else "?"
    all_fields = dict(fields) | ({"state": state} if state else {})
    return f"{address}{separator}{urlencode(all_fields)}"


def consent_page(request: Request, name: str, members: list[tuple[int, str]]) -> str:
    """Write the page on which a member decides.

    Args:
        request: What is asked.
        name: Of the decision, from :meth:`AuthorizationServer.challenge`.
        members: Pairs of user id and name to choose from; here there is no log-in.
    """
    if not members:
        raise SandboxError("members", "there is nobody to ask", "raise roster_size")
    items = "".join(
        f"<li><code>{html.escape(scope)}</code> {html.escape(_SCOPE_WORDS[scope])}</li>"
        for scope in request.scopes
    )
    options = "".join(
        f'<option value="{user_id}">{html.escape(who)}</option>' for user_id, who in members
    )
    host = html.escape(urlsplit(request.redirect_uri).netloc)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<title>Simulated WHOOP: consent</title></head><body><main>"
        f"<h1>Share your data with {host}?</h1><p>Simulated service; nobody here is real.</p>"
        f'<ul>{items}</ul><form method="post" action="/__sim/consent">'
        f'<input type="hidden" name="challenge" value="{html.escape(name)}">'
        f'<label>Member <select name="member">{options}</select></label> '
        '<button name="decision" value="approve">Approve</button> '
        '<button name="decision" value="deny">Deny</button></form></main></body></html>'
    )
