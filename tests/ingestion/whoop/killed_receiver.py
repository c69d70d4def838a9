"""A receiver that kills itself at a step: ``python -m tests.ingestion.whoop.killed_receiver STEP``.

Settings come from the environment, as for ``clutch serve receiver``. Prints its port.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from ingestion.consent.settings import ConsentSettings
from ingestion.settings import Settings
from ingestion.whoop.oauth import OAuthClient
from ingestion.whoop.receiver.app import Receiver
from ingestion.whoop.receiver.oauth_flow import Walk
from ingestion.whoop.receiver.webhooks import Webhooks
from ingestion.whoop.settings import WhoopSettings

# where: the class, its method, and whether the method is still carried out
STEPS: dict[str, tuple[Any, str, bool]] = {
    "decision, before its commit": (Walk, "_begin", True),
    "decision, after its commit": (Walk, "decide", True),
    "callback, before the code is sent": (OAuthClient, "exchange", False),
    "callback, after WHOOP's answer": (OAuthClient, "exchange", True),
    "callback, after the account is known": (Walk, "_account", True),
    "callback, before its commit": (Walk, "_settle", True),
    "callback, after its commit": (Walk, "come_back", True),
    "delivery, before it is stored": (Webhooks, "_insert", False),
    "delivery, after it is stored": (Webhooks, "_insert", True),
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killing(method: Callable[..., Any], *, carried_out: bool) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        async def later(*args: Any, **kw: Any) -> None:
            if carried_out:
                await method(*args, **kw)
            _die()

        return later

    def at_once(*args: Any, **kw: Any) -> None:
        if carried_out:
            method(*args, **kw)
        _die()

    return at_once


if __name__ == "__main__":
    owner, name, carried_out = STEPS[sys.argv[1]]
    setattr(owner, name, _killing(getattr(owner, name), carried_out=carried_out))
    receiver = Receiver(Settings.load(), WhoopSettings.load(), ConsentSettings.load(), port=0)
    print(receiver.port, flush=True)
    receiver.run()
