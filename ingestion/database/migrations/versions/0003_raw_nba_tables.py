"""The raw NBA tables, so that ``dbt build`` works before anything was loaded."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
