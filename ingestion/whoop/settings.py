"""Settings of everything that talks to WHOOP, checked before the first request."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from ingestion.errors import SettingError
from ingestion.settings import http_base_url

DEFAULT_API_BASE_URL = "https://api.prod.whoop.com/developer"
DEFAULT_OAUTH_BASE_URL = "https://api.prod.whoop.com/oauth/oauth2"
DEFAULT_USER_AGENT = "clutch/0.1 (athlete readiness; python-requests)"
"""A real one: the service's edge was seen to block Python's default."""

TERMS_CONFIRMED = "written-agreement"
"""What ``WHOOP_TERMS_CONFIRMED`` must say, word for word, before the real service is asked."""

SCOPES = {
    "cycle": "read:cycles",
    "recovery": "read:recovery",
    "sleep": "read:sleep",
    "workout": "read:workout",
    "profile": "read:profile",
    "body": "read:body_measurement",
}
"""Scope of each resource; the keys are the tables of ``raw_whoop``."""

DEFAULT_RESOURCES = ("cycle", "recovery", "sleep", "workout")
"""Profile (name, mail) and body are asked for only by who needs them."""


@dataclass(frozen=True)
class WhoopSettings:
    """What the OAuth client, the sync and the receiver need.

    Attributes:
        api_base_url: ``WHOOP_API_BASE_URL``, up to and without ``/v2``.
        oauth_base_url: ``WHOOP_OAUTH_BASE_URL``, up to and without ``/auth`` and ``/token``.
        client_id: ``WHOOP_CLIENT_ID`` of the app.
        client_secret: ``WHOOP_CLIENT_SECRET``.
        redirect_uri: ``WHOOP_REDIRECT_URI``, as registered for the app.
        webhook_secret: ``WHOOP_WEBHOOK_SECRET``, default the client secret, with which WHOOP signs.
        encryption_keys: ``ENCRYPTION_KEY``, Fernet keys, newest first.
        resources: ``WHOOP_RESOURCES``: which kinds of record are asked for.
        user_agent: ``WHOOP_USER_AGENT``.
        webhook_tolerance_seconds: ``WHOOP_WEBHOOK_TOLERANCE_SECONDS``: how far a delivery's
            timestamp may be off; retries run for an hour and may carry the first one's.
    """

    api_base_url: str
    oauth_base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    webhook_secret: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    resources: tuple[str, ...] = DEFAULT_RESOURCES
    user_agent: str = DEFAULT_USER_AGENT
    webhook_tolerance_seconds: float = 7200.0

    @property
    def scopes(self) -> tuple[str, ...]:
        """Scopes to ask for: those of the resources, and ``offline`` for a refresh token."""
        return (*(SCOPES[resource] for resource in self.resources), "offline")

    @classmethod
    def load(cls) -> WhoopSettings:
        """Read the settings from the environment; an empty variable counts as not set.

        Raises:
            SettingError: If one is missing or cannot be what it is for. No secret is in the text.
        """
        values = {name: value for name, value in os.environ.items() if value}
        api = http_base_url(
            "WHOOP_API_BASE_URL", values.get("WHOOP_API_BASE_URL", DEFAULT_API_BASE_URL)
        )
        oauth = http_base_url(
            "WHOOP_OAUTH_BASE_URL", values.get("WHOOP_OAUTH_BASE_URL", DEFAULT_OAUTH_BASE_URL)
        )
        _check_terms((api, oauth), values.get("WHOOP_TERMS_CONFIRMED"))
        secret = _needed(values, "WHOOP_CLIENT_SECRET", "copy it from the app's page at WHOOP")
        return cls(
            api_base_url=api,
            oauth_base_url=oauth,
            client_id=_needed(values, "WHOOP_CLIENT_ID", "copy it from the app's page at WHOOP"),
            client_secret=secret,
            redirect_uri=_redirect_uri(values),
            webhook_secret=values.get("WHOOP_WEBHOOK_SECRET", secret),
            encryption_keys=_encryption_keys(values),
            resources=_resources(values.get("WHOOP_RESOURCES")),
            user_agent=values.get("WHOOP_USER_AGENT", DEFAULT_USER_AGENT),
            webhook_tolerance_seconds=_seconds(
                "WHOOP_WEBHOOK_TOLERANCE_SECONDS",
                values.get("WHOOP_WEBHOOK_TOLERANCE_SECONDS", "7200"),
            ),
        )


def _needed(values: dict[str, str], name: str, fix: str) -> str:
    if name not in values:
        raise SettingError(name, "it is not set", fix)
    value = values[name]
    if value != value.strip() or not value.isprintable():
        raise SettingError(name, "it has blanks or line breaks around or within", fix)
    return value


def _is_local(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _check_terms(addresses: tuple[str, ...], confirmed: str | None) -> None:
    if all(_is_local(address) for address in addresses) or confirmed == TERMS_CONFIRMED:
        return
    raise SettingError(
        "WHOOP_TERMS_CONFIRMED",
        "WHOOP's API terms forbid lasting copies of members' data, showing them to others without "
        "each member's opt-in, and models trained on them, unless WHOOP agreed in writing",
        f"when your organisation has that agreement, set it to {TERMS_CONFIRMED}; "
        "without it use the sandbox (python -m ingestion.sandbox.whoop)",
    )


def _redirect_uri(values: dict[str, str]) -> str:
    name = "WHOOP_REDIRECT_URI"
    fix = "write the address of the receiver's /oauth/callback as registered for the app"
    value = _needed(values, name, fix)
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
        raise SettingError(name, f"{value!r} is not an http(s) address", fix)
    if parts.scheme == "http" and not _is_local(value):
        raise SettingError(name, f"{value!r} is not encrypted", "use https")
    return value


def encryption_keys() -> tuple[str, ...]:
    """Read ``ENCRYPTION_KEY`` alone: changing keys needs nothing of WHOOP.

    Raises:
        SettingError: If it is missing or holds something that is no Fernet key.
    """
    return _encryption_keys({name: value for name, value in os.environ.items() if value})


def _encryption_keys(values: dict[str, str]) -> tuple[str, ...]:
    name = "ENCRYPTION_KEY"
    fix = "make one with: clutch keys new; several are separated by commas, the newest first"
    keys = tuple(part.strip() for part in _needed(values, name, fix).split(","))
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise SettingError(name, f"key {number} is no Fernet key", fix) from None
    if len(set(keys)) != len(keys):
        raise SettingError(name, "it has the same key twice", fix)
    return keys


def _resources(value: str | None) -> tuple[str, ...]:
    if value is None:
        return DEFAULT_RESOURCES
    names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    for name in names:
        if name not in SCOPES:
            raise SettingError(
                "WHOOP_RESOURCES", f"{name!r} is none of {', '.join(SCOPES)}", "correct the list"
            )
    return names


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        raise SettingError(name, f"{value!r} is not a number above 0", f"write it as {name}=7200")
    return seconds
