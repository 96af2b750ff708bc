"""A disk that fills up under the real gateway, and gets room again.

A file system of its own, in memory or ext4, is filled to the last block or nearly so while vehicles
book. What was acknowledged stays; what cannot be recorded is answered 503 with Retry-After; when
there is room bookings go on by themselves, also where the gateway was killed and started meanwhile.
"""

import argparse
import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import Field

from parkgraph_demo.programs import ProgramError
from tests.faults.caller import HungUpError
from tests.faults.campaign import Progress, Result, needs
from tests.faults.disks import LoopDisk, MemoryDisk
from tests.faults.evidence import broken_promises, copied
from tests.faults.gateway import Gateway
from tests.faults.isolation import keep_mounts_private
from tests.faults.load import Load
from tests.faults.seeding import open_once, park

KINDS: Final = ("tmpfs", "ext4")
MEMORY_MIB: Final = 24
SPACES: Final = 8_000
PARKED: Final = 500
CONNECTIONS: Final = 8
BOOK_SECONDS: Final = 0.3
ENOUGH_REFUSALS: Final = 40
FULL_WITHIN_SECONDS: Final = 20.0
# What may be left over, so that now a page, now the log and now a new file finds no room.
MOST_LEFT_BYTES: Final = 300_000
ONE_KILLED_IN: Final = 3
BACK_WITHIN_SECONDS: Final = 60.0
_BLOCK: Final = b"\0" * 65536


class DiskFull(Result):
    """What the full disks came to."""

    harness: str = "disk-full"
    rounds: dict[str, int] = Field(default_factory=dict)
    killed_while_full: int = 0
    acknowledged: int = 0
    lost: int = 0
    refused: int = 0
    slowest_back_seconds: float = 0.0
    slowest_back_after_kill_seconds: float = 0.0

    def figures(self) -> str:
        """See `Result`."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.rounds.items())
        return (
            f"{sum(self.rounds.values())} times full ({kinds}; {self.killed_while_full} killed and"
            f" started while full), {self.acknowledged} acknowledged, {self.lost} lost,"
            f" {self.refused} answered 503; back after at most {self.slowest_back_seconds:.1f} s,"
            f" after a kill {self.slowest_back_after_kill_seconds:.1f} s"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--rounds", type=int, default=20, help="in all (default %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="default both")


async def run(options: argparse.Namespace, folder: Path) -> DiskFull:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    needs("mount", "mkfs.ext4", root=True)
    keep_mounts_private()
    result: DiskFull = options.result
    chance = random.Random(options.seed)
    progress = Progress("disk-full", options.rounds)
    for number, kind in enumerate(options.kinds):
        rounds = len(range(number, options.rounds, len(options.kinds)))
        with _disk(folder, kind) as place:
            gateway = Gateway(folder / f"gateway-{kind}", place / "state", spaces=SPACES)
            await open_once(gateway)
            load = Load(gateway, await park(gateway, PARKED), seed=chance.randrange(2**32))
            bench = _Bench(kind, place, folder, gateway, load, result)
            try:
                for _ in range(rounds):
                    progress.at(sum(result.rounds.values()), f"{kind}: {result.refused} refused")
                    await bench.one(chance)
            finally:
                await gateway.kill()
    result.is_complete = True
    return result


class _Bench:
    """One gateway on one small disk."""

    def __init__(
        self,
        kind: str,
        place: Path,
        folder: Path,
        gateway: Gateway,
        load: Load,
        result: DiskFull,
    ) -> None:
        self._kind = kind
        self._ballast = place / "ballast"
        self._folder = folder
        self._gateway = gateway
        self._load = load
        self._result = result

    async def one(self, chance: random.Random) -> None:
        """Fill the disk, see what the gateway does, make room, and see that it goes on."""
        result = self._result
        where = f"{self._kind}, time {result.rounds.get(self._kind, 0) + 1}"
        before = len(self._load.promises)
        await self._start_where_it_ended()
        await self._book_until_refused(chance, where)
        is_killed = chance.randrange(ONE_KILLED_IN) == 0
        if is_killed:
            result.killed_while_full += 1
            await self._gateway.kill()
            await self._gateway.start()
            await self._gateway.until_it_answers(statuses=(200, 503))
        await self._exits_go_on(where)
        self._ballast.unlink()
        seconds = await self._until_it_books(where)
        if is_killed:
            result.slowest_back_after_kill_seconds = max(
                result.slowest_back_after_kill_seconds, seconds
            )
        else:
            result.slowest_back_seconds = max(result.slowest_back_seconds, seconds)
        lost, wrong = await asyncio.to_thread(
            broken_promises, copied(self._gateway.ledger, self._folder), self._load.promises
        )
        result.rounds[self._kind] = result.rounds.get(self._kind, 0) + 1
        result.acknowledged += len(self._load.promises) - before
        result.lost += lost
        result.violated(wrong, where=where)

    async def _book_until_refused(self, chance: random.Random, where: str) -> None:
        load = self._load
        load.is_over = False
        load.refusals.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(CONNECTIONS))
            await asyncio.sleep(BOOK_SECONDS)
            _fill(self._ballast, leave=chance.choice((0, chance.randrange(MOST_LEFT_BYTES))))
            deadline = time.monotonic() + FULL_WITHIN_SECONDS
            while load.refusals[503] < ENOUGH_REFUSALS and time.monotonic() < deadline:
                _fill_up(self._ballast)
                await asyncio.sleep(0.05)
            load.is_over = True
        self._result.refused += load.refusals[503]
        if not load.refusals[503]:
            self._result.violated(["nobody was answered 503 on a full disk"], where=where)
        if others := sorted(set(load.refusals) - {503}):
            self._result.violated([f"answered {others} on a full disk"], where=where)
        if load.without_retry_after:
            self._result.violated(["a 503 came without Retry-After"], where=where)

    async def _exits_go_on(self, where: str) -> None:
        """Assert here that cars still get out of a lot whose disk is full.

        The hardware of this gateway cannot be reached, so for now it has to answer questions; with
        the simulator at its lanes, an exit has to open (as `tests/system/test_bad_input.py` shows).
        """
        try:
            status = (await self._gateway.ask()).status
        except HungUpError as error:
            self._result.violated([f"does not answer on a full disk: {error}"], where=where)
            return
        if status not in {200, 503}:
            self._result.violated([f"answers {status} on a full disk"], where=where)

    async def _until_it_books(self, where: str) -> float:
        """Return how long it took until a vehicle was given a space again."""
        began = time.monotonic()
        while (seconds := time.monotonic() - began) < BACK_WITHIN_SECONDS:
            await self._start_where_it_ended()
            with contextlib.suppress(HungUpError):
                before = len(self._load.promises)
                self._load.is_over = False
                await self._load.run(1, most_calls=1)
                if len(self._load.promises) > before:
                    return seconds
            await asyncio.sleep(0.05)
        self._result.violated([f"does not book again within {seconds:.0f} s"], where=where)
        return seconds

    async def _start_where_it_ended(self) -> None:
        """Do as systemd: a gateway that has ended by itself is started again."""
        try:
            status = await self._gateway.until_it_ends(within_seconds=0)
        except ProgramError:
            status = 0  # it was not started yet
        if status is not None:
            await self._gateway.start()
            await self._gateway.until_it_answers(statuses=(200, 503))


@contextlib.contextmanager
def _disk(folder: Path, kind: str) -> Iterator[Path]:
    disk = MemoryDisk(folder, MEMORY_MIB) if kind == "tmpfs" else LoopDisk(folder, kind)
    try:
        if isinstance(disk, LoopDisk):
            disk.mount()
        yield disk.path
    finally:
        disk.remove()


def _fill(ballast: Path, *, leave: int) -> None:
    """Write `ballast` until nothing more fits, then take `leave` bytes off it."""
    _fill_up(ballast)
    with ballast.open("ab") as file:
        file.truncate(max(0, ballast.stat().st_size - leave))


def _fill_up(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 512):
            with contextlib.suppress(OSError):
                while file.write(_BLOCK[:size]) == size:
                    pass
