"""What one run of ``clutch ingest whoop`` did."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ingestion.ledger import QuarantinedItem

_PARTLY_DONE = 3


class AthleteFailure(NamedTuple):
    """One athlete for whom something could not be read; the others went on."""

    player_id: str
    resource: str | None
    reason: str
    detail: str


@dataclass
class WhoopReport:
    """Counts of one run.

    Attributes:
        athletes: Connections that were read.
        versions_added: Record versions written, without deletions.
        deletions: Deletions written.
        unchanged: Records equal to the newest stored version.
        stale: Records older than the newest stored version.
        fenced: Writes that were dropped because the athlete had withdrawn or connected anew.
        quarantined: What was set aside, in the order met.
        resolved: Earlier quarantine entries that a good record of this run settled.
        fields_left_out: Fields outside the allow-list that came, with how often.
        missed_by_webhooks: Versions by resource that a re-read found and no delivery had told.
        events: Deliveries worked off, by outcome.
        watched_reads: Reads of the watch-list.
        pregame_reads: Reads of an athlete before a game.
        watched_given_up: Records that left it unsettled.
        failures: Athletes for whom something failed.
        not_reached: Players that the budget or a dead service left for the next run.
        requests: Requests sent to WHOOP in the last 24 h, of all processes.
        requests_per_athlete_day: The same per athlete that was asked for.
        seconds: Wall time.
    """

    athletes: int = 0
    versions_added: int = 0
    deletions: int = 0
    unchanged: int = 0
    stale: int = 0
    fenced: int = 0
    quarantined: list[QuarantinedItem] = field(default_factory=list)
    resolved: int = 0
    fields_left_out: Counter[str] = field(default_factory=Counter)
    missed_by_webhooks: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    watched_reads: int = 0
    watched_given_up: int = 0
    pregame_reads: int = 0
    failures: list[AthleteFailure] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)
    requests: int = 0
    requests_per_athlete_day: float = 0.0
    seconds: float = 0.0

    def reset(self) -> None:
        """Begin to count anew."""
        vars(self).update(vars(WhoopReport()))

    @property
    def exit_code(self) -> int:
        """0, or 3 when something was set aside, failed or was not reached."""
        is_partly = self.quarantined or self.failures or self.not_reached
        return _PARTLY_DONE if is_partly else 0

    def closing_line(self) -> str:
        """The counts in one line; what is zero and usual is left out."""
        line = (
            f"{self.athletes:,} athletes, {self.versions_added:,} new versions, "
            f"{self.unchanged:,} unchanged, {len(self.quarantined):,} quarantined"
        )
        for count, what in (
            (self.deletions, "deleted"),
            (self.stale, "older than stored"),
            (self.fenced, "dropped without consent"),
            (self.resolved, "earlier ones resolved"),
            (sum(self.events.values()), "deliveries worked off"),
            (self.watched_reads, "watched records read"),
            (self.pregame_reads, "reads before games"),
            (sum(self.missed_by_webhooks.values()), "missed by webhooks"),
            (len(self.failures), "failures"),
            (len(self.not_reached), "athletes not reached"),
        ):
            if count:
                line += f", {count:,} {what}"
        return (
            f"{line}; {self.requests:,} requests in 24 h, "
            f"{self.requests_per_athlete_day:.1f} per athlete, in {self.seconds:.1f} s"
        )

    def counts(self) -> dict[str, Any]:
        """The counts alone, as ``operations.ingest_runs.counts`` keeps them."""
        result = self.as_dict()
        for name in ("quarantined", "failures", "not_reached"):
            result[name] = len(result[name])
        result.pop("exit_code")
        return result

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON types, for ``--json``."""
        result = asdict(self)
        result["quarantined"] = [item._asdict() for item in self.quarantined]
        result["failures"] = [failure._asdict() for failure in self.failures]
        for name in ("fields_left_out", "missed_by_webhooks", "events"):
            result[name] = dict(getattr(self, name))
        result["seconds"] = round(self.seconds, 3)
        result["requests_per_athlete_day"] = round(self.requests_per_athlete_day, 2)
        result["exit_code"] = self.exit_code
        return result
