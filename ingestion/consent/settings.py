"""Settings of the consent page."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ingestion.errors import SettingError

DEFAULT_DAYS = 365
"""One season with its training camp: an athlete is asked again each year."""
LONGEST_DAYS = 3 * 365
"""The longest that laws on biometric records let them be kept without a new reason."""


@dataclass(frozen=True)
class ConsentSettings:
    """What the consent text says of those who ask.

    Attributes:
        days: ``CONSENT_DAYS``: how long a permission lasts.
        organisation: ``CONSENT_ORGANISATION``: who asks.
        contact: ``CONSENT_CONTACT``: whom an athlete tells that he wants to stop.
        team_id: ``CONSENT_TEAM_ID``: NBA id of the team that asks; None where several do.
    """

    days: int = DEFAULT_DAYS
    organisation: str = "your team"
    contact: str = "the person who gave you the link to this page"
    team_id: str | None = None

    @classmethod
    def load(cls) -> ConsentSettings:
        """Read the settings from the environment; an empty variable counts as not set.

        Raises:
            SettingError: If one cannot be what it is for.
        """
        values = {name: value for name, value in os.environ.items() if value}
        return cls(
            days=_days(values.get("CONSENT_DAYS")),
            organisation=_line("CONSENT_ORGANISATION", values, cls.organisation),
            contact=_line("CONSENT_CONTACT", values, cls.contact),
            team_id=_team_id(values.get("CONSENT_TEAM_ID")),
        )


def _days(value: str | None) -> int:
    if value is None:
        return DEFAULT_DAYS
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= LONGEST_DAYS):
        raise SettingError(
            "CONSENT_DAYS",
            f"{value!r} is not a whole number of days from 1 to {LONGEST_DAYS}",
            f"write it as CONSENT_DAYS={DEFAULT_DAYS}",
        )
    return int(value)


def _team_id(value: str | None) -> str | None:
    if value is not None and not (value.isascii() and value.isdecimal() and len(value) <= 12):
        raise SettingError(
            "CONSENT_TEAM_ID", f"{value!r} is no NBA team id", "write its digits, e.g. 1610612744"
        )
    return value


def _line(name: str, values: dict[str, str], default: str) -> str:
    value = values.get(name, default)
    if value != value.strip() or not value.isprintable() or len(value) > 200:
        raise SettingError(
            name, "it is not one line of at most 200 characters", "write one short line"
        )
    return value
