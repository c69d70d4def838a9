"""Reads marts, fits and checks. Imports nothing of ``ingestion``, and ``ingestion`` nothing of it."""
