"""What one run of ``clutch ingest nba`` did."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from ingestion.ledger import QuarantinedItem

_PARTLY_DONE = 3


@dataclass
class IngestReport:
    """Counts of one run.

    Attributes:
        games: Games looked at.
        not_due: Games of the schedule that were left alone: loaded and settled, or not yet played.
        versions_added: Payload versions written.
        unchanged: Payloads equal to the newest stored version.
        stale: Payloads older than the newest stored version, kept in the quarantine as settled.
        quarantined: What was set aside, in the order met.
        resolved: Earlier quarantine entries that a good payload of this run settled.
        ignored_files: Files of the folder whose names are not of the wire format.
        requests: HTTP requests sent, retries included.
        retries: How many of them repeated one that had failed.
        hosts_given_up: One sentence for every host that was not asked any more.
        seconds: Wall time.
    """

    games: int = 0
    not_due: int = 0
    versions_added: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: list[QuarantinedItem] = field(default_factory=list)
    resolved: int = 0
    ignored_files: int = 0
    requests: int = 0
    retries: int = 0
    hosts_given_up: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or 3 when anything was quarantined or a host was given up."""
        return _PARTLY_DONE if self.quarantined or self.hosts_given_up else 0

    def closing_line(self) -> str:
        """Every count in one line, the reasons of the quarantine included."""
        line = (
            f"{self.games:,} games: {self.versions_added:,} versions added, "
            f"{self.unchanged:,} unchanged, {len(self.quarantined):,} quarantined"
        )
        if self.quarantined:
            reasons = Counter(item.reason for item in self.quarantined)
            line += f" ({', '.join(f'{reason} {n:,}' for reason, n in sorted(reasons.items()))})"
        if self.resolved:
            line += f", {self.resolved:,} earlier ones resolved"
        if self.stale:
            line += f", {self.stale:,} older than stored"
        if self.not_due:
            line += f", {self.not_due:,} games not due"
        if self.ignored_files:
            line += f", {self.ignored_files:,} other files ignored"
        if self.requests:
            line += f", {self.requests:,} requests ({self.retries:,} retries)"
        return f"{line} in {self.seconds:.1f} s"

    def counts(self) -> dict[str, int | float]:
        """The counts alone, as ``operations.ingest_runs.counts`` keeps them."""
        return {
            "games": self.games,
            "not_due": self.not_due,
            "versions_added": self.versions_added,
            "unchanged": self.unchanged,
            "stale": self.stale,
            "quarantined": len(self.quarantined),
            "resolved": self.resolved,
            "ignored_files": self.ignored_files,
            "requests": self.requests,
            "retries": self.retries,
            "seconds": round(self.seconds, 3),
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON types, for ``--json``."""
        result = asdict(self)
        result["quarantined"] = [item._asdict() for item in self.quarantined]
        result["exit_code"] = self.exit_code
        return result
