"""Checks of what is committed and installed: docs/runbook.md, "Findings of the checks"."""
