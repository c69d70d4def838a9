"""Thin ingestion: fetch, verify, store raw. No metric is computed here."""
