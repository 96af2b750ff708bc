"""kill -9 of the real gateway at its n-th system call while a vehicle comes, stays and goes.

The barriers are the simulator's and outlive the gateway. Wherever it is killed, it starts again and
the stay is driven to its end: one crossing in, one out, no order twice, no boom on a car, nothing
acknowledged lost.
"""

import argparse
import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import Field

from parkgraph_demo.programs import ProgramError
from parkgraph_demo.stack import SideDoor
from tests.faults.campaign import Progress, Result, needs
from tests.faults.evidence import broken_promises, copied
from tests.faults.gateway import Gateway
from tests.faults.seeding import open_once
from tests.faults.stays import Hardware, Stay
from tests.faults.tracing import ANSWERS, SYNCS, WRITES, killing_at

SERIES: Final = {"writes": WRITES, "syncs": SYNCS, "answers": ANSWERS}


class StayKills(Result):
    """What the kills came to. `not_reached`: the gateway made fewer calls during a stay."""

    harness: str = "stay-kills"
    kills: dict[str, int] = Field(default_factory=dict)
    not_reached: int = 0
    stays: int = 0
    acknowledged: int = 0
    lost: int = 0
    collisions: int = 0

    def figures(self) -> str:
        """See `Result`."""
        kills = ", ".join(f"{count} {name}" for name, count in self.kills.items())
        return (
            f"{sum(self.kills.values())} kills ({kills}), {self.not_reached} not reached;"
            f" {self.stays} stays driven to their end, {self.acknowledged} acknowledged,"
            f" {self.lost} lost, {self.collisions} collisions"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--to", type=int, default=150, help="largest n (default %(default)s)")
    parser.add_argument("--step", type=int, default=2, help="of n (default %(default)s)")
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES), help="which")


async def run(options: argparse.Namespace, folder: Path) -> StayKills:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    needs("strace")
    result: StayKills = options.result
    hardware = Hardware(folder)
    try:
        side_door = await hardware.start()
        gateway = Gateway(folder / "gateway", folder / "state", barriers=hardware.barriers)
        await open_once(gateway)
        plan = [(s, n) for s in options.series for n in range(1, options.to + 1, options.step)]
        progress = Progress("stay-kills", len(plan))
        try:
            for done, (series, number) in enumerate(plan):
                progress.at(done, f"{series} n={number}, {result.stays} stays")
                await _one(gateway, side_door, series, number, result)
                await _look(side_door, result, f"{series}, call {number}")
        finally:
            await gateway.kill()
        await side_door.close()
    finally:
        await hardware.stop()
    result.is_complete = True
    return result


async def _one(
    gateway: Gateway, side_door: SideDoor, series: str, number: int, result: StayKills
) -> None:
    """Live through a stay in which the gateway is killed at the `number`-th call."""
    where = f"{series}, killed at call {number}"
    stay = Stay(gateway, side_door, f"{series[0].upper()}{number:05}")
    await gateway.start()
    await gateway.until_it_answers()
    try:
        async with killing_at(number, SERIES[series], gateway.pid, log=gateway.log):
            await stay.live()
        result.stays += 1
        copy = copied(gateway.ledger, gateway.log.parent)
        result.violated(list(_strange(copy, stay.session)), where=where)
        lost, wrong = broken_promises(copy, stay.promises)
        result.lost += lost
        result.violated(wrong, where=where)
    except ProgramError as error:
        result.violated([str(error)], where=where)
    result.acknowledged += len(stay.promises)
    if stay.status == -9:
        result.kills[series] = result.kills.get(series, 0) + 1
    elif stay.status is None:
        result.not_reached += 1
    else:
        result.violated([f"ended with {stay.status} and was not killed"], where=where)
    await gateway.kill()


async def _look(side_door: SideDoor, result: StayKills, where: str) -> None:
    lanes = (await asyncio.wait_for(side_door.truth(), 5.0))["lanes"]
    collisions = sum(lane["collisions"] for lane in lanes.values())
    if collisions > result.collisions:
        result.violated(["a boom came down on a car"], where=where)
    result.collisions = collisions


def _strange(ledger: Path, session: str) -> Iterator[str]:
    """Yield what a stay that was killed in the middle has more or less than any other."""
    with closing(sqlite3.connect(ledger)) as connection:
        rows = connection.execute(
            "SELECT json_extract(body, '$.direction') FROM journal"
            " WHERE subject = ? AND type = 'crossed'",
            (session,),
        )
        crossings = Counter(direction for (direction,) in rows)
        if crossings != Counter(entry=1, exit=1):
            yield f"it crossed {dict(crossings)}"
        orders = [
            tuple(row)
            for row in connection.execute(
                "SELECT json_extract(body, '$.lane'), json_extract(body, '$.token'),"
                " json_extract(body, '$.order') FROM journal WHERE type = 'vend_ordered'"
            )
        ]
        if len(orders) != len(set(orders)):
            yield "an order was made twice"
