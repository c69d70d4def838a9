"""What can go wrong between us and WHOOP. No message holds a token, a code or an answer's body."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ingestion.errors import ClutchError

_REASONS = {
    "grant_refused": "WHOOP no longer takes its refresh token",
    "refresh_interrupted": "a refresh was cut off and WHOOP's answer is lost",
    "access_withdrawn": "WHOOP refuses a fresh token: the athlete ended the access in the app",
    "no_refresh_token": "its access token ended and WHOOP gave no refresh token",
    "no_tokens": "it has no tokens",
    "revoked": "it was revoked",
    "revoking": "it is being revoked",
    "unknown": "there is no such connection",
}


class InvalidGrant(ClutchError):  # noqa: N818 - OAuth's own word
    """The token endpoint refuses a code or a refresh token for good.

    Args:
        what: ``authorization code`` or ``refresh token``.
        error: OAuth's error code, e.g. ``invalid_grant``.
        after_lost_answer: Whether an attempt before it may have been carried out without an answer:
            the token was then perhaps spent by ourselves.
    """

    def __init__(self, what: str, error: str, *, after_lost_answer: bool = False) -> None:
        super().__init__(
            f"WHOOP refuses the {what} ({error}). Fix: the athlete connects the account again."
        )
        self.error = error
        self.after_lost_answer = after_lost_answer


class ReconnectNeeded(ClutchError):  # noqa: N818
    """A connection's tokens do not work any more; nothing is asked of WHOOP for it.

    Args:
        connection_id: The connection.
        reason: Short code, the ``status_reason`` of the connection.
    """

    def __init__(self, connection_id: UUID, reason: str) -> None:
        super().__init__(
            f"Connection {connection_id} cannot be used: {_REASONS.get(reason, reason)}. "
            "Fix: give the athlete a new link (clutch consent invite) to connect again."
        )
        self.connection_id = connection_id
        self.reason = reason


class AccessWithdrawn(ReconnectNeeded):
    """WHOOP answers 401 to a token that it has just given: the member ended the access."""

    def __init__(self, connection_id: UUID) -> None:
        super().__init__(connection_id, "access_withdrawn")


class MissingScope(ClutchError):  # noqa: N818
    """The athlete's grant does not cover what was asked for.

    Args:
        connection_id: The connection.
        endpoint: Path without ids.
        scope: The scope that is missing.
    """

    def __init__(self, connection_id: UUID, endpoint: str, scope: str) -> None:
        super().__init__(
            f"Connection {connection_id} does not permit {endpoint}: scope {scope} is missing. "
            "Fix: take it out of WHOOP_RESOURCES, or let the athlete connect again with it."
        )
        self.connection_id = connection_id
        self.scope = scope


class ServiceUnavailable(ClutchError):  # noqa: N818
    """WHOOP did not give a usable answer, although it was asked again; later it may.

    Args:
        endpoint: Path without ids, or ``token``.
        problem: What happened last, e.g. ``HTTP 503``.
        may_be_done: Whether WHOOP may have carried the request out.
    """

    def __init__(self, endpoint: str, problem: str, *, may_be_done: bool = False) -> None:
        super().__init__(
            f"WHOOP gives no usable answer for {endpoint} ({problem}). Fix: run it again later."
        )
        self.endpoint = endpoint
        self.problem = problem
        self.may_be_done = may_be_done


class RequestRefused(ClutchError):  # noqa: N818
    """WHOOP refuses a request for what it asks, e.g. 400 for a parameter.

    Args:
        endpoint: Path without ids.
        status: HTTP status.
    """

    def __init__(self, endpoint: str, status: int) -> None:
        super().__init__(
            f"WHOOP refuses the request for {endpoint} (HTTP {status}). Fix: look whether the "
            "API has changed; asking again does not help."
        )
        self.endpoint = endpoint
        self.status = status


class BudgetExhausted(ClutchError):  # noqa: N818
    """The request budget has no room within the caller's patience.

    Args:
        until: When there may be room again (aware, UTC).
    """

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"WHOOP's request budget is used up until about {until:%Y-%m-%d %H:%M:%S} UTC. "
            "Fix: run it again after that; what was fetched is stored."
        )
        self.until = until


class AccountTaken(ClutchError):  # noqa: N818
    """A WHOOP account is connected to another athlete already."""

    def __init__(self) -> None:
        super().__init__(
            "This WHOOP account belongs to another athlete's connection. Fix: log in at WHOOP "
            "with the athlete's own account, or revoke the other connection first."
        )
