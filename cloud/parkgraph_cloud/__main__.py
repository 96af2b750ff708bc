"""`parkgraph-cloud`: the cloud core of many lots."""

import argparse
import asyncio
import sqlite3
import sys
from pathlib import Path

import uvloop

from parkgraph.runtime import logs
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_cloud import daemon
from parkgraph_cloud.settings import load_settings


def main() -> int:
    """Run the command line; return the exit status: 0 done, 1 broken, 2 the caller can mend it."""
    parser = argparse.ArgumentParser(prog="parkgraph-cloud", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the cloud core until it is stopped")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="cloud.toml")
    run.add_argument("--log", metavar="FILE", help="append logs to FILE instead of stderr")
    arguments = parser.parse_args()
    logs.set_up(to=arguments.log)
    try:
        settings = load_settings(arguments.config).settings
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(daemon.run(settings))
    except (RefusedError, UnavailableError, CorruptError, sqlite3.Error) as error:
        sys.stderr.write(f"parkgraph-cloud: {error}\n")
        return 2 if isinstance(error, RefusedError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
