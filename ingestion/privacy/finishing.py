"""Go on with withdrawals that are not over, and end their grants at WHOOP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from ingestion.errors import ClutchError
from ingestion.privacy import withdrawal
from ingestion.privacy.withdrawal import Revoke
from ingestion.settings import Settings
from ingestion.whoop.clock import Clock, SystemClock

if TYPE_CHECKING:
    from ingestion.whoop.api import WhoopApi
    from ingestion.whoop.settings import WhoopSettings

_SYSTEM_CLOCK = SystemClock()


@contextmanager
def revoking(
    settings: Settings, whoop: Callable[[], WhoopSettings], clock: Clock = _SYSTEM_CLOCK
) -> Iterator[Revoke]:
    """Something that ends grants at WHOOP.

    Args:
        settings: Database and state directory.
        whoop: Gives the service's settings; called only where there is a grant to end.
        clock: Time of tokens and budget.
    """
    opened: list[WhoopApi] = []

    def revoke(connection_id: UUID) -> bool:
        from ingestion.whoop.api import WhoopApi

        if not opened:
            opened.append(WhoopApi(settings, whoop(), clock=clock))
        return opened[0].revoke(connection_id)

    try:
        yield revoke
    finally:
        for api in opened:
            api.close()


def go_on(settings: Settings, revoke: Revoke, say: Callable[[str], None]) -> bool:
    """Go on with every withdrawal as far as it goes; what fails is said, and tried the next time.

    Args:
        settings: Database and state directory.
        revoke: Of :func:`revoking`.
        say: Takes lines for people.

    Returns:
        Whether none is left.
    """
    are_over = True
    for each in withdrawal.unfinished(settings):
        try:
            found = withdrawal.proceed(settings, each, revoke)
        except ClutchError as error:
            say(f"withdrawal {each.withdrawal_id}: {error}")
            are_over = False
        else:
            say(f"withdrawal {each.withdrawal_id}: {_state(found)}")
            are_over = are_over and found.is_over
    return are_over


def _state(found: withdrawal.Withdrawal) -> str:
    return "over" if found.is_over else "waits for WHOOP"
