"""Personal links: the athlete's own page, and by which link he stopped."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
