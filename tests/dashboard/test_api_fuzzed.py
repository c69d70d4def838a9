"""Injection, path, header and framing attacks on the read API, by nobody and by a key's holder.

The corpus and the oracle are those of the receiver (``tests/support/attacks.py``): every address
that the application registers, every payload at every place. ``CLUTCH_FUZZ=20000`` draws that many
mixtures more.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest
import requests
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from clutch import reader_addresses
from dashboard import pages
from dashboard.app import PREFIX, create_app
from dashboard.keys import new_key, read_keys
from ingestion.database.connection import login_url
from ingestion.serving import PortServer
from ingestion.settings import Settings
from tests.support import attacks
from tests.support.attacks import Attack, Endpoint, Log, Oracle
from tests.support.audiences import ATHLETES, World, allowed, build_world
from tests.support.wearables import Athlete

MORE = int(os.environ.get("CLUTCH_FUZZ", "0"))
FIELDS = (
    "season",
    "min_games",
    "team_id",
    "limit",
    "offset",
    "player_id",
    "game_id",
    "name",
    "key",
)
# of a request with a key every so manieth: the whole takes minutes
STEP = 1 if MORE else 12


@dataclass(frozen=True)
class Target:
    """An API under attack.

    Attributes:
        server: It.
        world: Its database, and who is in it.
        key: Of a coach.
        endpoints: What it registers.
        oracle: Knows what neither nobody nor a coach may see.
        log: What its process says.
    """

    server: PortServer
    world: World
    key: str
    endpoints: list[Endpoint]
    oracle: Oracle
    log: Log

    def strike(self, attack: Attack) -> None:
        exchange = attacks.send((self.server.host, self.server.port), attack)
        problems = self.oracle.problems(attack, exchange) + self.log.faults
        assert not problems, (problems, str(attack), exchange.raw[:2000])

    def strike_all(self, made: Iterable[Attack]) -> int:
        with ThreadPoolExecutor(4) as senders:
            return len(list(senders.map(self.strike, made)))

    def with_key(self, attack: Attack) -> Attack:
        """The same from a coach."""
        line, end, rest = attack.raw.partition(b"\r\n")
        header = b"Authorization: Bearer " + self.key.encode()
        return dataclasses.replace(attack, raw=line + end + header + end + rest)


@pytest.fixture(scope="module")
def target(
    make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    settings = make_migrated()
    world = build_world(settings, tmp_path_factory.mktemp("attacked"))
    key, entry = new_key("a_coach", "coaches")
    other_key, other_entry = new_key("a_doctor", "medical_staff")
    hidden = [each for each in ATHLETES if each.name not in allowed_to_coaches()]
    secrets = {
        "another key": other_key,
        "the hash of a key": entry.rpartition(":")[2],
        **{f"the account of {each.name}": str(each.connection_id) for each in ATHLETES},
        **{f"the night of {each.name}": night_of(each) for each in hidden},
    }
    assert len(hidden) > 5
    app = create_app(reader_addresses(settings), read_keys([entry, other_entry]))
    with attacks.listening() as log, PortServer(app, port=0) as server:
        oracle = Oracle(
            secrets=secrets,
            html_headers={
                "content-security-policy": pages.POLICY,
                "cache-control": "no-cache",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
            },
            header_names={
                *("content-type", "content-length", "date", "connection", "allow", "vary", "etag"),
                *("cache-control", "www-authenticate", "x-content-type-options"),
                *("referrer-policy", "content-security-policy", "transfer-encoding"),
                *("location", "set-cookie"),
            },
            # the same for everybody, whatever the path holds
            html_bodies=[
                pages.html(page, note).encode()
                for page in pages.PAGES
                for note in ("", pages.UNKNOWN)
            ],
            # of the first page, and of signing out
            redirects=("/morning", "/sign-in"),
        )
        yield Target(server, world, key, attacks.endpoints_of(app), oracle, log)


def night_of(athlete: Athlete) -> str:
    """His last HRV, to the last decimal that all ways of writing it share."""
    return f"{60.50731904 + ATHLETES.index(athlete):.6f}"


def allowed_to_coaches() -> set[str]:
    return allowed("clutch_coaches", "readiness")


def fingerprints(settings: Settings) -> dict[str, str]:
    with psycopg.connect(login_url(settings)) as connection:
        return attacks.fingerprints(connection)


def test_what_is_hidden_would_be_found(target: Target) -> None:
    """The doctor's answer, which the coach must not get, has what the oracle looks for."""
    hidden = next(each for each in ATHLETES if each.name == "medical alone")
    path = f"{PREFIX}/players/{hidden.player_id}/wearables"
    nights = f'{{"hrv_rmssd_avg":{night_of(hidden)}04}}'
    assert target.oracle.secrets_in(nights) == ["shows the night of medical alone"]
    answer = requests.get(
        target.server.base_url + path, headers={"authorization": f"Bearer {target.key}"}
    )
    assert answer.status_code == 200
    assert target.oracle.secrets_in(answer.text) == []
    seen = next(each for each in ATHLETES if each.name == "coaches too")
    answer = requests.get(
        f"{target.server.base_url}{PREFIX}/players/{seen.player_id}/wearables",
        headers={"authorization": f"Bearer {target.key}"},
    )
    assert night_of(seen) in answer.text


def test_every_payload_at_every_place_gets_nothing(target: Target) -> None:
    before = fingerprints(target.world.settings)
    assert len(target.endpoints) >= 7
    sent = target.strike_all(
        itertools.islice(attacks.sweep(target.endpoints, FIELDS), 0, None, STEP)
    )
    sent += target.strike_all(
        target.with_key(attack)
        for attack in itertools.islice(attacks.sweep(target.endpoints, FIELDS), 1, None, STEP)
    )
    print(f"{sent} requests")
    assert sent > 1000
    assert fingerprints(target.world.settings) == before
    is_well(target)


def test_mixtures_get_nothing(target: Target) -> None:
    before = fingerprints(target.world.settings)

    @hypothesis_settings(
        max_examples=max(300, MORE),
        derandomize=not MORE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(attacks.mixed(target.endpoints, FIELDS))
    def strike(attack: Attack) -> None:
        target.strike(attack)
        target.strike(target.with_key(attack))

    strike()
    assert fingerprints(target.world.settings) == before
    is_well(target)


def is_well(target: Target) -> None:
    answer = requests.get(
        f"{target.server.base_url}{PREFIX}/seasons",
        headers={"authorization": f"Bearer {target.key}"},
    )
    assert answer.status_code == 200
    assert target.log.faults == []
