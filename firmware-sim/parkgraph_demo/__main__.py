"""`parkgraph-demo`: a lot, its hardware and a cloud on this machine live through a story.

`parkgraph-demo sandbox`: they wait for calls of `/api/v1` instead.
"""

import argparse
import asyncio
import contextlib
import shutil
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.configuration_values import LARGEST_PORT
from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph.runtime.loops import first_of
from parkgraph.runtime.sqlite import lock
from parkgraph_demo import sandbox
from parkgraph_demo.narrator import Narrator
from parkgraph_demo.programs import ProgramError
from parkgraph_demo.report import count, show
from parkgraph_demo.stack import Stack, running
from parkgraph_demo.story import Story, StoryError

ZONE = ZoneInfo("America/Los_Angeles")


def main() -> int:
    """Run the command line; return the exit status: 0 told, 1 not to the end."""
    arguments = _parser().parse_args()
    is_sandbox = arguments.command == "sandbox"
    try:
        name = "sandbox.log" if is_sandbox else "demo.log"
        log, work = _prepare(arguments.folder.absolute(), name, arguments.report)
        ports = sandbox.ports_from(arguments.port) if is_sandbox else None
    except (OSError, RefusedError, UnavailableError) as error:
        sys.stderr.write(f"parkgraph-demo: {error}\n")
        return 2
    print(f"Starting broker, cloud, firmware-sim and edge; their logs: {_short(log)}", flush=True)
    try:
        return asyncio.run(
            _sandbox(work, log, arguments, ports) if ports else _demo(work, log, arguments)
        )
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    except (StoryError, ProgramError) as error:
        sys.stderr.write(f"parkgraph-demo: {error}\n")
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if is_sandbox:
            with contextlib.suppress(BrokenPipeError):
                print(f"All programs have ended; their logs: {_short(log)}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parkgraph-demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    _add_common(parser, seed="draws plates and pictures", folder=".demo")
    command = parser.add_subparsers(dest="command", metavar="sandbox").add_parser(
        "sandbox", help="a lot and a cloud to call", description=sandbox.__doc__
    )
    command.add_argument(
        "--port",
        type=_port,
        default=8443,
        help="of the lot; the cloud has the next one; 0 takes free ones (default 8443)",
    )
    _add_common(command, seed="draws when cars come and go", folder=".demo/sandbox")
    return parser


def _add_common(parser: argparse.ArgumentParser, *, seed: str, folder: str) -> None:
    parser.add_argument("--seed", type=int, default=1, help=f"{seed} (default 1)")
    parser.add_argument(
        "--folder", type=Path, default=Path(folder), help=f"where it writes (default {folder})"
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"0 to {LARGEST_PORT - 1}")
    return port


def _prepare(folder: Path, name: str, report: Path | None) -> tuple[Path, Path]:
    """Make the folder ready for one run; return its log, which is also its lock, and its rest."""
    folder.mkdir(parents=True, exist_ok=True)
    log, work = folder / name, folder / "run"
    lock(log)
    log.write_bytes(b"")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    if report:
        report.write_text("", encoding="utf-8")  # what cannot be written is told before the story
    return log, work


async def _sandbox(
    work: Path, log: Path, arguments: argparse.Namespace, ports: sandbox.Ports
) -> int:
    await sandbox.run(work, log, ports, clock=SystemClock(), seed=arguments.seed)
    return 0


async def _demo(work: Path, log: Path, arguments: argparse.Namespace) -> int:
    async with running(work, log, seed=arguments.seed) as stack:
        return await _tell(stack, arguments)


async def _tell(stack: Stack, arguments: argparse.Namespace) -> int:
    narrator = Narrator(ZONE, is_cut=lambda: stack.cable.is_cut)
    narrator.plain(f"The operators' page: {stack.cloud_url}/  Times are the lot's: {ZONE.key}")
    story = Story(stack, narrator, SystemClock(), seed=arguments.seed)
    try:
        await story.tell()
    except BaseExceptionGroup as failures:
        raise first_of(failures) from failures
    report = await count(stack, story)
    await show(stack, story, report, narrator)
    if arguments.report:
        arguments.report.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if not arguments.once:
        narrator.plain(f"\nLook around: {stack.cloud_url}/  Ctrl-C ends everything.")
        await asyncio.Event().wait()
    return 0 if report.lost == report.duplicated == 0 else 1


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    sys.exit(main())
