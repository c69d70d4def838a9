"""Reads marts, fits and checks; imports nothing of ``ingestion``, nor that of it."""
