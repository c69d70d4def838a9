"""A process that sends requests as fast as the budget lets it.

Arguments: connection, requests, priority, when the shared clock began (s), its speed. Prints how
many were answered and how many found no room.
"""

from __future__ import annotations

import sys
from uuid import UUID

from ingestion.settings import Settings
from ingestion.whoop.api import WhoopApi
from ingestion.whoop.budget import Priority
from ingestion.whoop.errors import BudgetExhausted
from ingestion.whoop.settings import WhoopSettings
from tests.ingestion.whoop.clocks import FastClock


def main() -> None:
    connection_id, requests, priority, started, speed = sys.argv[1:]
    clock = FastClock(float(started), float(speed))
    api = WhoopApi(Settings.load(), WhoopSettings.load(), clock=clock)
    answered = held_back = 0
    for _ in range(int(requests)):
        try:
            api.get(
                UUID(connection_id),
                "/v2/cycle/1",
                endpoint="/v2/cycle/{id}",
                priority=Priority(int(priority)),
            )
        except BudgetExhausted:
            held_back += 1
        else:
            answered += 1
    print(answered, held_back)


if __name__ == "__main__":
    main()
