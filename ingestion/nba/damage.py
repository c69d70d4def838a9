"""The one exception that says what is wrong with a payload."""

from __future__ import annotations


class PayloadError(Exception):
    """A payload that cannot be stored as what it claims to be.

    Args:
        reason: Code that the quarantine counts by, for example ``truncated_json``.
        detail: One sentence that names the field or place.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
