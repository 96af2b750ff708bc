"""Real gateways with a past, a real cloud, and a broker between them."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parkgraph.runtime.signatures import KEY_FILE
from parkgraph_demo.programs import ProgramError, free_port
from tests.builders import SIGNING_SECRET
from tests.faults.caller import Caller, Door, HungUpError
from tests.faults.copies import Heads, cloud_chain_faults, differences, heads
from tests.faults.gateway import KEY, Gateway, Process, write_key
from tests.faults.load import Load
from tests.faults.networks import Network

UP_WITHIN_SECONDS: Final = 30.0

_CLOUD: Final = """\
[api]
listen = "127.0.0.1:{port}"
key_file = "api.key"
requests_per_minute = 1000000
[mqtt]
broker = "{broker}"
[state]
directory = "cloud"
"""


class Cloud:
    """The cloud core as a process."""

    def __init__(self, folder: Path, broker: str, *, network: Network | None = None) -> None:
        """Put configuration, log and database into `folder`; reach lots through `broker`."""
        folder.mkdir()
        self.door = Door(free_port(), KEY, network.descriptor if network else None)
        self.database = folder / "cloud" / "cloud.db"
        self.log = folder / "cloud.log"
        config = folder / "cloud.toml"
        config.write_text(_CLOUD.format(port=self.door.port, broker=broker))
        write_key(folder / "api.key")
        self.database.parent.mkdir()
        (self.database.parent / KEY_FILE).write_bytes(SIGNING_SECRET)
        within = network.within if network else ()
        python = [sys.executable, "-m", "parkgraph_cloud"]
        self._command = [*within, *python, "run", "--config", str(config)]
        self._program: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises: ProgramError."""
        self._program = Process("cloud", self._command, self.log)
        await self._program.start()
        deadline = time.monotonic() + UP_WITHIN_SECONDS
        while time.monotonic() < deadline:
            self._program.check()
            # It listens before its database is open; then it answers.
            with contextlib.suppress(HungUpError):
                caller = await Caller.reach(self.door)
                try:
                    await caller.call("GET", "/api/v1/sessions/nobody")
                finally:
                    caller.close()
                return
            await asyncio.sleep(0.05)
        raise ProgramError(f"the cloud does not answer: see {self.log}")

    async def stop(self) -> None:
        """Ask it to end."""
        if self._program:
            await self._program.stop()

    async def kill(self) -> None:
        """Kill -9."""
        if self._program:
            await self._program.kill()


class SalesOffice:
    """The cloud, as one who books for one lot."""

    def __init__(self, cloud: Cloud, lot: str) -> None:
        """Sell for `lot` what it has lent."""
        self.lot = lot
        self._cloud = cloud

    async def caller(self) -> Caller:
        """See `Called`."""
        return await Caller.reach(self._cloud.door)


class Fleet:
    """All lots of one cloud."""

    def __init__(self, gateways: Sequence[Gateway], cloud: Cloud) -> None:
        """Look after `gateways` and `cloud`."""
        self.gateways = gateways
        self.cloud = cloud
        self.running: list[Gateway] = []
        self.loads: list[Load] = []
        self.sales: list[Load] = []

    async def start_next(self, load: Load, sales: Load | None = None) -> None:
        """Start the next lot, which is then called by `load`; `sales` sells for it in the cloud."""
        gateway = self.gateways[len(self.running)]
        await gateway.start()
        await gateway.until_it_answers()
        self.running.append(gateway)
        self.loads.append(load)
        self.sales += [sales] if sales else []

    async def until_one_runs(self) -> None:
        """Wait for the first lot."""
        while not self.running:  # noqa: ASYNC110 (a list signals nothing)
            await asyncio.sleep(0.1)

    def sent(self) -> Heads:
        """Return how far each lot's own journal has come."""
        return {g.lot: heads(g.ledger)[g.lot] for g in self.gateways}

    def arrived_rows(self) -> int:
        """Return how many rows of lots the cloud has."""
        if not self.cloud.database.exists():
            return 0
        lots = {gateway.lot for gateway in self.gateways}
        return sum(head[1] for lot, head in heads(self.cloud.database).items() if lot in lots)

    def behind(self) -> int:
        """Return how many rows of lots the cloud lacks yet."""
        return sum(head[1] for head in self.sent().values()) - self.arrived_rows()

    def is_equal(self) -> bool:
        """Say whether lots and cloud are equally far in every stream of either."""
        cloud = heads(self.cloud.database)
        return all(cloud.get(s) == h for g in self.gateways for s, h in heads(g.ledger).items())

    async def until_equal(self, *, within_seconds: float) -> float | None:
        """Return after how many seconds all are equal, or None when they are not in time."""
        began = time.monotonic()
        while (spent := time.monotonic() - began) < within_seconds:
            if self.is_equal():
                return spent
            await asyncio.sleep(0.2)
        return None

    def wrong(self) -> list[str]:
        """Return a sentence for each difference between lots and cloud."""
        found = cloud_chain_faults(self.cloud.database)
        for gateway in self.gateways:
            told = differences(gateway.lot, gateway.ledger, self.cloud.database)
            found += [f"{gateway.lot}: {sentence}" for sentence in told]
        return found

    async def kill(self) -> None:
        """End all."""
        for gateway in self.gateways:
            await gateway.kill()
        await self.cloud.kill()


async def keep_calling(load: Load) -> None:
    """Call over two connections, again after each time the gateway was gone, until it is over."""
    while not load.is_over:
        await load.run(2)
        await asyncio.sleep(0.2)
