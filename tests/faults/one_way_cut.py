"""A network that loses every packet one way, between a real lot and a real broker.

Lot and hub are network namespaces joined by a veth pair; nft drops what the lot sends, what comes
back, or both, for seconds to half a minute, while the lot books. Nothing breaks the connections:
that is what makes it hard. After each cut what the lot had then must arrive; in the end both sides
hold the same.
"""

import argparse
import asyncio
import random
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from pydantic import Field

from tests.faults import brokers
from tests.faults.brokers import Broker
from tests.faults.campaign import Progress, Result, needs
from tests.faults.evidence import broken_promises, copied
from tests.faults.fleet import Cloud, Fleet, keep_calling
from tests.faults.gateway import Gateway
from tests.faults.load import Load
from tests.faults.networks import HUB_ADDRESS, NetworkCable, two_networks
from tests.faults.seeding import fill_journal, open_once
from tests.faults.wire import Way

SPACES: Final = 10_000
PAUSE_SECONDS: Final = 0.05
# Keep-alives come every 10 s: some cuts go unnoticed, most do not.
CUT_SECONDS: Final = (2.0, 30.0)
BETWEEN_SECONDS: Final = (0.2, 1.5)
ARRIVES_WITHIN_SECONDS: Final = 120.0
WAYS: Final = ((Way.OUT,), (Way.BACK,), (Way.OUT, Way.BACK))


class OneWayCut(Result):
    """What the cuts came to."""

    harness: str = "one-way-cut"
    broker: str = ""
    cuts: dict[str, int] = Field(default_factory=dict)
    rows: int = 0
    acknowledged: int = 0
    lost: int = 0
    slowest_arrival_seconds: float = 0.0
    converged_after_seconds: float | None = None

    def figures(self) -> str:
        """See `Result`."""
        cuts = ", ".join(f"{count} {ways}" for ways, count in self.cuts.items())
        healed = self.converged_after_seconds
        return (
            f"{sum(self.cuts.values())} cuts ({cuts}) over {self.broker}, {self.rows} rows;"
            f" arrived at most {self.slowest_arrival_seconds:.1f} s after healing;"
            f" {'not equal in time' if healed is None else f'equal after {healed:.1f} s'};"
            f" {self.acknowledged} bookings acknowledged, {self.lost} lost"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--cuts", type=int, default=15, help="default %(default)s")
    parser.add_argument("--longest", type=float, default=CUT_SECONDS[1], help="of a cut, seconds")
    parser.add_argument("--rows", type=int, default=20_000, help="to begin with (default 20000)")
    parser.add_argument("--broker", choices=brokers.KINDS, help="default: mosquitto if installed")


async def run(options: argparse.Namespace, folder: Path) -> OneWayCut:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    needs("ip", "nft", "nsenter", "unshare", root=True)
    result: OneWayCut = options.result
    result.broker = options.broker or brokers.installed()
    async with AsyncExitStack() as stack:
        lot, hub, cable = await stack.enter_async_context(two_networks(folder))
        broker = Broker(folder, result.broker, host=HUB_ADDRESS, network=hub)
        stack.push_async_callback(broker.kill)
        state = folder / "lot" / "state"
        gateway = Gateway(folder / "lot", state, spaces=SPACES, broker=broker.url, network=lot)
        await open_once(gateway)
        await fill_journal(gateway, options.rows)
        fleet = Fleet([gateway], Cloud(folder / "cloud", broker.url, network=hub))
        stack.push_async_callback(fleet.kill)
        await broker.start()
        await fleet.cloud.start()
        load = Load(gateway, [], seed=options.seed, pause_seconds=PAUSE_SECONDS)
        await fleet.start_next(load)
        await _live_through(options, fleet, cable)
        result.converged_after_seconds = await fleet.until_equal(
            within_seconds=ARRIVES_WITHIN_SECONDS
        )
        if result.converged_after_seconds is None:
            result.violated([f"{fleet.behind()} rows behind after healing"], where="the link")
        result.rows = fleet.arrived_rows()
        await fleet.kill()
        result.violated(fleet.wrong(), where="lot and cloud")
        result.lost, wrong = broken_promises(copied(gateway.ledger, folder), load.promises)
        result.acknowledged = len(load.promises)
        result.violated(wrong, where="the ledger")
    result.is_complete = True
    return result


async def _live_through(options: argparse.Namespace, fleet: Fleet, cable: NetworkCable) -> None:
    result: OneWayCut = options.result
    chance = random.Random(options.seed)
    progress = Progress("one-way-cut", options.cuts)
    (load,) = fleet.loads
    async with asyncio.TaskGroup() as group:
        calling = group.create_task(keep_calling(load))
        for number in range(options.cuts):
            # Each way comes as often as the others.
            ways = WAYS[number % len(WAYS)]
            seconds = chance.uniform(min(CUT_SECONDS[0], options.longest), options.longest)
            told = f"{' and '.join(ways)} for {seconds:.0f} s, {fleet.arrived_rows()} rows arrived"
            progress.at(number, told)
            cable.drop(ways)
            await asyncio.sleep(seconds)
            cable.heal()
            await _arrives(fleet, result, f"cut {number + 1}, {' and '.join(ways)}")
            name = " and ".join(ways)
            result.cuts[name] = result.cuts.get(name, 0) + 1
            result.rows, result.acknowledged = fleet.arrived_rows(), len(load.promises)
            await asyncio.sleep(chance.uniform(*BETWEEN_SECONDS))
        load.is_over = True
        await asyncio.sleep(0)
        calling.cancel()


async def _arrives(fleet: Fleet, result: OneWayCut, where: str) -> None:
    """Wait until the cloud has what the lot has now."""
    began, rows = time.monotonic(), sum(head[1] for head in fleet.sent().values())
    while fleet.arrived_rows() < rows:
        if time.monotonic() - began > ARRIVES_WITHIN_SECONDS:
            behind = rows - fleet.arrived_rows()
            result.violated([f"{behind} rows did not arrive after healing"], where=where)
            return
        await asyncio.sleep(0.1)
    result.slowest_arrival_seconds = max(result.slowest_arrival_seconds, time.monotonic() - began)
