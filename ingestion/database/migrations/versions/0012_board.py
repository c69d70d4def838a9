"""Board: what dbt may know of the state of ingestion, and which alerts were announced."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
