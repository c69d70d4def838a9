"""Invented teams, arenas and people. Nobody and nothing here exists."""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class City(NamedTuple):
    """Where a team plays.

    Attributes:
        name: City.
        nickname: Team name.
        tricode: Three letters, none of them in use by the league.
        state: Postal code of the state or province.
        country: Two letters.
        timezone: IANA zone of the arena.
        arena: Arena name.
    """

    name: str
    nickname: str
    tricode: str
    state: str
    country: str
    timezone: str
    arena: str


_EASTERN = "America/New_York"
_CENTRAL = "America/Chicago"
_MOUNTAIN = "America/Denver"
_PACIFIC = "America/Los_Angeles"

# Alternating conferences (even index east, odd west), so that any even number of teams has both.
CITIES: tuple[City, ...] = (
    City("Port Ellery", "Lanterns", "PEL", "MA", "US", _EASTERN, "Harborlight Arena"),
    City("Red Mesa", "Coyotes", "RMS", "AZ", "US", "America/Phoenix", "Copper Bowl"),
    City("Ashbourne", "Foundry", "ASH", "PA", "US", _EASTERN, "Ironworks Hall"),
    City("Cascadia Bay", "Orcas", "CSB", "WA", "US", _PACIFIC, "Tidewater Dome"),
    City("Lakemont", "Herons", "LKM", "IL", "US", _CENTRAL, "Shoreline Center"),
    City("Summit Park", "Elk", "SUM", "CO", "US", _MOUNTAIN, "Timberline Arena"),
    City("Kingsferry", "Comets", "KFC", "NY", "US", _EASTERN, "Ferry Street Garden"),
    City("Dry Creek", "Mustangs", "DCM", "TX", "US", _CENTRAL, "Creekside Arena"),
    City("Northgate", "Aurora", "NGA", "ON", "CA", "America/Toronto", "Northgate Place"),
    City("Vista Del Rey", "Monarchs", "VDR", "CA", "US", _PACIFIC, "Coronado Hall"),
    City("Palmetto Shores", "Pelagics", "PSP", "FL", "US", _EASTERN, "Gulfstream Arena"),
    City("Saltflat", "Speed", "SLF", "UT", "US", _MOUNTAIN, "Bonnet Center"),
    City("Millhaven", "Engineers", "MLH", "OH", "US", _EASTERN, "Gristmill Arena"),
    City("Bluewater", "Drillers", "BWD", "OK", "US", _CENTRAL, "Derrick Center"),
    City("Old Dominion Point", "Admirals", "ODP", "VA", "US", _EASTERN, "Anchor Hall"),
    City("Goldstrand", "Surf", "GSF", "CA", "US", _PACIFIC, "Breakwater Pavilion"),
    City("Granite Falls", "Quarrymen", "GRF", "NC", "US", _EASTERN, "Granite Coliseum"),
    City("Twin Prairies", "Bison", "TPB", "MN", "US", _CENTRAL, "Prairie Fieldhouse"),
    City("Wexcombe", "Foxes", "WEX", "NJ", "US", _EASTERN, "Turnpike Arena"),
    City("Silver Basin", "Prospectors", "SBP", "NV", "US", _PACIFIC, "Assay Center"),
    City("Riverbend", "Steamers", "RVB", "TN", "US", _CENTRAL, "Paddlewheel Arena"),
    City("Mesquite Hill", "Scorpions", "MQH", "TX", "US", _CENTRAL, "Mesquite Center"),
    City("Capitol Heights", "Senators", "CPH", "MD", "US", _EASTERN, "Rotunda Arena"),
    City("Evergreen Sound", "Ravens", "EVS", "OR", "US", _PACIFIC, "Fernwood Garden"),
    City("Motorton", "Pistoneers", "MTN", "MI", "US", "America/Detroit", "Assembly Hall"),
    City("Bayou Clair", "Egrets", "BYC", "LA", "US", _CENTRAL, "Cypress Center"),
    City(
        "Hoosier Grove",
        "Racers",
        "HGR",
        "IN",
        "US",
        "America/Indiana/Indianapolis",
        "Speedway Hall",
    ),
    City("Riogrande", "Vaqueros", "RIO", "TX", "US", _CENTRAL, "Alameda Arena"),
    City("Peachtree Junction", "Firebirds", "PTJ", "GA", "US", _EASTERN, "Junction Arena"),
    City("Kern Valley", "Harvesters", "KNV", "CA", "US", _PACIFIC, "Orchard Pavilion"),
)

_GIVEN = (
    "Abel", "Adan", "Alden", "Amari", "Anton", "Arlo", "Asa", "Aziel", "Basil", "Benno",
    "Brando", "Caleb", "Cassius", "Corwin", "Cyrus", "Dario", "Davin", "Desmond", "Dorian",
    "Eben", "Elias", "Emeka", "Ervin", "Ezra", "Fabian", "Felix", "Flynn", "Gideon", "Hugo",
    "Idris", "Ignace", "Ivo", "Jabari", "Jalil", "Joaquin", "Jonas", "Kaden", "Kelvin",
    "Kofi", "Lamar", "Leandro", "Lucan", "Malik", "Marek", "Matteo", "Milo", "Nikos",
    "Nolan", "Obi", "Omar", "Orin", "Pascal", "Quade", "Rafi", "Remy", "Roland", "Sefu",
    "Silas", "Soren", "Tariq", "Teo", "Tobin", "Ulric", "Vaughn", "Viktor", "Wade", "Xavi",
    "Yannick", "Zeke", "Zoran",
)  # fmt: skip
_FAMILY_STARTS = (
    "Ald", "Bram", "Cald", "Dorn", "Elv", "Fenn", "Garr", "Hask", "Ilm", "Jarr", "Kest",
    "Lorr", "Marv", "Nash", "Ost", "Pell", "Quill", "Rost", "Sarr", "Tamm", "Ulm", "Vark",
    "Wend", "Yarr", "Zell", "Brisk", "Crann", "Drov", "Frell", "Grell",
)  # fmt: skip
_FAMILY_ENDS = (
    "ander", "enbrook", "icast", "endale", "enko", "efield", "ogate", "enholt", "ivar",
    "okell", "elund", "emere", "anova", "equist", "arell", "esund", "athorn", "evane",
    "owick", "ezano",
)  # fmt: skip


def invented_names(random: Random, count: int) -> list[tuple[str, str]]:
    """Draw people whose family names are all different.

    Args:
        random: Source of randomness; is advanced.
        count: How many, at most 600.

    Returns:
        Pairs of given and family name.
    """
    families = [start + end for start in _FAMILY_STARTS for end in _FAMILY_ENDS]
    chosen: list[tuple[str, str]] = []
    for index in range(count):
        # Fisher-Yates by hand: Random.shuffle may draw differently in another Python version.
        other = index + int(random.random() * (len(families) - index))
        families[index], families[other] = families[other], families[index]
        chosen.append((_GIVEN[int(random.random() * len(_GIVEN))], families[index]))
    return chosen
