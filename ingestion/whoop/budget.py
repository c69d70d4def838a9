"""One request budget per app, shared by all processes through the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from ingestion.settings import Settings
from ingestion.whoop.clock import Clock
from ingestion.whoop.settings import WhoopSettings


class Priority(IntEnum):
    """Who goes first; a lower number before a higher one."""

    WEBHOOK = 0
    PREGAME = 1
    RECONCILE = 2
    BACKFILL = 3


class Budget:
    """Lets requests go.

    Args:
        settings: The database.
        whoop: Names the app.
        clock: Tells the time and waits.
    """

    def __init__(self, settings: Settings, whoop: WhoopSettings, clock: Clock) -> None: ...

    def acquire(
        self,
        priority: Priority,
        *,
        endpoint: str,
        connection_id: UUID | None,
        patience_seconds: float,
    ) -> int:
        """Wait until a request may go, and count it; send it at once.

        Returns:
            Id of the request, for :meth:`answered`.

        Raises:
            BudgetExhausted: If there is no room within the patience.
        """
        raise NotImplementedError

    def answered(self, request_id: int, status: int | None, headers: Mapping[str, str]) -> None:
        """Note a request's answer (None: none came), and what its headers say of the limits."""
        raise NotImplementedError

    def requests_per_athlete_day(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Requests by day (UTC), for the report."""
        raise NotImplementedError
