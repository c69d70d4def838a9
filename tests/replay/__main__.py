"""Serve real seasons over HTTP, or write them as files with ``--write``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.replay import SHARED_SEASONS, ReplayServer, shared_nba_directory, write_files


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument(
        "--season",
        action="append",
        required=True,
        choices=SHARED_SEASONS,
        help="may be repeated; the schedule is that of the last one",
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--games", nargs="+", metavar="ID", help="only these games")
    parser.add_argument("--include-play-in", action="store_true", help="they have no box score")
    parser.add_argument("--gzip", action="store_true", help="compress answers or files")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write files instead of serving")
    arguments = parser.parse_args()
    if shared_nba_directory() is None:
        parser.error("the folder shared/data/nba is not beside this checkout")
    if arguments.write is not None:
        count = write_files(
            arguments.season,
            arguments.write,
            arguments.games,
            include_play_in=arguments.include_play_in,
            use_gzip=arguments.gzip,
        )
        print(f"{count} files in {arguments.write}")
        return
    server = ReplayServer(
        arguments.season,
        games=arguments.games,
        include_play_in=arguments.include_play_in,
        port=arguments.port,
        use_gzip=arguments.gzip,
    )
    print(server.base_url, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
