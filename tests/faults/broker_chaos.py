"""Rows from real ledgers to a real cloud while the broker and the way to it break.

Each lot has a long journal that the cloud has not seen, and goes on booking. Between them a real
broker is killed, wiped and restarted, cloud and gateways are killed, a proxy delays, cuts after n
bytes, leaves half-open and falls silent one way, and a third client publishes old messages again.
In the end every row is in the cloud once, in order, in the same chain, with the same facts.
"""

import argparse
import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from pydantic import Field

from tests.faults import brokers
from tests.faults.brokers import Broker
from tests.faults.campaign import Progress, Result
from tests.faults.chaos import Chaos
from tests.faults.evidence import broken_promises, copied
from tests.faults.fleet import Cloud, Fleet, SalesOffice, keep_calling
from tests.faults.gateway import Gateway
from tests.faults.load import Load
from tests.faults.seeding import fill_journal, open_once
from tests.faults.wire import Wire

SPACES: Final = 10_000
# A caller of each lot pauses so long after each booking.
PAUSE_SECONDS: Final = 0.1
# The cloud sells what the lot has lent it, slowly enough to find something lent.
LENT: Final = 400
SALE_PAUSE_SECONDS: Final = 0.5
HEALS_WITHIN_SECONDS: Final = 180.0
LONGEST_RUN_SECONDS: Final = 1800.0
LOOK_EVERY_SECONDS: Final = 0.5


class BrokerChaos(Result):
    """What the faults came to."""

    harness: str = "broker-chaos"
    broker: str = ""
    lots: int = 0
    rows: int = 0
    acknowledged: int = 0
    sold_by_cloud: int = 0
    sales_refused: dict[int, int] = Field(default_factory=dict)
    lost: int = 0
    faults: dict[str, int] = Field(default_factory=dict)
    replayed: int = 0
    seconds_under_faults: float = 0.0
    converged_after_seconds: float | None = None

    def figures(self) -> str:
        """See `Result`."""
        healed = self.converged_after_seconds
        told = "not equal in time" if healed is None else f"equal {healed:.1f} s after healing"
        return (
            f"{self.rows} rows of {self.lots} lots over {self.broker}, {sum(self.faults.values())}"
            f" faults in {self.seconds_under_faults:.0f} s, {self.replayed} messages replayed;"
            f" {told}; {self.acknowledged} bookings acknowledged by lots, {self.sold_by_cloud} by"
            f" the cloud, {self.lost} lost"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--rows", type=int, default=100_000, help="to begin with (default 100000)")
    parser.add_argument("--lots", type=int, default=4, help="default %(default)s")
    parser.add_argument("--faults", type=int, default=45, help="at least (default %(default)s)")
    parser.add_argument("--longest", type=float, default=16.0, help="of a silence, seconds")
    parser.add_argument("--broker", choices=brokers.KINDS, help="default: mosquitto if installed")


async def run(options: argparse.Namespace, folder: Path) -> BrokerChaos:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    result: BrokerChaos = options.result
    result.broker, result.lots = options.broker or brokers.installed(), options.lots
    async with AsyncExitStack() as stack:
        broker = Broker(folder, result.broker)
        stack.push_async_callback(broker.kill)
        wires = [await stack.enter_async_context(Wire(broker.port)) for _ in range(2)]
        urls = [f"mqtt://127.0.0.1:{wire.port}" for wire in wires]
        gateways = [
            Gateway(
                folder / f"lot-{number}",
                folder / f"lot-{number}" / "state",
                lot=f"lot-{number}",
                spaces=SPACES,
                broker=urls[0],
                lent=LENT,
            )
            for number in range(options.lots)
        ]
        progress = Progress("broker-chaos", 100)
        for number, gateway in enumerate(gateways):
            progress.at(0, f"writing the journal of lot {number + 1} of {options.lots}")
            await open_once(gateway)
            await fill_journal(gateway, options.rows // options.lots)
        fleet = Fleet(gateways, Cloud(folder / "cloud", urls[1]))
        stack.push_async_callback(fleet.kill)
        chaos = Chaos(fleet, broker, wires, seed=options.seed, longest_seconds=options.longest)
        await _live_through(options, fleet, broker, chaos, progress)
        await _judge(fleet, folder, result)
    result.is_complete = True
    return result


async def _live_through(
    options: argparse.Namespace, fleet: Fleet, broker: Broker, chaos: Chaos, progress: Progress
) -> None:
    """Start all, let faults happen until enough has arrived among enough of them, and heal."""
    result: BrokerChaos = options.result
    await broker.start()
    await fleet.cloud.start()
    began = time.monotonic()

    def is_enough(faults: int) -> bool:
        spent = time.monotonic() - began
        arrived = fleet.arrived_rows() if faults >= options.faults else 0
        return arrived >= options.rows or spent > LONGEST_RUN_SECONDS

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(options, fleet, chaos, progress, began))
        replaying = group.create_task(chaos.replay())
        calling = group.create_task(_start_and_call(options, fleet, chaos))
        await fleet.until_one_runs()
        await chaos.run(is_enough)
        result.seconds_under_faults = time.monotonic() - began
        for load in (*fleet.loads, *fleet.sales):
            load.is_over = True
        for task in (replaying, calling):
            task.cancel()
        result.converged_after_seconds = await fleet.until_equal(
            within_seconds=HEALS_WITHIN_SECONDS
        )
        watching.cancel()


async def _start_and_call(options: argparse.Namespace, fleet: Fleet, chaos: Chaos) -> None:
    """Start one lot after the other, so that long journals are on their way all the time."""
    async with asyncio.TaskGroup() as group:
        for number, gateway in enumerate(fleet.gateways):
            due = number * options.faults // options.lots
            while chaos.counts.total() < due:  # noqa: ASYNC110 (counts signal nothing)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            load = Load(gateway, [], seed=options.seed, pause_seconds=PAUSE_SECONDS)
            office = SalesOffice(fleet.cloud, gateway.lot)
            sales = Load(
                office, [], seed=options.seed, pause_seconds=SALE_PAUSE_SECONDS, plates="C"
            )
            await fleet.start_next(load, sales)
            group.create_task(keep_calling(load))
            group.create_task(keep_calling(sales))


async def _watch(
    options: argparse.Namespace, fleet: Fleet, chaos: Chaos, progress: Progress, began: float
) -> None:
    result: BrokerChaos = options.result
    while True:
        result.faults, result.replayed = dict(chaos.counts), chaos.replayed
        result.seconds_under_faults = time.monotonic() - began
        result.rows = arrived = fleet.arrived_rows()
        part = min(arrived / options.rows, chaos.counts.total() / max(1, options.faults))
        told = (
            f"{arrived} rows in the cloud, {fleet.behind()} behind, {chaos.counts.total()} faults"
        )
        progress.at(100 * min(part, 1.0), told)
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _judge(fleet: Fleet, folder: Path, result: BrokerChaos) -> None:
    if result.converged_after_seconds is None:
        told = f"{fleet.behind()} rows behind {HEALS_WITHIN_SECONDS:.0f} s after all was healed"
        result.violated([told], where="the link")
    result.rows = fleet.arrived_rows()
    await fleet.kill()
    result.violated(await asyncio.to_thread(fleet.wrong), where="lots and cloud")
    for load, gateway in zip(fleet.loads, fleet.gateways, strict=True):
        copy = copied(gateway.ledger, folder)
        lost, wrong = await asyncio.to_thread(broken_promises, copy, load.promises)
        result.acknowledged += len(load.promises)
        result.lost += lost
        result.violated(wrong, where=gateway.lot)
    for sales, gateway in zip(fleet.sales, fleet.running, strict=True):
        # What the cloud has promised, the lot has to hold.
        copy = copied(gateway.ledger, folder)
        lost, wrong = await asyncio.to_thread(broken_promises, copy, sales.promises)
        result.sold_by_cloud += len(sales.promises)
        result.sales_refused = dict(Counter(result.sales_refused) + sales.refusals)
        result.lost += lost
        result.violated(wrong, where=f"{gateway.lot}, sold by the cloud")
