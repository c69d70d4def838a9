"""The view of operations through which dbt knows who is connected and may be read."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
