"""Failures that a person can act on."""

from __future__ import annotations


class ModelError(Exception):
    """Says in one line what is wrong and how to fix it."""
