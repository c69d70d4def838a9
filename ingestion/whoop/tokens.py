"""Access tokens that work, refreshed once however many workers ask."""

from __future__ import annotations

from uuid import UUID

from ingestion.settings import Settings
from ingestion.whoop.clock import Clock
from ingestion.whoop.settings import WhoopSettings


class TokenSource:
    """Gives access tokens of connections.

    Args:
        settings: Database and state directory.
        whoop: Client, addresses and keys.
        clock: Tells when tokens end.
    """

    def __init__(self, settings: Settings, whoop: WhoopSettings, clock: Clock) -> None: ...

    def access_token(self, connection_id: UUID, *, refused: int | None = None) -> tuple[str, int]:
        """A token that has not ended, and its version; refreshed if need be.

        Args:
            connection_id: Whose.
            refused: The version that WHOOP has just answered 401.

        Raises:
            ReconnectNeeded: If the connection is not active or its grant has ended.
            ServiceUnavailable: If a refresh is needed and the token endpoint does not answer.
            BudgetExhausted: If a refresh is needed and the budget has no room.
            SettingError: If no key opens what is stored.
        """
        raise NotImplementedError
