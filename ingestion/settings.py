"""Every setting in one place, read from the environment and from nothing else.

A ``.env`` file is loaded by the shell or by cron (``set -a; . ./.env``), never by this code: a bare
``dbt build`` cannot read one, and two commands of one project must not disagree on which database
they use. All hosts are settings, so that any source can be pointed at a local server;
``.env.example`` lists them.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ingestion.errors import SettingError

PROJECT_ROOT = Path(__file__).resolve().parent.parent

DEFAULT_NBA_CDN_BASE_URL = "https://cdn.nba.com"
DEFAULT_NBA_STATS_BASE_URL = "https://stats.nba.com"
DEFAULT_NBA_STATS_USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)

DEFAULT_NBA_CDN_REQUESTS_PER_SECOND = 8.0
"""Static files behind a content network: a season of 2,460 files takes five minutes."""
DEFAULT_NBA_STATS_REQUESTS_PER_SECOND = 1.5
"""A service that computes; its users' advice is 0.6 s between requests (nba_api #176, #320)."""


def http_base_url(name: str, value: str) -> str:
    """Check the address of a service; a slash at its end is dropped.

    Raises:
        SettingError: If it is no http(s) address.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingError(
            name, f"{value!r} is not an http(s) address", f"write it as {name}=https://host[:port]"
        )
    return value.rstrip("/")


def _rate(name: str, value: str | None, default: float) -> float:
    try:
        rate = default if value is None else float(value)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise SettingError(name, f"{value!r} is not a number above 0", f"write it as {name}=2")
    return rate


@dataclass(frozen=True)
class Settings:
    """The settings of one process.

    Attributes:
        database_url: ``DATABASE_URL``, or None for the embedded server.
        state_directory: Where the embedded server, dlt's working folders and other state of this
            checkout live (``CLUTCH_STATE_DIR``, default ``.clutch`` in the project; git ignores
            it).
        nba_cdn_base_url: Host of the league's static and live-data files.
        nba_stats_base_url: Host of the league's stats API.
        nba_stats_user_agent: ``User-Agent`` sent to both.
        nba_cdn_requests_per_second: Highest rate of requests to the first (1/s).
        nba_stats_requests_per_second: Highest rate of requests to the second (1/s).
    """

    database_url: str | None
    state_directory: Path
    nba_cdn_base_url: str
    nba_stats_base_url: str
    nba_stats_user_agent: str
    nba_cdn_requests_per_second: float
    nba_stats_requests_per_second: float

    @classmethod
    def load(cls) -> Settings:
        """Read the settings from the environment; an empty variable counts as not set.

        Raises:
            SettingError: If a value cannot be what its setting needs.
        """
        values = {name: value for name, value in os.environ.items() if value}
        database_url = values.get("DATABASE_URL")
        if database_url is not None and urlsplit(database_url).scheme not in (
            "postgresql",
            "postgres",
        ):
            raise SettingError(
                "DATABASE_URL",
                "it does not start with postgresql://",
                "write postgresql://user:password@host:port/database, or unset it for the "
                "embedded server",
            )
        return cls(
            database_url=database_url,
            state_directory=Path(
                values.get("CLUTCH_STATE_DIR", str(PROJECT_ROOT / ".clutch"))
            ).resolve(),
            nba_cdn_base_url=http_base_url(
                "NBA_CDN_BASE_URL", values.get("NBA_CDN_BASE_URL", DEFAULT_NBA_CDN_BASE_URL)
            ),
            nba_stats_base_url=http_base_url(
                "NBA_STATS_BASE_URL", values.get("NBA_STATS_BASE_URL", DEFAULT_NBA_STATS_BASE_URL)
            ),
            nba_stats_user_agent=values.get("NBA_STATS_USER_AGENT", DEFAULT_NBA_STATS_USER_AGENT),
            nba_cdn_requests_per_second=_rate(
                "NBA_CDN_REQUESTS_PER_SECOND",
                values.get("NBA_CDN_REQUESTS_PER_SECOND"),
                DEFAULT_NBA_CDN_REQUESTS_PER_SECOND,
            ),
            nba_stats_requests_per_second=_rate(
                "NBA_STATS_REQUESTS_PER_SECOND",
                values.get("NBA_STATS_REQUESTS_PER_SECOND"),
                DEFAULT_NBA_STATS_REQUESTS_PER_SECOND,
            ),
        )

    @property
    def socket_directory(self) -> Path:
        """Folder of the embedded server's socket.

        ``profiles.yml`` computes the same path (md5 of the state directory's), which is how a bare
        ``dbt build`` finds the server. It is short: a socket's path may have at most 107 bytes.
        """
        digest = hashlib.md5(str(self.state_directory).encode(), usedforsecurity=False)
        return Path("/tmp") / f"clutch-{digest.hexdigest()[:12]}"  # noqa: S108 - made 0700, owner checked
