"""The athlete's decision, the way to WHOOP, and the way back.

What a crash leaves behind
==========================
*Decision.* The used link, the ledger entry and the attempt are one transaction: all or none. Killed
before its commit, the link is unused and the athlete decides again. Killed after it, before the
browser was sent on: the same link in the same browser goes on to WHOOP (:meth:`Walk.decide`)
without a second entry.

*Callback.* One transaction locks the attempt, exchanges the code, asks for the account, stores
connection and tokens, burns the state and commits. What a kill leaves:

================================== ================================================================
killed                             afterwards
================================== ================================================================
before the code was sent           nothing has happened; the same callback works when reloaded
after WHOOP answered, before the   the tokens are gone with the process and nothing is stored; the
commit                             state is not burnt, a reload sends the spent code, WHOOP refuses
                                   it (and, as RFC 6749 4.1.2 asks, may end the grant): the page
                                   says to open the link again, a second walk gives new tokens
after the commit                   all is stored; a reload is refused as used and says so
================================== ================================================================

So the state is burnt in the same transaction that stores what its code was worth: no state is lost
without a result and none has two. A second callback with the same state while the first is at work
is told to wait (the row is locked), later it is refused. Two transactions, the state burnt before
the exchange, would turn each crash in between into a walk that has to be begun anew.

If the database goes away when WHOOP has answered, storing is tried again for
:data:`STORE_SECONDS`; then the grant is given back to WHOOP.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from ingestion.consent import invitations, ledger, links
from ingestion.consent.invitations import Invitation
from ingestion.consent.texts import (
    BASE_AUDIENCE,
    BASE_PURPOSES,
    ConsentText,
)
from ingestion.consent.vault import Vault
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings
from ingestion.whoop.budget import Budget, Priority
from ingestion.whoop.clock import Clock
from ingestion.whoop.connections import connect
from ingestion.whoop.errors import (
    AccountTaken,
    BudgetExhausted,
    InvalidGrant,
    ServiceUnavailable,
)
from ingestion.whoop.http import HttpClient, NoAnswer, Reply
from ingestion.whoop.oauth import OAuthClient, TokenSet
from ingestion.whoop.receiver.browser import Signer, sha256
from ingestion.whoop.settings import SCOPES, WhoopSettings

STATE_MINUTES = 10
"""From our page to WHOOP's answer: time to look for a password."""
ESSENTIAL = ("cycle", "recovery", "sleep")
"""Without these there is no readiness to speak of; of those that are asked for, all are needed."""
STORE_SECONDS = 10.0
"""How long storing is tried when the database goes away at the worst moment."""
_PATIENCE_SECONDS = 5.0  # an athlete is waiting before the page
_STATE = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")
_LONGEST_CODE = 2048
# What the service is known to say in ``error``; anything else is only called other_error.
_ERRORS = frozenset({"access_denied", "invalid_state", "request_forbidden", "invalid_scope"})

# How a database that is away shows: in a session that was open, or when a new one is opened.
_AWAY = (psycopg.OperationalError, ClutchError)

_log = logging.getLogger(__name__)


class _LenientBudget(Budget):
    """A budget that does not lose an answer with tokens because it could not be counted."""

    def answered(self, request_id: int, status: int | None, headers: Mapping[str, str]) -> None:
        """As :meth:`Budget.answered`; without a database the request stays counted as sent."""
        try:
            super().answered(request_id, status, headers)
        except _AWAY as error:
            _log.warning("an answer of WHOOP is not counted: %s", type(error).__name__)


@dataclass(frozen=True)
class Outcome:
    """How a decision or a callback ended; :mod:`ingestion.whoop.receiver.pages` has the words.

    Attributes:
        code: Short code; ``oauth_attempts.outcome`` where the attempt is settled.
        missing: Resources whose scopes were asked for and not granted.
        address: Where the browser goes next; it holds a state.
        own_page: Address of the athlete's own page, shown to him once; it holds a secret.
    """

    code: str
    missing: tuple[str, ...] = ()
    address: str | None = field(default=None, repr=False)
    own_page: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Attempt:
    state_hash: str
    player_id: str
    consent_id: int
    browser_hash: str
    scopes: list[str]
    is_expired: bool
    used_at: datetime | None
    outcome: str | None


class Walk:
    """Every step that changes something. Blocking: called from worker threads.

    Args:
        settings: Database and state directory.
        whoop: The service.
        text: The registered text that is shown.
        clock: Time of tokens and budget.
        pool: Connections as ``clutch_ingest``; opened and closed by the caller.
    """

    def __init__(
        self,
        settings: Settings,
        whoop: WhoopSettings,
        text: ConsentText,
        clock: Clock,
        pool: ConnectionPool[psycopg.Connection[Any]],
    ) -> None:
        self._whoop = whoop
        self._text = text
        self._pool = pool
        self._signer = Signer(whoop.encryption_keys, "state")
        self._vault = Vault(whoop.encryption_keys)
        self._budget = _LenientBudget(settings, whoop, clock)
        self._oauth = OAuthClient(whoop, clock, self._budget)
        self._http = HttpClient(whoop.user_agent)

    # --- the decision

    def look(self, secret: str, browser: str | None) -> tuple[str, Invitation | None]:
        """What a personal link shows.

        Returns:
            ``ask``, ``go_on`` (this browser agreed and did not come back from WHOOP yet), ``used``
            or ``no_link``; and the invitation where there is one.
        """
        with self._pool.connection() as connection:
            invitation = invitations.find(connection, secret)
            return self._standing(connection, invitation, browser), invitation

    def _standing(
        self,
        connection: psycopg.Connection[Any],
        invitation: Invitation | None,
        browser: str | None,
    ) -> str:
        if invitation is None:
            return "no_link"
        if invitation.used_at is None:
            return "no_link" if invitation.is_expired else "ask"
        return "go_on" if self._begun(connection, invitation, browser) is not None else "used"

    def _begun(
        self, connection: psycopg.Connection[Any], invitation: Invitation, browser: str | None
    ) -> int | None:
        """The consent given with this link in this browser, while it counts and is not connected.

        The ledger entry and the link's use are one transaction and bear its time.
        """
        if browser is None:
            return None
        row = connection.execute(
            """
            select attempt.consent_id
            from operations.oauth_attempts as attempt
            inner join operations.consents as entry on attempt.consent_id = entry.consent_id
            where
                entry.player_id = %s and entry.recorded_at = %s and attempt.browser_hash = %s
                and not exists (
                    select from operations.oauth_attempts as other
                    where other.consent_id = entry.consent_id and other.outcome = 'connected'
                )
            limit 1
            """,
            [invitation.player_id, invitation.used_at, sha256(browser)],
        ).fetchone()
        entry = ledger.live(connection, invitation.player_id, datetime.now(UTC))
        return (
            row[0] if row is not None and entry is not None and entry.consent_id == row[0] else None
        )

    def decide(self, secret: str, browser: str, *, agrees: bool, ticked: Sequence[str]) -> Outcome:
        """Take a decision; one link takes one.

        Agreeing again in the same browser (a second click, a page that was left) only goes on.

        Args:
            secret: Of the link.
            browser: Value of the cookie.
            agrees: Which button.
            ticked: Names of the boxes that were ticked.
        """
        with self._pool.connection() as connection:
            invitation = invitations.find(connection, secret, for_update=True)
            standing = self._standing(connection, invitation, browser)
            if invitation is None or standing in ("no_link", "used"):
                return Outcome(standing)
            if standing == "go_on":
                consent_id = self._begun(connection, invitation, browser)
                if consent_id is None or not agrees:
                    return Outcome("used")
                return self._begin(connection, invitation.player_id, consent_id, browser)
            invitations.use(connection, invitation)
            if not agrees:
                ledger.append(
                    connection,
                    player_id=invitation.player_id,
                    decision=ledger.DECLINED,
                    text_version=self._text.version,
                )
                return Outcome("declined")
            chosen = [choice for choice in self._text.choices if choice.field in ticked]
            consent_id = ledger.append(
                connection,
                player_id=invitation.player_id,
                decision=ledger.GRANTED,
                text_version=self._text.version,
                purposes=[*BASE_PURPOSES, *(c.code for c in chosen if c.kind == "purpose")],
                audience=[*BASE_AUDIENCE, *(c.code for c in chosen if c.kind == "audience")],
                scopes=self._whoop.scopes,
                days=self._text.days,
            )
            return self._begin(connection, invitation.player_id, consent_id, browser)

    def _begin(
        self, connection: psycopg.Connection[Any], player_id: str, consent_id: int, browser: str
    ) -> Outcome:
        value = secrets.token_urlsafe(32)
        state = f"{value}.{self._signer.sign(value)}"
        connection.execute(
            """
            insert into operations.oauth_attempts
                (state_hash, player_id, consent_id, browser_hash, scopes, expires_at)
            values (%s, %s, %s, %s, %s, now() + make_interval(mins => %s))
            """,
            [
                *(sha256(state), player_id, consent_id, sha256(browser)),
                *(list(self._whoop.scopes), STATE_MINUTES),
            ],
        )
        return Outcome("go_to_whoop", address=self._oauth.authorize_url(state, self._whoop.scopes))

    # --- the way back

    def come_back(
        self, state: str | None, code: str | None, error: str | None, browser: str | None
    ) -> Outcome:
        """Take WHOOP's answer. Nothing happens without a true state of this very browser.

        Args:
            state: Query parameter; None where missing or given twice.
            code: Query parameter, likewise.
            error: Query parameter, likewise.
            browser: Value of the cookie.

        Raises:
            psycopg.OperationalError: If the database is away; the callback can be reloaded.
            ClutchError: Likewise.
        """
        parts = _STATE.fullmatch(state or "")
        if state is None or parts is None or not self._signer.is_signed(parts[1], parts[2]):
            return Outcome("wrong_state")
        tokens: TokenSet | None = None
        attempt: _Attempt | None = None
        try:
            with self._pool.connection() as connection:
                attempt, refused = self._lock(connection, sha256(state), browser)
                if attempt is None:
                    return Outcome(refused)
                if error is not None:
                    known = error if error in _ERRORS else "other_error"
                    return self._settle(connection, attempt, Outcome(known))
                if not code or len(code) > _LONGEST_CODE or not code.isprintable():
                    return self._settle(connection, attempt, Outcome("missing_code"))
                if not self._permits(connection, attempt):
                    return self._settle(connection, attempt, Outcome("consent_ended"))
                try:
                    tokens = self._oauth.exchange(code)
                except InvalidGrant:
                    return self._settle(connection, attempt, Outcome("invalid_grant"))
                except SettingError as refused_app:
                    _log.error("%s", refused_app)  # names the setting, not its value
                    return Outcome("service_unavailable")
                except (ServiceUnavailable, BudgetExhausted):
                    # not settled: the code may still be good, and the page says to reload
                    return Outcome("service_unavailable")
                return self._keep(connection, attempt, tokens)
        except _AWAY:
            if tokens is None or attempt is None:
                raise
            return self._keep_later(attempt, tokens)

    def _lock(
        self, connection: psycopg.Connection[Any], state_hash: str, browser: str | None
    ) -> tuple[_Attempt | None, str]:
        """The attempt, locked until the transaction ends; or None and why not."""
        with connection.cursor(row_factory=class_row(_Attempt)) as cursor:
            try:
                attempt = cursor.execute(
                    """
                    select
                        state_hash, player_id, consent_id, browser_hash, scopes,
                        expires_at <= now() as is_expired, used_at, outcome
                    from operations.oauth_attempts where state_hash = %s
                    for update nowait
                    """,
                    [state_hash],
                ).fetchone()
            except psycopg.errors.LockNotAvailable:
                connection.rollback()
                return None, "at_work"
        if attempt is None:
            return None, "wrong_state"
        if browser is None or not hmac.compare_digest(sha256(browser), attempt.browser_hash):
            return None, "other_browser"
        if attempt.used_at is not None:
            return None, "already_connected" if attempt.outcome == "connected" else "used_state"
        if attempt.is_expired:
            return None, "expired_state"
        return attempt, ""

    def _settle(
        self, connection: psycopg.Connection[Any], attempt: _Attempt, outcome: Outcome
    ) -> Outcome:
        connection.execute(
            """
            update operations.oauth_attempts set used_at = now(), outcome = %s
            where state_hash = %s
            """,
            [outcome.code, attempt.state_hash],
        )
        return outcome

    def _permits(self, connection: psycopg.Connection[Any], attempt: _Attempt) -> bool:
        entry = ledger.live(connection, attempt.player_id, datetime.now(UTC))
        return entry is not None and entry.consent_id == attempt.consent_id

    def _keep(
        self, connection: psycopg.Connection[Any], attempt: _Attempt, tokens: TokenSet
    ) -> Outcome:
        """Store what was granted, or give it back to WHOOP; settles the attempt either way."""
        # RFC 6749, 5.1: an answer that names no scope granted what was asked for
        granted = tokens.scopes or tuple(attempt.scopes)
        missing = tuple(
            resource
            for resource, scope in SCOPES.items()
            if scope in attempt.scopes and scope not in granted
        )
        if "offline" in attempt.scopes and tokens.refresh_token is None:
            missing = (*missing, "offline")
        if any(resource in ESSENTIAL for resource in missing):
            self._give_back(tokens)
            return self._settle(connection, attempt, Outcome("scopes_missing", missing))
        account = self._account(tokens, granted)
        ledger.lock_player(connection, attempt.player_id)  # a withdrawal waits, or was here first
        if not self._permits(connection, attempt):
            self._give_back(tokens)
            return self._settle(connection, attempt, Outcome("consent_ended"))
        try:
            with connection.transaction():
                connect(
                    connection,
                    player_id=attempt.player_id,
                    consent_id=attempt.consent_id,
                    scopes=granted,
                    tokens=tokens,
                    vault=self._vault,
                    provider_user_id=account,
                )
        except AccountTaken:
            # Not given back: DELETE ends what the *member* granted this app, which is the other
            # athlete's connection. Nobody holds these tokens once this call has ended.
            return self._settle(connection, attempt, Outcome("account_taken"))
        return self._settle(
            connection,
            attempt,
            Outcome("connected", missing, own_page=self._own_page(connection, attempt.player_id)),
        )

    def _own_page(self, connection: psycopg.Connection[Any], player_id: str) -> str:
        secret, _ = links.issue(connection, player_id)
        return links.address(self._whoop.redirect_uri, secret)

    def _keep_later(self, attempt: _Attempt, tokens: TokenSet) -> Outcome:
        """The database went away with the tokens in hand: try again for a while."""
        give_up = time.monotonic() + STORE_SECONDS
        while True:
            try:
                with self._pool.connection() as connection:
                    # the commit may have arrived although its answer did not
                    row = connection.execute(
                        """
                        select outcome from operations.oauth_attempts where state_hash = %s
                        for update
                        """,
                        [attempt.state_hash],
                    ).fetchone()
                    if row is not None and row[0] == "connected":
                        # its link went with the answer that nobody got
                        again = self._own_page(connection, attempt.player_id)
                        return Outcome("connected", own_page=again)
                    if row is not None and row[0] is not None:
                        return Outcome(row[0])
                    return self._keep(connection, attempt, tokens)
            except _AWAY:
                if time.monotonic() > give_up:
                    self._give_back(tokens)
                    raise
                time.sleep(0.2)

    # --- with the access token in hand, before there is a connection

    def _account(self, tokens: TokenSet, granted: Sequence[str]) -> int | None:
        """User id of the account, from the profile if it may be read, else from the newest cycle.

        None where neither tells (a new member has no cycle): the first sync fills it in.
        """
        for resource, path, params in (
            ("profile", "/v2/user/profile/basic", {}),
            ("cycle", "/v2/cycle", {"limit": "1"}),
        ):
            if SCOPES[resource] not in granted:
                continue
            answer = self._ask("GET", path, tokens, params)
            found = _user_id(answer) if answer is not None and answer.status == 200 else None
            if found is not None:
                return found
        return None

    def _give_back(self, tokens: TokenSet) -> None:
        """End the grant at WHOOP; a failure leaves tokens there that nobody holds."""
        answer = self._ask("DELETE", "/v2/user/access", tokens, {})
        if answer is None or answer.status != 204:
            status = "no answer" if answer is None else f"HTTP {answer.status}"
            _log.warning("a grant that is not used could not be revoked at WHOOP: %s", status)

    def _ask(
        self, method: str, path: str, tokens: TokenSet, params: dict[str, str]
    ) -> Reply | None:
        try:
            request_id = self._budget.acquire(
                Priority.WEBHOOK,
                endpoint=path,
                connection_id=None,
                patience_seconds=_PATIENCE_SECONDS,
            )
        except BudgetExhausted:
            return None
        try:
            answer = self._http.send(
                method,
                self._whoop.api_base_url + path,
                bearer=tokens.access_token,
                params=params,
            )
        except NoAnswer:
            self._budget.answered(request_id, None, {})
            return None
        self._budget.answered(request_id, answer.status, answer.headers)
        return answer


def _user_id(answer: Reply) -> int | None:
    """The ``user_id`` of a profile or of the first record of a page."""
    try:
        payload = answer.json()
    except ValueError:
        return None
    if isinstance(payload, dict) and isinstance(payload.get("records"), list):
        payload = payload["records"][0] if payload["records"] else None
    value = payload.get("user_id") if isinstance(payload, dict) else None
    return value if type(value) is int and 0 < value < 2**63 else None
