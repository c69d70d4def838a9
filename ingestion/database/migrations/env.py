"""Alembic's entry point; connection and transaction are :mod:`ingestion.database.migrate`'s."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["version_table_schema"],
)
with context.begin_transaction():
    context.run_migrations()
