"""Tables of the Bayesian model: its runs and what they say of players, effects and games."""

from ingestion.database.migrations.script import run_sql_beside

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL."""
    run_sql_beside(__file__)
