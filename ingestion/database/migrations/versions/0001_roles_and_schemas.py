"""Roles, schemas, and who may do what in them."""

from alembic import op

from ingestion.database.migrations.script import run_sql_beside
from ingestion.database.roles import FIRST_ROLES

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL; on the embedded server, whose processes log in as their role, allow that."""
    run_sql_beside(__file__)
    config = op.get_context().config
    if config is not None and config.attributes["roles_log_in"]:
        op.execute("reset role")
        for role in FIRST_ROLES:
            op.execute(f"alter role {role} login")
        op.execute("set role clutch_owner")
