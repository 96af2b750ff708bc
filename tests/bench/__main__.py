"""What it does a second, how fast, and in how much memory. All on this machine, on the loopback.

Bookings: durable POST /api/v1/sessions at 1, 16 and 64 connections, the gateway beside a naive
FastAPI application that commits each request, round by round; 64 also with slower syncs, where
strace is. Reads: GET of a stay beside a bare Starlette that answers the same. Ledger: group commit
beside one commit each and a bare insert, also with slower syncs; an exit while callers flood it.
Memory: of the demo's programs, after 20 s and one car. Reaction: from frame to decision to boom, as
the demo reports it. Attack: honest GETs of a session alone, and beside 400 half-open connections
and 1,000 bad keys a second. Backlog, with --only or --rows: a journal of a month without a cloud,
in memory and drained, beside a bare insert of its rows, and the bookings meanwhile; takes minutes.
Camera: what watching a lane costs while nobody is there, beside a full decode of the same pictures,
and by how much faults of a camera are told from cars, night and rain.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from parkgraph_demo.programs import ProgramError
from tests.bench import attack, backlog, bookings, camera, demonstration, ledger, reads
from tests.bench.attack import Siege
from tests.bench.backlog import Backlog
from tests.bench.bookings import LostError, Round, Summary
from tests.bench.camera import Watched
from tests.bench.demonstration import Reaction
from tests.bench.ledger import Ran
from tests.bench.machine import IN_MEMORY, Resident, describe, file_system, sync_ms
from tests.bench.progress import Progress
from tests.bench.reads import ReadRound
from tests.bench.tables import (
    show_attack,
    show_backlog,
    show_bookings,
    show_camera,
    show_ledger,
    show_memory,
    show_reaction,
    show_reads,
)

SECTIONS: Final = (
    "bookings", "reads", "ledger", "memory", "reaction", "attack", "camera", "backlog"
)  # fmt: skip
# Folders for what outlives a restart are on a disk; /tmp is in memory on many systems.
ON_DISK: Final = Path("/var/tmp")


class Results(BaseModel):
    """All that was measured, as `--json` writes it."""

    machine: str
    rounds: list[Round] = []
    bookings: list[Summary] = []
    reads: list[ReadRound] = []
    ledger: list[Ran] = []
    memory: list[Resident] = []
    reaction: Reaction | None = None
    attack: Siege | None = None
    camera: Watched | None = None
    backlog: Backlog | None = None


def main() -> int:
    """Run the command line; return the exit status: 0 measured, 1 broken, 130 interrupted."""
    arguments = _parse()
    folder: Path = arguments.folder
    machine = f"{describe(folder)}, a sync of 4 KiB {sync_ms(folder):.2f} ms"
    results = Results(machine=machine)
    print(results.machine)
    if file_system(folder) in IN_MEMORY:
        print(f"{folder} is in memory, so a sync costs nothing: give --folder on a disk")
    status = 0
    try:
        with tempfile.TemporaryDirectory(prefix="parkgraph-bench-", dir=folder) as place:
            asyncio.run(_measure(results, Path(place), arguments))
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; what there is so far:\n")
        status = 130
    except (ProgramError, LostError) as error:
        sys.stderr.write(f"bench: {error}\n")
        status = 1
    results.bookings = bookings.summaries(results.rounds)
    _show(results)
    if arguments.json:
        text = results.model_dump_json(indent=2) + "\n"
        arguments.json.write_text(text, encoding="utf-8")
    return status


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of each server (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--only", choices=SECTIONS, help="measure this alone")
    parser.add_argument(
        "--rows", type=int, help=f"of the backlog, which is then measured ({backlog.ROWS})"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="of the demo, for the reaction")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ON_DISK if ON_DISK.is_dir() else Path(tempfile.gettempdir()),
        help="where databases are made and removed (default %(default)s)",
    )
    return parser.parse_args()


async def _measure(results: Results, folder: Path, arguments: argparse.Namespace) -> None:
    """Fill in `results`, so that what was measured is there whenever it ends."""
    wanted = _wanted(arguments)
    progress = Progress(_plan(wanted, arguments))
    await _measure_calls(results, folder, progress, arguments, wanted)
    if "ledger" in wanted:
        results.ledger = await ledger.measure(folder, progress, seconds=arguments.seconds)
    if "memory" in wanted:
        progress.step("memory of the demo's programs")
        place = folder / "memory"
        place.mkdir()
        results.memory = await demonstration.memory(place)
    if "reaction" in wanted:
        results.reaction = await _reaction(folder, progress, arguments.report)
    if "attack" in wanted:
        results.attack = Siege()
        await attack.measure(results.attack, folder, progress)
    if "camera" in wanted:
        progress.step("a camera before an empty lane, and its faults")
        results.camera = await asyncio.to_thread(camera.measure)
    if "backlog" in wanted:
        results.backlog = Backlog(rows=arguments.rows or backlog.ROWS)
        await backlog.measure(results.backlog, folder, progress)


async def _measure_calls(
    results: Results,
    folder: Path,
    progress: Progress,
    arguments: argparse.Namespace,
    wanted: set[str],
) -> None:
    count, seconds = arguments.rounds, arguments.seconds
    if "bookings" in wanted:
        async for one in bookings.rounds(folder, progress, count=count, seconds=seconds):
            results.rounds.append(one)
    if "reads" in wanted:
        async for pair in reads.rounds(folder, progress, count=count, seconds=seconds):
            results.reads.append(pair)


async def _reaction(folder: Path, progress: Progress, report: Path | None) -> Reaction:
    if report:
        return demonstration.reported(report)
    progress.step("the demo's story, for the times of plates and barriers")
    return await demonstration.tell_story(folder)


def _wanted(arguments: argparse.Namespace) -> set[str]:
    if arguments.only:
        return {arguments.only}
    return set(SECTIONS) if arguments.rows else set(SECTIONS) - {"backlog"}


def _plan(wanted: set[str], arguments: argparse.Namespace) -> list[float]:
    count = 2 * len(bookings.loads()) * arguments.rounds
    plans = {
        "bookings": [bookings.round_seconds(arguments.seconds)] * count,
        "reads": reads.plan(arguments.rounds, arguments.seconds),
        "ledger": ledger.plan(arguments.seconds),
        "memory": [demonstration.LOOK_AFTER_SECONDS],
        "reaction": [] if arguments.report else [demonstration.STORY_SECONDS],
        "attack": attack.plan(),
        "camera": [camera.SECONDS],
        "backlog": backlog.plan(arguments.rows or backlog.ROWS),
    }
    return [seconds for section in SECTIONS if section in wanted for seconds in plans[section]]


def _show(results: Results) -> None:
    tables = [
        show_bookings(results.bookings) if results.bookings else [],
        show_reads(results.reads) if results.reads else [],
        show_ledger(results.ledger) if results.ledger else [],
        show_memory(results.memory) if results.memory else [],
        show_reaction(results.reaction) if results.reaction else [],
        show_attack(results.attack) if results.attack else [],
        show_camera(results.camera) if results.camera else [],
        show_backlog(results.backlog) if results.backlog else [],
    ]
    for lines in filter(None, tables):
        print("\n".join(["", *lines]))


if __name__ == "__main__":
    sys.exit(main())
