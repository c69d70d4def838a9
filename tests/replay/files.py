"""Write seasons as a folder for ``clutch ingest nba --from``."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable
from pathlib import Path

from tests.replay.server import open_seasons


def write_files(
    seasons: Iterable[str],
    directory: Path,
    games: Collection[str] | None = None,
    *,
    include_play_in: bool = False,
    use_gzip: bool = False,
    schedules: bool = False,
) -> int:
    """Write the payloads as ``<resource>_<id>.json``.

    Live-data seasons have ``playbyplay`` and ``boxscore``, the two before them ``playbyplayv2``.

    Args:
        seasons: The seasons to write, for example ``["2021-22"]``.
        directory: Made when it does not exist.
        games: Limits every season to those of these game ids that it has.
        include_play_in: Also write the play-in games, which have no box score.
        use_gzip: Write ``.json.gz``.
        schedules: Also write ``scheduleleaguev2_<season>.json``.

    Returns:
        How many files were written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    count = 0

    def write(name: str, payload: bytes) -> None:
        nonlocal count
        if use_gzip:
            packed = gzip.compress(payload, compresslevel=1, mtime=0)
            (directory / f"{name}.json.gz").write_bytes(packed)
        else:
            (directory / f"{name}.json").write_bytes(payload)
        count += 1

    for season in open_seasons(seasons, games, include_play_in):
        for resource, game_id, payload in season.payloads():
            write(f"{resource}_{game_id}", payload)
        if schedules:
            write(f"scheduleleaguev2_{season.season}", season.schedule())
    return count
