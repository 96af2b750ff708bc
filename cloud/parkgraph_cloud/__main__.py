"""`parkgraph-cloud`: the cloud core of many lots."""

import argparse
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from parkgraph.runtime import program
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_cloud import daemon
from parkgraph_cloud.recovery import recover
from parkgraph_cloud.settings import load_settings


def main() -> int:
    """Run the command line; return the exit status: 0 done, 1 broken, 2 the caller can mend it."""
    parser = argparse.ArgumentParser(prog="parkgraph-cloud", description=__doc__)
    parser.add_argument("--version", action="version", version=program.version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the cloud core until it is stopped")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="cloud.toml")
    run.add_argument("--log", metavar="FILE", help="append logs to FILE instead of stderr")
    after_restore = commands.add_parser(
        "recover",
        help="to be run once after a backup was put back, before the next start",
        description="Sell nothing of a lot until it has returned what the cloud decided since the"
        " backup. Lots that cannot be reached stay unsold until they can.",
    )
    after_restore.add_argument("--config", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    if "log" not in arguments:
        return _recover(arguments.config)

    def start() -> Coroutine[Any, Any, None]:
        return daemon.run(load_settings(arguments.config).settings)

    return program.run("parkgraph-cloud", start, log=arguments.log)


def _recover(config: Path) -> int:
    try:
        lots = recover(load_settings(config).settings)
    except (RefusedError, UnavailableError, CorruptError) as error:
        print(f"parkgraph-cloud: {error}", file=sys.stderr)
        return 2 if isinstance(error, RefusedError) else 1
    print(f"Nothing is sold of {lots} lots until each has returned what it knows. Start the cloud.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
