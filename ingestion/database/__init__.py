"""The database: connection per role, the embedded server, and migrations of operational tables."""
