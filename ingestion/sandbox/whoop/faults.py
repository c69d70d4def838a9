"""Which answers and deliveries go wrong: by rate, or the next ones on command."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop.settings import FaultScript, seeded


class Fault(StrEnum):
    """What can go wrong with one delivery or answer."""

    LOST = "lost"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    EARLY = "early"
    ERROR = "error"
    SLOW = "slow"


_OF_DELIVERIES = (Fault.LOST, Fault.DUPLICATE, Fault.REORDER, Fault.EARLY)


@dataclass(slots=True)
class _Order:
    fault: Fault
    count: int
    match: str
    user_id: int | None

    def fits(self, text: str, user_id: int | None) -> bool:
        return self.match in text and self.user_id in (None, user_id)


class Faults:
    """Decides what goes wrong.

    Args:
        seed: Draws the rates; the same event or the n-th request gets the same draw.
        script: Rates and sizes.
    """

    def __init__(self, seed: int, script: FaultScript) -> None:
        self.script = script
        self._seed = seed
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        self._requests = 0

    def order(
        self, fault: str, count: int = 1, match: str = "", user_id: int | None = None
    ) -> None:
        """Make the next fitting deliveries or answers go wrong.

        Args:
            fault: One of :class:`Fault`.
            count: How many.
            match: Part of the webhook's type or of the request's path.
            user_id: Only this member's.

        Raises:
            SandboxError: If there is no such fault or ``count`` is below 1.
        """
        if fault not in list(Fault) or count < 1:
            raise SandboxError(
                "fault", f"{fault!r} x {count} cannot be", f"give one of {', '.join(Fault)}, once+"
            )
        with self._lock:
            self._orders.append(_Order(Fault(fault), count, match, user_id))

    def _ordered(self, fault: Fault, text: str, user_id: int | None) -> bool:
        for order in self._orders:
            if order.fault is fault and order.fits(text, user_id):
                order.count -= 1
                if not order.count:
                    self._orders.remove(order)
                return True
        return False

    def of_delivery(self, trace_id: str, kind: str, user_id: int) -> frozenset[Fault]:
        """Give what goes wrong with one webhook."""
        with self._lock:
            return frozenset(
                fault
                for fault in _OF_DELIVERIES
                if self._ordered(fault, kind, user_id) or self._drawn(fault, trace_id)
            )

    def of_request(self, path: str, user_id: int | None) -> frozenset[Fault]:
        """Give what goes wrong with one API request."""
        with self._lock:
            self._requests += 1
            return frozenset(
                fault
                for fault in (Fault.ERROR, Fault.SLOW)
                if self._ordered(fault, path, user_id) or self._drawn(fault, str(self._requests))
            )

    def _drawn(self, fault: Fault, what: str) -> bool:
        rate: float = getattr(self.script, f"{fault.value}_rate")
        return rate > 0 and seeded(self._seed, "fault", fault.value, what).random() < rate
