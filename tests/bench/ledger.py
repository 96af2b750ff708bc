"""What the ledger does a second, and how long an exit waits while callers flood it.

The whole way of a command: rule, records, chain, facts, commit, tail. Beside it the same commands
with one commit each, and a bare batched insert of the same bytes; all also with 4 ms added to every
sync by strace. `python -m tests.bench.ledger --help` runs one of them.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from parkgraph.journal.ledger import MIGRATIONS, JournalLedger
from parkgraph.journal.tail import FILE_NAME, Tail
from parkgraph.model.plates import parse_plate
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    Direction,
    LaneDescription,
    LotDescribed,
    SpaceClass,
    SpaceDescription,
)
from parkgraph.runtime import writer as writer_module
from parkgraph.runtime.appended_file import AppendedFile
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.sqlite import connect, migrate
from parkgraph.runtime.writer import Writer
from parkgraph_edge.store.bookings import Reserve
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import Gate, Present, StandsThere
from parkgraph_edge.store.terms import LotTerms
from tests.bench.processes import SLOW_MS, output_of, slowed, sync_delays
from tests.bench.progress import Progress

LOT: Final = "bench"
SPACES: Final = 20_000
RATES: Final = RateCard(version="bench", currency="USD", unit_minor=350)
CALLERS: Final = 64
FLOOD: Final = 256
WARM_UP_SECONDS: Final = 0.5
EXIT_EVERY_SECONDS: Final = 0.02
SECONDS: Final = 3.0
START_SECONDS: Final = 3.0


class Ran(BaseModel):
    """One run: `kind` is what waited, `added_ms` what each sync took more."""

    kind: str
    callers: int
    added_ms: float
    acknowledged: int
    commits: int
    seconds: float
    exit_p50_ms: float | None = None
    exit_p99_ms: float | None = None

    @property
    def per_second(self) -> float:
        """Acknowledged commands a second."""
        return self.acknowledged / self.seconds

    @property
    def commits_each(self) -> float:
        """Commits for one acknowledged command."""
        return self.commits / max(1, self.acknowledged)


def plan(seconds: float) -> list[float]:
    """Return about how long each run takes."""
    return [seconds + START_SECONDS] * len(_runs())


async def measure(folder: Path, progress: Progress, *, seconds: float) -> list[Ran]:
    """Run them all, one after the other, each in a process and a database of its own.

    Raises:
        ProgramError: one of them failed.
    """
    found = []
    for kind, callers, added_ms in _runs():
        progress.step(f"ledger: {kind}, {callers} callers, syncs {added_ms:g} ms slower")
        place = folder / f"ledger-{kind}-{callers}-{added_ms:g}"
        place.mkdir()
        command = [
            sys.executable, "-m", "tests.bench.ledger", kind, str(place),
            "--callers", str(callers), "--seconds", str(seconds),
        ]  # fmt: skip
        slow = slowed(command, added_ms)
        text = await output_of(slow, log=folder / "ledger.log", within_seconds=60 + 5 * seconds)
        ran = Ran.model_validate_json(text.splitlines()[-1])
        found.append(ran.model_copy(update={"added_ms": added_ms}))
        shutil.rmtree(place)
    return found


def _runs() -> list[tuple[str, int, float]]:
    runs = [
        (kind, CALLERS, added)
        for added in sync_delays(SLOW_MS)
        for kind in ("grouped", "one-by-one", "bare")
    ]
    return [*runs, ("exits", 0, 0), ("exits", FLOOD, 0)]


def main() -> None:
    """Run one kind and print what was measured as a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("kind", choices=("grouped", "one-by-one", "bare", "exits"))
    parser.add_argument("folder", type=Path, help="where the database is made")
    parser.add_argument("--callers", type=int, default=CALLERS, help="who wait at a time")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    arguments = parser.parse_args()
    if arguments.kind == "one-by-one":
        setattr(writer_module, "BATCH", 1)  # noqa: B010 (the only place that wants it otherwise)
    ran = asyncio.run(_run(arguments))
    print(ran.model_dump_json())


async def _run(arguments: argparse.Namespace) -> Ran:
    path = arguments.folder / "ledger.db"
    connection = connect(path)
    migrate(connection, [MIGRATIONS, "parkgraph_edge.store.migrations"])
    clock, file = SystemClock(), AppendedFile(path.with_name(FILE_NAME))
    tail = Tail(file, LOT, clock=clock, has_copy=True, set_aside=file.set_aside)
    tail.reconcile(connection)
    writer = Writer(connection, path, after_commit=tail.after_commit)
    ledger = JournalLedger(writer, LOT, clock=clock, random=os.urandom)
    await ledger.submit(OpenLot(LOT, _description()))
    exits: list[float] = []
    answered: list[float] = []
    began = time.perf_counter()
    ends = began + WARM_UP_SECONDS + arguments.seconds
    numbers = itertools.count()
    commits = 0
    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.callers):
            group.create_task(_book(ledger, numbers, answered, until=ends))
        if arguments.kind == "exits":
            group.create_task(_leave(ledger, exits, until=ends))
        await asyncio.sleep(WARM_UP_SECONDS)
        commits, measured_from = writer.commits, time.perf_counter()
        await asyncio.sleep(arguments.seconds)
        commits, seconds = writer.commits - commits, time.perf_counter() - measured_from
    await writer.close()
    acknowledged = sum(measured_from <= at < measured_from + seconds for at in answered)
    ran = Ran(
        kind=arguments.kind,
        callers=arguments.callers,
        added_ms=0,
        acknowledged=acknowledged,
        commits=commits,
        seconds=seconds,
    )
    if arguments.kind == "bare":
        return _bare(path, ran)
    if exits:
        cuts = statistics.quantiles(exits, n=100)
        ran = ran.model_copy(update={"exit_p50_ms": cuts[49], "exit_p99_ms": cuts[98]})
    return ran


async def _book(
    ledger: JournalLedger, numbers: Iterator[int], answered: list[float], *, until: float
) -> None:
    terms = LotTerms(LOT, RATES, "north-in", b"k" * 32)
    while time.perf_counter() < until:
        plate = f"B{next(numbers):06}"
        await ledger.submit(
            Reserve(
                terms=terms,
                key="bench",
                plate=parse_plate(plate),
                vin=None,
                fleet="bench",
                autonomous=False,
                stay=timedelta(hours=1),
                occupied=frozenset(),
            )
        )
        answered.append(time.perf_counter())


async def _leave(ledger: JournalLedger, exits: list[float], *, until: float) -> None:
    """Let somebody out now and then, and note how long the command took, in milliseconds."""
    for number in itertools.count(1):
        await asyncio.sleep(EXIT_EVERY_SECONDS)
        if time.perf_counter() >= until:
            return
        gate = Gate(LOT, "south-out", Direction.EXIT, 257, number, number, 8.0)
        began = time.perf_counter()
        await ledger.submit(Present(gate, f"pres_{number}", StandsThere()), urgent=True)
        exits.append(1000 * (time.perf_counter() - began))


def _bare(path: Path, ran: Ran) -> Ran:
    """Insert the rows of the journal that was written into one table, in the same batches."""
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        rows = ledger.execute("SELECT * FROM journal WHERE type = 'session_reserved'").fetchall()
    connection = connect(path.with_name("bare.db"))
    columns = ", ".join(f"c{at}" for at in range(len(rows[0])))
    connection.execute(f"CREATE TABLE bare (n INTEGER PRIMARY KEY, {columns})")
    marks = ", ".join("?" * len(rows[0]))
    insert = f"INSERT INTO bare ({columns}) VALUES ({marks})"
    began, inserted, commits = time.perf_counter(), 0, 0
    while time.perf_counter() < began + ran.seconds:
        start = inserted % max(1, len(rows) - CALLERS)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, rows[start : start + CALLERS])
        connection.execute("COMMIT")
        inserted += CALLERS
        commits += 1
    seconds = time.perf_counter() - began
    connection.close()
    return ran.model_copy(update={"acknowledged": inserted, "commits": commits, "seconds": seconds})


def _description() -> LotDescribed:
    return LotDescribed(
        name="Bench",
        time_zone="UTC",
        currency="USD",
        spaces=tuple(
            SpaceDescription(space=f"S-{n:05}", space_class=SpaceClass.STANDARD)
            for n in range(SPACES)
        ),
        lanes=(LaneDescription(lane="south-out", direction=Direction.EXIT),),
    )


if __name__ == "__main__":
    main()
