"""Real brokers as processes that can be killed, and whose store can be wiped."""

import asyncio
import shutil
import socket
import sys
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import Program, ProgramError, free_port
from tests.faults.isolation import socket_in
from tests.faults.networks import Network

KINDS: Final = ("mosquitto", "iotcore")
UP_WITHIN_SECONDS: Final = 15.0

# Its own defaults but for where it keeps what it was told to retain.
_MOSQUITTO: Final = """\
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {store}/
user root
log_type error
"""
# rumqttd speaks MQTT 5 and takes packets over 20 KB only when told to.
_IOTCORE: Final = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 1048576
max_inflight_count = 200
dynamic_filters = true
"""


def installed() -> str:
    """Return the kind of broker to use: mosquitto where it is installed, else the packaged one."""
    return "mosquitto" if shutil.which("mosquitto") else "iotcore"


class Broker:
    """One broker: started, killed, wiped."""

    def __init__(
        self,
        folder: Path,
        kind: str,
        *,
        host: str = "127.0.0.1",
        network: Network | None = None,
    ) -> None:
        """Keep configuration and store of a `kind` in `folder`; let it listen in `network`."""
        self.kind = kind
        self.host = host
        self.port = free_port()
        self._store = folder / "broker-store"
        self._store.mkdir()
        config = folder / f"{kind}.toml"  # iotcore looks at how the name ends
        text = _MOSQUITTO if kind == "mosquitto" else _IOTCORE
        config.write_text(text.format(host=host, port=self.port, store=self._store))
        command = ["mosquitto", "-c", str(config)]
        if kind == "iotcore":
            python = [sys.executable, "-m", "iotcore", "--log-level", "CRITICAL"]
            command = [*python, "--config", str(config)]
        self._network = network
        command = [*(network.within if network else ()), *command]
        self._program = Program(kind, command, folder / f"{kind}.log")

    @property
    def url(self) -> str:
        """Its address for programs of ours."""
        return f"mqtt://{self.host}:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it listens. Raises: ProgramError."""
        await self._program.start()
        try:
            async with asyncio.timeout(UP_WITHIN_SECONDS):
                while not await self._listens():
                    self._program.check()
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise ProgramError(f"{self.kind} does not listen") from error

    async def kill(self) -> None:
        """Kill -9."""
        await self._program.kill()

    def wipe(self) -> None:
        """Forget everything that a killed broker had kept."""
        for file in self._store.iterdir():
            file.unlink()

    async def _listens(self) -> bool:
        probe = socket_in(self._network.descriptor) if self._network else socket.socket()
        probe.setblocking(False)
        with probe:
            try:
                await asyncio.get_running_loop().sock_connect(probe, (self.host, self.port))
            except OSError:
                return False
            return True
