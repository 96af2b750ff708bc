"""Real faults under the real programs: power cuts, kills, full disks, broken brokers and networks.

Each harness prints its progress on stderr and one line at the end; --json writes all its figures.
Ctrl-C ends it and still prints what was found so far. Mounts, loop devices and network namespaces
are of this process alone and go away with it.
"""

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Final

import uvloop

from parkgraph.runtime.loops import first_of
from parkgraph_demo.programs import ProgramError
from tests.bench.machine import describe
from tests.faults import (
    bit_flips,
    broker_chaos,
    disk_full,
    one_way_cut,
    power_cuts,
    stay_kills,
    syscall_kills,
)
from tests.faults.caller import HungUpError
from tests.faults.campaign import NotHereError, Result

EXIT_BROKEN: Final = 1
EXIT_NOT_HERE: Final = 3
EXIT_INTERRUPTED: Final = 130

Run = Callable[[argparse.Namespace, Path], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Harness:
    """One command of this program."""

    module: ModuleType
    empty: Callable[[], Result]


HARNESSES: Final = {
    "bit-flips": Harness(bit_flips, bit_flips.BitFlips),
    "power-cuts": Harness(power_cuts, power_cuts.PowerCuts),
    "syscall-kills": Harness(syscall_kills, syscall_kills.SyscallKills),
    "stay-kills": Harness(stay_kills, stay_kills.StayKills),
    "disk-full": Harness(disk_full, disk_full.DiskFull),
    "broker-chaos": Harness(broker_chaos, broker_chaos.BrokerChaos),
    "one-way-cut": Harness(one_way_cut, one_way_cut.OneWayCut),
}


def main() -> int:
    """Run the command line.

    Returns 0 when every promise was kept, 1 when one was broken or a program failed, 3 when this
    machine lacks something, so that nothing was tested, and 130 when it was interrupted.
    """
    options = _parse()
    options.result = HARNESSES[options.name].empty()
    options.result.seed = options.seed
    began, status = time.monotonic(), 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            _place(options) as place,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            options.result.machine = describe(place)
            runner.run(_run(options, place))
    except NotHereError as error:
        sys.stderr.write(f"faults: {options.name} {error}\n")
        return EXIT_NOT_HERE
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; what there is so far:\n")
        status = EXIT_INTERRUPTED
    except (ProgramError, OSError, HungUpError) as error:
        options.result.violated([str(error)], where="the run itself")
    options.result.seconds = time.monotonic() - began
    _tell(options.result, options.json)
    return status or (EXIT_BROKEN if options.result.violations_found else 0)


async def _run(options: argparse.Namespace, place: Path) -> None:
    try:
        await HARNESSES[options.name].module.run(options, place)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from failures


@contextlib.contextmanager
def _place(options: argparse.Namespace) -> Iterator[Path]:
    """Make a folder for all files of a run; remove it unless they are to be kept."""
    place = Path(tempfile.mkdtemp(prefix="parkgraph-faults-", dir=options.folder))
    try:
        yield place
    finally:
        if options.keep:
            sys.stderr.write(f"Logs and databases: {place}\n")
        else:
            shutil.rmtree(place)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, harness in HARNESSES.items():
        about = harness.module.__doc__ or name
        command = commands.add_parser(
            name,
            help=about.partition("\n")[0],
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        harness.module.add_options(command)
        command.add_argument("--seed", type=int, default=1, help="of all chance (default 1)")
        command.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
        command.add_argument("--keep", action="store_true", help="keep logs and databases")
        command.add_argument(
            "--folder",
            type=Path,
            default=Path(tempfile.gettempdir()),
            help="where images and databases are made and removed (default %(default)s)",
        )
    return parser.parse_args()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def _tell(result: Result, file: Path | None) -> None:
    for sentence in result.violations:
        sys.stderr.write(f"  {sentence}\n")
    print(result.line())
    if file:
        file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
