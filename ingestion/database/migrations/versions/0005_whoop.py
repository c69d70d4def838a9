"""Consent, connections, tokens, webhook inbox, request budget and the raw WHOOP tables."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
