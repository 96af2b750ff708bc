"""`parkgraph-cloud`: the cloud core of many lots."""

import argparse
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from parkgraph.runtime import program
from parkgraph.runtime.disk import make_folder
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph.runtime.signatures import KEY_FILE, SigningKey
from parkgraph_cloud import daemon
from parkgraph_cloud.recovery import recover
from parkgraph_cloud.settings import load_settings


def main() -> int:
    """Run the command line; return the exit status: 0 done, 1 broken, 2 the caller can mend it."""
    arguments = _parser().parse_args()
    status: int = arguments.do(arguments)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parkgraph-cloud", description=__doc__)
    parser.add_argument("--version", action="version", version=program.version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the cloud core until it is stopped")
    run.add_argument("--log", metavar="FILE", help="append logs to FILE instead of stderr")
    run.set_defaults(do=_run)
    key = commands.add_parser(
        "key",
        help="print the public key for edge.toml",
        description="Print what stands in edge.toml of every lot, under [cloud], so that it does"
        f" what this cloud says and nobody else. The private key is {KEY_FILE} in the folder of"
        " the state, made when it is missing: back it up, or every lot needs a new line.",
    )
    key.set_defaults(do=_key)
    after_restore = commands.add_parser(
        "recover",
        help="to be run once after a backup was put back, before the next start",
        description="Sell nothing of a lot until it has returned what the cloud decided since the"
        " backup. Lots that cannot be reached stay unsold until they can.",
    )
    after_restore.set_defaults(do=_recover)
    for command in (run, key, after_restore):
        command.add_argument(
            "--config", type=Path, required=True, metavar="FILE", help="cloud.toml"
        )
    return parser


def _run(arguments: argparse.Namespace) -> int:
    def start() -> Coroutine[Any, Any, None]:
        return daemon.run(load_settings(arguments.config).settings)

    return program.run("parkgraph-cloud", start, log=arguments.log)


def _key(arguments: argparse.Namespace) -> int:
    def make() -> str:
        directory = load_settings(arguments.config).settings.state.directory
        make_folder(directory)
        return f'public_keys = ["{SigningKey.kept_in(directory).public_key}"]'

    return _told(make)


def _recover(arguments: argparse.Namespace) -> int:
    def mark() -> str:
        lots = recover(load_settings(arguments.config).settings)
        return (
            f"Nothing is sold of {lots} lots until each has returned what it knows."
            " Start the cloud."
        )

    return _told(mark)


def _told(work: Callable[[], str]) -> int:
    """Print what `work` returns, or why it could not be done."""
    try:
        print(work())
    except (RefusedError, UnavailableError, CorruptError) as error:
        print(f"parkgraph-cloud: {error}", file=sys.stderr)
        return 2 if isinstance(error, RefusedError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
