"""The real gateway, alone on a state directory: its hardware cannot be reached."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import Program, ProgramError, free_port
from tests.builders import PUBLIC_KEY
from tests.faults.caller import Answer, Caller, Door, HungUpError
from tests.faults.networks import Network

KEY: Final = "pk_live_" + "faults" * 3
UP_WITHIN_SECONDS: Final = 40.0
LEDGER: Final = "ledger.db"

# Ports where nobody listens: the lanes try to reach them now and then.
NO_BARRIERS: Final = ("127.0.0.1:1", "127.0.0.1:2")

# No cameras: vehicles are known by code.
_EDGE: Final = """\
[lot]
id = "{lot}"
name = "Faults"
time_zone = "America/Los_Angeles"
currency = "USD"
rate_per_hour = "3.50"
synthetic = true
live_keys = true
spaces = {spaces}
[api]
listen = "127.0.0.1:{port}"
key_file = "api.key"
requests_per_minute = 1000000
[state]
directory = "{state}"
{more}
[lanes.north-in]
direction = "entry"
barrier = "{entry}"
[lanes.south-out]
direction = "exit"
barrier = "{exit}"
"""


class Process(Program):
    """A program of which one may ask how it ended."""

    @property
    def status(self) -> int | None:
        """The exit status; negative for a signal, None while it runs."""
        return self._process.returncode if self._process else None


def spaces_of(count: int) -> list[str]:
    """Return the ids of the spaces of a lot with so many."""
    return [f"S-{number:05}" for number in range(count)]


def write_key(file: Path) -> None:
    """Write the API key where only its owner reads it."""
    file.touch(mode=0o600)
    file.write_text(KEY)


class Gateway:
    """One gateway as a process: started, cut off, killed, started again."""

    def __init__(
        self,
        folder: Path,
        state: Path,
        *,
        lot: str = "faults",
        spaces: int = 2000,
        broker: str | None = None,
        lent: int = 0,
        barriers: tuple[str, str] = NO_BARRIERS,
        network: Network | None = None,
    ) -> None:
        """Put configuration and log into `folder`; `state` is the directory under test.

        It runs in `network`, or in our own, and lends the cloud so many spaces as are `lent`.
        `barriers` are those of entry and exit.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.lot = lot
        self.spaces = spaces_of(spaces)
        self.state = state
        self.log = folder / "gateway.log"
        self.door = Door(free_port(), KEY, network.descriptor if network else None)
        self._within = network.within if network else ()
        self._config = folder / "edge.toml"
        more = f'[cloud]\nbroker = "{broker}"\npublic_keys = ["{PUBLIC_KEY}"]\n' if broker else ""
        more += f"[allotments]\nstandard = {lent}\n" if lent else ""
        self._config.write_text(
            _EDGE.format(
                lot=lot,
                spaces=json.dumps(self.spaces),
                port=self.door.port,
                state=state,
                more=more,
                entry=barriers[0],
                exit=barriers[1],
            )
        )
        write_key(folder / "api.key")
        self._program: Process | None = None

    @property
    def ledger(self) -> Path:
        """The database under test."""
        return self.state / LEDGER

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._running().pid

    async def start(self, *, within: Sequence[str] = ()) -> None:
        """Start it, under the command `within`, such as strace. It may not answer yet."""
        # Compiled modules are there already; writing them would be counted among its writes.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-m", "parkgraph_edge", "run", "--config", str(self._config)]
        self._program = Process("edge", [*within, *self._within, *command], self.log)
        await self._program.start()

    async def until_it_answers(self, *, statuses: Sequence[int] = (200,)) -> None:
        """Wait until it answers a question about its spaces with one of `statuses`.

        Raises:
            ProgramError: it ended, or did not answer so in time.
        """
        deadline = time.monotonic() + UP_WITHIN_SECONDS
        status = 0
        while time.monotonic() < deadline:
            self._running().check()
            try:
                status = (await self.ask()).status
            except HungUpError:
                await asyncio.sleep(0.01)
                continue
            if status in statuses:
                return
            await asyncio.sleep(0.1)
        raise ProgramError(f"the gateway does not answer well (last {status}): see {self.log}")

    async def ask(self) -> Answer:
        """Ask for its free spaces over a connection of its own. Raises: HungUpError."""
        caller = await self.caller()
        try:
            return await caller.call("GET", f"/api/v1/lots/{self.lot}/availability")
        finally:
            caller.close()

    async def caller(self) -> Caller:
        """Return a new connection to it. Raises: HungUpError."""
        return await Caller.reach(self.door)

    async def until_it_ends(self, *, within_seconds: float) -> int | None:
        """Return its exit status, or None when it still runs after so long."""
        deadline = time.monotonic() + within_seconds
        while self._running().status is None:
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.01)
        return self._running().status

    async def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        if self._program:
            await self._program.stop()

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._program:
            await self._program.kill()

    def _running(self) -> Process:
        if self._program is None:
            raise ProgramError("the gateway was not started")
        return self._program
