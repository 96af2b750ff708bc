"""`parkgraph-edge`: run the gateway, read plates, check a configuration, read the journal."""

import argparse
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from parkgraph.runtime import program
from parkgraph_edge import configuration_commands, daemon, journal_commands, reading
from parkgraph_edge.settings import load_settings


def main() -> int:
    """Run the command line; return the exit status: 0 done, 1 broken, 2 the caller can mend it."""
    parser = argparse.ArgumentParser(prog="parkgraph-edge", description=__doc__)
    parser.add_argument("--version", action="version", version=program.version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the gateway of one lot until it is stopped")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="edge.toml")
    run.add_argument("--log", metavar="FILE", help="append logs to FILE instead of stderr")
    run.set_defaults(run=_run)
    reading.add_parser(commands)
    configuration_commands.add_parser(commands)
    journal_commands.add_parser(commands)
    arguments = parser.parse_args()
    status: int = arguments.run(arguments)
    return status


def _run(arguments: argparse.Namespace) -> int:
    def start() -> Coroutine[Any, Any, None]:
        return daemon.run(load_settings(arguments.config).settings)

    return program.run("parkgraph-edge", start, log=arguments.log)


if __name__ == "__main__":
    sys.exit(main())
