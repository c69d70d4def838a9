"""What one run of ``clutch ingest nba`` did."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

_PARTLY_DONE = 3


class QuarantinedItem(NamedTuple):
    """One payload that was not stored as raw data, or that is missing."""

    resource: str
    record_key: str
    reason: str
    detail: str
    origin: str


@dataclass
class IngestReport:
    """Counts of one run.

    Attributes:
        games: Games looked at.
        versions_added: Payload versions written.
        unchanged: Payloads equal to the newest stored version.
        quarantined: What was set aside, in the order met.
        resolved: Earlier quarantine entries that a good payload of this run settled.
        ignored_files: Files of the folder whose names are not of the wire format.
        seconds: Wall time.
    """

    games: int = 0
    versions_added: int = 0
    unchanged: int = 0
    quarantined: list[QuarantinedItem] = field(default_factory=list)
    resolved: int = 0
    ignored_files: int = 0
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or 3 when anything was quarantined."""
        return _PARTLY_DONE if self.quarantined else 0

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
        if self.ignored_files:
            line += f", {self.ignored_files:,} other files ignored"
        return f"{line} in {self.seconds:.1f} s"

    def counts(self) -> dict[str, int | float]:
        """The counts alone, as ``operations.ingest_runs.counts`` keeps them."""
        return {
            "games": self.games,
            "versions_added": self.versions_added,
            "unchanged": self.unchanged,
            "quarantined": len(self.quarantined),
            "resolved": self.resolved,
            "ignored_files": self.ignored_files,
            "seconds": round(self.seconds, 3),
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON types, for ``--json``."""
        result = asdict(self)
        result["quarantined"] = [item._asdict() for item in self.quarantined]
        result["exit_code"] = self.exit_code
        return result
