"""Serve real seasons over HTTP, or write them as files with ``--write``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.replay import (
    ALL_SEASONS,
    FaultPlan,
    ReplayServer,
    shared_nba_directory,
    write_files,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument(
        "--season",
        action="append",
        choices=ALL_SEASONS,
        help="may be repeated, default: all; the static schedule is that of the newest",
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--stats-port", type=int, default=0, help="of the stats service")
    parser.add_argument("--games", nargs="+", metavar="ID", help="only these games")
    parser.add_argument("--include-play-in", action="store_true", help="they have no box score")
    parser.add_argument("--gzip", action="store_true", help="compress answers or files")
    parser.add_argument(
        "--keep", action="store_true", help="build every payload first and keep it in memory"
    )
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of bad answers (0-1)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write files instead of serving")
    parser.add_argument("--schedules", action="store_true", help="write the schedules too")
    arguments = parser.parse_args()
    if shared_nba_directory() is None:
        parser.error("the folder shared/data/nba is not beside this checkout")
    seasons = arguments.season or ALL_SEASONS
    if arguments.write is not None:
        count = write_files(
            seasons,
            arguments.write,
            arguments.games,
            include_play_in=arguments.include_play_in,
            use_gzip=arguments.gzip,
            schedules=arguments.schedules,
        )
        print(f"{count} files in {arguments.write}")
        return
    server = ReplayServer(
        seasons,
        games=arguments.games,
        include_play_in=arguments.include_play_in,
        port=arguments.port,
        stats_port=arguments.stats_port,
        use_gzip=arguments.gzip,
        keep=arguments.keep,
    )
    if arguments.keep:
        server.build_all()
    plan = FaultPlan.random(arguments.seed, rate=arguments.fault_rate)
    server.set_plan(plan, stats=plan)
    print(f"NBA_CDN_BASE_URL={server.base_url}")
    print(f"NBA_STATS_BASE_URL={server.stats_base_url}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        print(f"static files: {server.log.summary()}")
        print(f"stats service: {server.stats_log.summary()}", flush=True)


if __name__ == "__main__":
    main()
