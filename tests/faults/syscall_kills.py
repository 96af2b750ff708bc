"""kill -9 of the real gateway at its n-th system call, and disks whose syncs fail.

strace kills at the n-th write, sync, rename, unlink or answer of a thread, n = 1 and on: while a
new gateway makes its folder, and while it takes bookings and ends. Then it starts without strace,
and everything acknowledged must be there. In the series `failing-syncs` each fsync from the n-th on
fails with EIO: the gateway must end or let out only, and acknowledge nothing more.
"""

import argparse
import asyncio
import contextlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from parkgraph_demo.programs import ProgramError
from tests.faults.caller import HungUpError
from tests.faults.campaign import Progress, Result, needs
from tests.faults.evidence import broken_promises, copied
from tests.faults.gateway import Gateway
from tests.faults.load import Load
from tests.faults.seeding import open_once, park
from tests.faults.tracing import (
    ANSWERS,
    NAMES,
    SYNCS,
    WRITES,
    failing_from,
    first_failure,
    killed_at,
    killing_at,
)

SPACES: Final = 3_000
PARKED: Final = 300
CONNECTIONS: Final = 4
CALLS_EACH: Final = 200
ENDS_WITHIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Series:
    """One way to hurt: which calls, how far up.

    `is_new`: the gateway starts from nothing. `is_from_start`: calls count from its start and not
    from its first answer.
    """

    calls: Sequence[str]
    most: int
    is_new: bool = False
    is_from_start: bool = False


# `most`: after about so many the gateway does not make such calls, or all of them are alike.
SERIES: Final = {
    "first-start-writes": Series(WRITES, 130, is_new=True, is_from_start=True),
    "first-start-syncs": Series(SYNCS, 12, is_new=True, is_from_start=True),
    "first-start-names": Series(NAMES, 4, is_new=True, is_from_start=True),
    "start-writes": Series(WRITES, 4, is_from_start=True),
    "start-syncs": Series(SYNCS, 3, is_from_start=True),
    "writes": Series(WRITES, 100_000),
    "syncs": Series(SYNCS, 100_000),
    "answers": Series(ANSWERS, 100_000),
    "failing-syncs": Series(SYNCS, 40),
}


class SyscallKills(Result):
    """What the kills came to. `not_reached`: the gateway made fewer calls than that."""

    harness: str = "syscall-kills"
    kills: dict[str, int] = Field(default_factory=dict)
    not_reached: int = 0
    acknowledged: int = 0
    lost: int = 0
    failing_syncs: int = 0
    ended: int = 0
    exit_only: int = 0

    def figures(self) -> str:
        """See `Result`."""
        kills = ", ".join(f"{count} {name}" for name, count in self.kills.items())
        return (
            f"{sum(self.kills.values())} kills ({kills}), {self.not_reached} not reached,"
            f" {self.acknowledged} acknowledged, {self.lost} lost; {self.failing_syncs} times"
            f" failing syncs: {self.ended} ended, {self.exit_only} let out only"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--to", type=int, default=300, help="largest n (default %(default)s)")
    parser.add_argument("--step", type=int, default=2, help="of n (default %(default)s)")
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES), help="which")


async def run(options: argparse.Namespace, folder: Path) -> SyscallKills:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    needs("strace")
    result: SyscallKills = options.result
    template = Gateway(folder / "template", folder / "template" / "state", spaces=SPACES)
    await open_once(template)
    bench = _Bench(folder, template.state, await park(template, PARKED), result, options.seed)
    plan = [
        (name, number)
        for name in options.series
        for number in range(1, min(options.to, SERIES[name].most) + 1, options.step)
    ]
    progress = Progress("syscall-kills", len(plan))
    for done, (name, number) in enumerate(plan):
        progress.at(done, f"{name} n={number}, {result.acknowledged} acknowledged")
        if name == "failing-syncs":
            await bench.fail_syncs(number)
        else:
            await bench.kill(name, number)
    result.is_complete = True
    return result


class _Bench:
    """One gateway that is hurt again and again, each time on a fresh state directory."""

    def __init__(
        self, folder: Path, template: Path, parked: list[str], result: SyscallKills, seed: int
    ) -> None:
        self._folder = folder
        self._template = template
        self._parked = parked
        self._result = result
        self._seed = seed
        self._gateway = Gateway(folder / "gateway", folder / "state", spaces=SPACES)

    async def kill(self, name: str, number: int) -> None:
        """Kill at the `number`-th call of series `name`, and look at what is left."""
        series = SERIES[name]
        where = f"{name}, killed at call {number}"
        self._lay_out(is_new=series.is_new)
        load = Load(self._gateway, [] if series.is_new else self._parked, seed=self._seed + number)
        try:
            if series.is_from_start:
                await self._gateway.start(within=killed_at(number, series.calls))
                with contextlib.suppress(ProgramError):  # killed while it started
                    await self._gateway.until_it_answers()
                    await load.run(CONNECTIONS, most_calls=CALLS_EACH)
            else:
                await self._gateway.start()
                await self._gateway.until_it_answers()
                log = self._gateway.log
                async with killing_at(number, series.calls, self._gateway.pid, log=log):
                    await load.run(CONNECTIONS, most_calls=CALLS_EACH)
            await self._count(name, where)
        finally:
            await self._gateway.kill()
        await self._look(load, where)

    async def _count(self, name: str, where: str) -> None:
        status = await self._gateway.until_it_ends(within_seconds=0.5)
        if status == -9:
            self._result.kills[name] = self._result.kills.get(name, 0) + 1
        elif status is None:
            self._result.not_reached += 1
        else:
            self._result.violated([f"ended with {status} and was not killed"], where=where)

    async def fail_syncs(self, number: int) -> None:
        """Let every sync from the `number`-th on fail: nothing may be acknowledged any more."""
        self._lay_out(is_new=False)
        where = f"syncs failing from {number}"
        trace = self._folder / "trace"
        trace.unlink(missing_ok=True)
        load = Load(self._gateway, self._parked, seed=self._seed + number)
        try:
            await self._gateway.start(within=failing_from(number, SYNCS, trace))
            heard = await self._one_after_the_other(load)
            status = await self._gateway.until_it_ends(within_seconds=ENDS_WITHIN_SECONDS)
        finally:
            await self._gateway.kill()
        failed = first_failure(trace)
        if failed is None:
            self._result.not_reached += 1
        else:
            self._result.failing_syncs += 1
            self._judge(failed, heard, status, where, refusals=load.refusals[503])
        await self._look(load, where)

    async def _one_after_the_other(self, load: Load) -> float:
        """Call over one connection until it hangs up or refuses; return when the last 2xx came.

        With one call at a time, no answer to an earlier commit can come after a sync has failed.
        """
        try:
            await self._gateway.until_it_answers(statuses=(200, 503))
        except ProgramError:
            return 0.0
        heard = 0.0
        for _ in range(CALLS_EACH):
            before = len(load.promises)
            await load.run(1, most_calls=1)
            if len(load.promises) > before:
                heard = time.time()
            else:
                return heard
        return heard

    def _judge(
        self, failed: float, heard: float, status: int | None, where: str, *, refusals: int
    ) -> None:
        if heard > failed:
            self._result.violated(["acknowledged after a sync had failed"], where=where)
        if status is None and refusals:
            self._result.exit_only += 1
        elif status is None:
            self._result.violated(["neither ends nor refuses"], where=where)
        elif status:
            self._result.ended += 1
        else:
            self._result.violated(["ended as if all were well"], where=where)

    def _lay_out(self, *, is_new: bool) -> None:
        shutil.rmtree(self._gateway.state, ignore_errors=True)
        if not is_new:
            shutil.copytree(self._template, self._gateway.state)

    async def _look(self, load: Load, where: str) -> None:
        """Check the ledger file while the gateway starts on it, and that it then works."""
        load.is_over = True
        copy = copied(self._gateway.ledger, self._folder)
        await self._gateway.start()
        lost, wrong = await asyncio.to_thread(broken_promises, copy, load.promises)
        try:
            await self._gateway.until_it_answers()
            await self._works_again(where)
        except (ProgramError, HungUpError) as error:
            self._result.violated([f"does not start again: {error}"], where=where)
        finally:
            await self._gateway.kill()
        self._result.acknowledged += len(load.promises)
        self._result.lost += lost
        self._result.violated(wrong, where=where)

    async def _works_again(self, where: str) -> None:
        caller = await self._gateway.caller()
        answer = await caller.book(self._gateway.lot, "AFTER1")
        caller.close()
        if answer.status != 201:
            self._result.violated([f"books no more: {answer.status}"], where=where)
