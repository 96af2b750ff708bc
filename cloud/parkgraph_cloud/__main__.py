"""`parkgraph-cloud`: the cloud core of many lots."""

import argparse
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from parkgraph.runtime import program
from parkgraph_cloud import daemon
from parkgraph_cloud.settings import load_settings


def main() -> int:
    """Run the command line; return the exit status: 0 done, 1 broken, 2 the caller can mend it."""
    parser = argparse.ArgumentParser(prog="parkgraph-cloud", description=__doc__)
    parser.add_argument("--version", action="version", version=program.version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the cloud core until it is stopped")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="cloud.toml")
    run.add_argument("--log", metavar="FILE", help="append logs to FILE instead of stderr")
    arguments = parser.parse_args()

    def start() -> Coroutine[Any, Any, None]:
        return daemon.run(load_settings(arguments.config).settings)

    return program.run("parkgraph-cloud", start, log=arguments.log)


if __name__ == "__main__":
    sys.exit(main())
