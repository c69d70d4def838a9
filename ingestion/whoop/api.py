"""The WHOOP API as the sync and the webhook worker use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ingestion.settings import Settings
from ingestion.whoop.budget import Priority
from ingestion.whoop.clock import Clock, SystemClock
from ingestion.whoop.settings import WhoopSettings

_SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True)
class Answer:
    """An answer of the API.

    Attributes:
        status: 200, or 404 where there is no such record.
        payload: The JSON that came; None with 404.
        fetched_at: When it was there (aware, UTC).
    """

    status: int
    payload: Any | None
    fetched_at: datetime


class WhoopApi:
    """Requests for members' records, each within the budget and with a token that works.

    Args:
        settings: Database and state directory.
        whoop: Addresses, client and keys.
        clock: Tells the time and waits.
    """

    def __init__(
        self, settings: Settings, whoop: WhoopSettings, *, clock: Clock = _SYSTEM_CLOCK
    ) -> None: ...

    def close(self) -> None:
        """Close the connections."""

    def get(
        self,
        connection_id: UUID,
        path: str,
        *,
        endpoint: str,
        priority: Priority,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for one thing; 200 and 404 are answers.

        Args:
            connection_id: Whose.
            path: Below ``WHOOP_API_BASE_URL``, e.g. ``/v2/cycle/93845``.
            endpoint: The same without ids, e.g. ``/v2/cycle/{id}``.
            priority: Its place in the budget.
            params: Query.

        Raises:
            ReconnectNeeded: If the connection's tokens do not work (:class:`AccessWithdrawn`: the
                member ended the access).
            MissingScope: If the grant does not cover it.
            RequestRefused: If WHOOP refuses what is asked (400 and the like).
            ServiceUnavailable: If there is no usable answer after several attempts.
            BudgetExhausted: If the budget has no room within the patience.
        """
        raise NotImplementedError

    def pages(
        self,
        connection_id: UUID,
        path: str,
        *,
        endpoint: str,
        priority: Priority,
        start: datetime | None,
        end: datetime | None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a collection, newest records first.

        A record that arrives meanwhile may shift the pages: the same one can come twice.

        Args:
            connection_id: Whose.
            path: For example ``/v2/cycle``.
            endpoint: The same: a collection has no ids.
            priority: Its place in the budget.
            start: Records during or after this (aware); None for no bound.
            end: Records before or across this (aware); None for now.

        Raises:
            ClutchError: As :meth:`get`; ServiceUnavailable also where pages do not end.
        """
        raise NotImplementedError

    def revoke(self, connection_id: UUID) -> bool:
        """Fence the connection off, end its grant at WHOOP, and see that it has ended.

        Returns:
            Whether WHOOP confirmed it; False if no token is left that could end it.

        Raises:
            ServiceUnavailable: If there is no usable answer; call it again.
            BudgetExhausted: If the budget has no room; call it again.
        """
        raise NotImplementedError
