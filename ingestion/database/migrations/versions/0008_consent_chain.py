"""The consent ledger as a chain of hashes over pseudonyms; the text in force; ends by event."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
