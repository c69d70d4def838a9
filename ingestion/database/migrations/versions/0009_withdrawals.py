"""Withdrawals: how far each has come, and afterwards its receipt."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
