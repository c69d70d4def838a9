"""NBA payloads into ``raw_nba``: schedule, play-by-play and box scores, as sent.

Data flow: a folder or the league's host (``folder``, ``cdn``) -> check (``payloads``) -> compare
with the newest stored version (``prepare``) -> dlt pipeline ``nba`` into ``raw_nba.playbyplay``,
``boxscore`` and ``schedule`` (``raw_tables``), with what is damaged or missing in
``operations.quarantine`` and every run in ``operations.ingest_runs`` (``ledger``).
"""

from ingestion.ledger import QuarantinedItem
from ingestion.nba.report import IngestReport
from ingestion.nba.run import ingest

__all__ = ["IngestReport", "QuarantinedItem", "ingest"]
