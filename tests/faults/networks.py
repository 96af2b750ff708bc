"""Two hosts on one machine: network namespaces joined by a cable that drops packets one way."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import Program, ProgramError
from tests.faults.wire import Way

UP_WITHIN_SECONDS: Final = 5.0
_OURS: Final = Path("/proc/self/ns/net")
LOT_ADDRESS: Final = "10.77.0.1"
HUB_ADDRESS: Final = "10.77.0.2"

# Seen from the hub: what the lot sends comes in, what comes back to it goes out.
_HUB_RULES: Final = """\
add table inet cable
add chain inet cable incoming { type filter hook input priority 0; }
add chain inet cable outgoing { type filter hook output priority 0; }
"""
_DROP: Final = {
    Way.OUT: "add rule inet cable incoming iifname far drop",
    Way.BACK: "add rule inet cable outgoing oifname far drop",
}


class Network:
    """A network namespace, which lives as long as the process that holds it."""

    def __init__(self, name: str, log: Path) -> None:
        """Be ready to make one, called `name` in messages."""
        self._holder = Program(name, ["unshare", "--net", "sleep", "infinity"], log)
        self._descriptor = -1

    async def make(self) -> None:
        """Make it. Raises: ProgramError."""
        await self._holder.start()
        async with asyncio.timeout(UP_WITHIN_SECONDS):
            while self._path.stat().st_ino == _OURS.stat().st_ino:
                self._holder.check()
                await asyncio.sleep(0.01)
        self._descriptor = os.open(self._path, os.O_RDONLY)

    async def remove(self) -> None:
        """Let go of it: it ends with the last process in it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        await self._holder.kill()

    @property
    def descriptor(self) -> int:
        """An open descriptor of it."""
        return self._descriptor

    @property
    def pid(self) -> int:
        """The id of the process that holds it."""
        return self._holder.pid

    @property
    def within(self) -> Sequence[str]:
        """The command under which a program runs in it."""
        return ["nsenter", f"--net={self._path}", "--"]

    def run(self, *command: str, text: str | None = None) -> None:
        """Run a command in it. Raises: ProgramError."""
        done = subprocess.run(
            [*self.within, *command], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ProgramError(f"{' '.join(command)}: {done.stderr.strip()}")

    @property
    def _path(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/ns/net")


class NetworkCable:
    """The cable between a lot's network and the hub's."""

    def __init__(self, lot: Network, hub: Network) -> None:
        """Join `lot` and `hub`, at LOT_ADDRESS and HUB_ADDRESS."""
        self._hub = hub
        ends = ["near", "netns", str(lot.pid), "type", "veth"]
        peer = ["peer", "name", "far", "netns", str(hub.pid)]
        lot.run("ip", "link", "add", *ends, *peer)
        for network, device, address in ((lot, "near", LOT_ADDRESS), (hub, "far", HUB_ADDRESS)):
            network.run("ip", "address", "add", f"{address}/30", "dev", device)
            network.run("ip", "link", "set", device, "up")
            network.run("ip", "link", "set", "lo", "up")
        hub.run("nft", "-f", "-", text=_HUB_RULES)

    def drop(self, ways: Sequence[Way]) -> None:
        """Lose every packet that goes one of `ways`; nobody is told."""
        for way in ways:
            self._hub.run("nft", _DROP[way])

    def heal(self) -> None:
        """Lose nothing any more."""
        for chain in ("incoming", "outgoing"):
            self._hub.run("nft", f"flush chain inet cable {chain}")


@asynccontextmanager
async def two_networks(folder: Path) -> AsyncIterator[tuple[Network, Network, NetworkCable]]:
    """Make the lot's network, the hub's, and the cable between them; take all down at the end."""
    lot, hub = (Network(name, folder / "networks.log") for name in ("lot network", "hub network"))
    try:
        await lot.make()
        await hub.make()
        yield lot, hub, NetworkCable(lot, hub)
    finally:
        await lot.remove()
        await hub.remove()
