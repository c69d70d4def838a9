"""Raw tables of the second NBA source, and when each record was last asked for."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
