"""What ingestion refused to store, and what each of its runs did."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
