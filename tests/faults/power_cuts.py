"""File-system power cuts under the real gateway while it takes bookings and ends.

Each cut shuts a loop-mounted ext4 or xfs down without flushing its log, kills the gateway, mounts
the image again, and looks for everything that was acknowledged before the cut began. A bare SQLite
writer in synchronous=NORMAL goes through a few cuts too: it has to lose rows, or the cut is blunt.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import Field

from parkgraph_demo.programs import Program, ProgramError
from tests.faults.campaign import Progress, Result, needs
from tests.faults.disks import LoopDisk
from tests.faults.evidence import broken_promises, copied
from tests.faults.gateway import Gateway
from tests.faults.isolation import keep_mounts_private
from tests.faults.load import Load, Promises
from tests.faults.seeding import open_once, park

KINDS: Final = ("ext4", "xfs")
SPACES: Final = 8_000
PARKED: Final = 1_000
# A fresh disk after so many cuts: what is checked each time stays small.
CUTS_A_DISK: Final = 10
LOAD_SECONDS: Final = (0.05, 0.6)
# One cut in so many comes while the gateway starts.
ONE_EARLY_IN: Final = 8
EARLY_SECONDS: Final = (0.3, 1.1)
REFERENCE_ROWS: Final = 5_000


class PowerCuts(Result):
    """What the cuts came to; `reference_*` are of the bare writer in synchronous=NORMAL."""

    harness: str = "power-cuts"
    cuts: dict[str, int] = Field(default_factory=dict)
    cuts_while_starting: int = 0
    acknowledged: int = 0
    ends_acknowledged: int = 0
    lost: int = 0
    refused: dict[int, int] = Field(default_factory=dict)
    seconds_a_cut: float = 0.0
    reference_cuts: int = 0
    reference_acknowledged: int = 0
    reference_lost: int = 0

    def figures(self) -> str:
        """See `Result`."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.cuts.items())
        return (
            f"{sum(self.cuts.values())} cuts ({kinds}; {self.cuts_while_starting} while starting),"
            f" {self.acknowledged} acknowledged ({self.ends_acknowledged} ends), {self.lost} lost,"
            f" {self.seconds_a_cut:.2f} s a cut; reference in NORMAL: {self.reference_lost} of"
            f" {self.reference_acknowledged} lost in {self.reference_cuts} cuts"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--cuts", type=int, default=300, help="in all (default %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="default both")
    parser.add_argument("--connections", type=int, default=32, help="default %(default)s")
    parser.add_argument("--reference-cuts", type=int, default=6, help="default %(default)s")


async def run(options: argparse.Namespace, folder: Path) -> PowerCuts:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    needs("mount", *(f"mkfs.{kind}" for kind in options.kinds), root=True)
    keep_mounts_private()
    result: PowerCuts = options.result
    await _reference(options, folder, result)
    chance = random.Random(options.seed)
    template, parked = await _template(folder)
    progress = Progress("power-cuts", options.cuts)
    began, disks = time.monotonic(), 0
    while (done := sum(result.cuts.values())) < options.cuts:
        kind = options.kinds[disks % len(options.kinds)]
        disks += 1
        # A short run has its share of each kind too.
        share = max(1, options.cuts // len(options.kinds))
        count = min(CUTS_A_DISK, share, options.cuts - done)
        with _disk(folder, kind) as disk:
            series = _Series(disk, folder, template, options.connections, result)
            try:
                await series.cut(count, parked, chance, progress)
            finally:
                cuts = max(1, sum(result.cuts.values()))
                result.seconds_a_cut = (time.monotonic() - began) / cuts
    result.is_complete = True
    return result


class _Series:
    """Cuts of one disk, each on what the one before has left."""

    def __init__(
        self, disk: LoopDisk, folder: Path, template: Path, connections: int, result: PowerCuts
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._connections = connections
        self._result = result
        state = disk.path / "state"
        shutil.copytree(template, state)
        subprocess.run(["sync", "--file-system", str(disk.path)], check=True)
        self._gateway = Gateway(folder / "gateway", state, spaces=SPACES)

    async def cut(
        self, count: int, parked: list[str], chance: random.Random, progress: Progress
    ) -> None:
        """Cut `count` times; look at what each has left while the gateway starts on it."""
        result, load = self._result, Load(self._gateway, parked, seed=chance.randrange(2**32))
        looking: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(count + 1):
                    await self._gateway.start()
                    if number < count:
                        await self._cut_under(load, chance)
                    else:  # what the last has left must be good for a start too
                        await self._gateway.until_it_answers()
                        break
                    where = f"{self._disk.kind}, cut {number + 1} of this disk"
                    if looking:
                        await looking
                    copy = copied(self._gateway.ledger, self._folder)
                    looking = group.create_task(self._look(copy, load.promises.so_far(), where))
                    told = result.acknowledged + len(load.promises)
                    progress.at(
                        sum(result.cuts.values()), f"{told} acknowledged, {result.lost} lost"
                    )
        except* ProgramError as errors:
            result.violated([str(error) for error in errors.exceptions], where=self._disk.kind)
        finally:
            await self._gateway.kill()
            result.acknowledged += len(load.promises)
            result.ends_acknowledged += len(load.promises.ends)
            result.refused = dict(Counter(result.refused) + load.refusals)

    async def _cut_under(self, load: Load, chance: random.Random) -> None:
        """Cut while it starts or works, kill it, and mount again what is left."""
        load.is_over = False
        if chance.randrange(ONE_EARLY_IN) == 0:
            await asyncio.sleep(chance.uniform(*EARLY_SECONDS))
            self._disk.cut()
            self._result.cuts_while_starting += 1
        else:
            await self._gateway.until_it_answers()
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(self._connections))
                await asyncio.sleep(chance.uniform(*LOAD_SECONDS))
                load.is_over = True  # before the cut begins, on the thread that counts
                self._disk.cut()
                await self._gateway.kill()
        await self._gateway.kill()
        self._disk.unmount()
        self._disk.mount()
        self._result.cuts[self._disk.kind] = self._result.cuts.get(self._disk.kind, 0) + 1

    async def _look(self, copy: Path, promises: Promises, where: str) -> None:
        lost, wrong = await asyncio.to_thread(broken_promises, copy, promises)
        self._result.lost += lost
        self._result.violated(wrong, where=where)


async def _template(folder: Path) -> tuple[Path, list[str]]:
    """Make a state directory with parked stays, on the disk of this machine."""
    gateway = Gateway(folder / "template", folder / "template" / "state", spaces=SPACES)
    await open_once(gateway)
    parked = await park(gateway, PARKED)
    return gateway.state, parked


@contextlib.contextmanager
def _disk(folder: Path, kind: str) -> Iterator[LoopDisk]:
    disk = LoopDisk(folder, kind)
    try:
        disk.mount()
        yield disk
    finally:
        disk.remove()


async def _reference(options: argparse.Namespace, folder: Path, result: PowerCuts) -> None:
    for number in range(options.reference_cuts):
        with _disk(folder, options.kinds[number % len(options.kinds)]) as disk:
            kept = await _cut_bare_writer(disk, folder / "reference.log")
        result.reference_cuts += 1
        result.reference_acknowledged += REFERENCE_ROWS
        result.reference_lost += REFERENCE_ROWS - kept
    if options.reference_cuts and not result.reference_lost:
        result.violated(["synchronous=NORMAL lost nothing: these cuts prove nothing"], where="cuts")


async def _cut_bare_writer(disk: LoopDisk, log: Path) -> int:
    """Return how many of the rows that were acknowledged before the cut are there after it."""
    path = disk.path / "bare.db"
    command = [sys.executable, "-m", "tests.faults.bare_writer", str(path), str(REFERENCE_ROWS)]
    program = Program("bare writer", command, log)
    lines = await program.start()
    try:
        await lines.readline()
        disk.cut()
    finally:
        await program.kill()
    disk.unmount()
    disk.mount()
    with closing(sqlite3.connect(path)) as connection:
        kept: int = connection.execute("SELECT COUNT(*) FROM rows").fetchone()[0]
    return kept
