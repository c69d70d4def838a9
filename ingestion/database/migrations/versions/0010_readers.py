"""Readers: a role per audience, who may read which athlete now, and a log of who did."""

from alembic import op

from ingestion.database.migrations.script import run_sql_beside
from ingestion.database.roles import READERS

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the SQL; on the embedded server, whose processes log in as their role, allow that."""
    run_sql_beside(__file__)
    config = op.get_context().config
    if config is not None and config.attributes["roles_log_in"]:
        op.execute("reset role")
        for role in READERS:
            op.execute(f"alter role {role} login")
        op.execute("set role clutch_owner")
