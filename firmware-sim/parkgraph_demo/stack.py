"""Everything that a lot and a cloud need, on free ports of the loopback, inside one folder."""

import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from parkgraph.client import ParkGraph
from parkgraph.runtime.disk import make_folder
from parkgraph.runtime.signatures import SigningKey
from parkgraph_demo.cable import Cable
from parkgraph_demo.programs import Program, ProgramError, free_port

UP_WITHIN_SECONDS: Final = 30.0
LOT: Final = "elm-street"
ENTRY: Final = "north-in"
EXIT: Final = "south-out"
SPACES: Final = tuple(f"S-{number:02}" for number in range(1, 13))

SIMULATOR: Final = """\
[lot]
spaces = {spaces}
night = false
drive_seconds = 1.5
[ports]
side_door = 0
cameras = 0
space_sensors = 0
[lanes.north-in]
direction = "entry"
port = 0
[lanes.south-out]
direction = "exit"
port = 0
"""
_EDGE: Final = """\
[lot]
id = "{lot}"
name = "Elm Street Garage"
time_zone = "America/Los_Angeles"
currency = "USD"
rate_per_hour = "3.50"
synthetic = true
live_keys = true
spaces = {spaces}
[api]
listen = "127.0.0.1:{edge_port}"
key_file = "api.key"
requests_per_minute = 1000000
[cloud]
broker = "mqtt://127.0.0.1:{cable_port}"
public_keys = ["{public_key}"]
[allotments]
standard = 3
[state]
directory = "edge"
[space_sensors]
address = "{space_sensors}"
[lanes.north-in]
direction = "entry"
barrier = "{entry_barrier}"
camera = "{entry_camera}"
[lanes.south-out]
direction = "exit"
barrier = "{exit_barrier}"
camera = "{exit_camera}"
"""
_CLOUD: Final = """\
[api]
listen = "127.0.0.1:{cloud_port}"
key_file = "api.key"
requests_per_minute = 1000000
[mqtt]
broker = "mqtt://127.0.0.1:{broker_port}"
[state]
directory = "cloud"
"""
# rumqttd speaks MQTT 5 and takes packets over 20 KB only when told to.
BROKER: Final = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{broker_port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 1048576
max_inflight_count = 200
dynamic_filters = true
"""


class SideDoor:
    """The simulator's own door: drives cars, sets faults, tells the truth."""

    def __init__(self, url: str) -> None:
        """Speak with the simulator at `url`."""
        self._http = httpx.AsyncClient(base_url=url, timeout=5.0)

    async def tell(self, path: str, **body: Any) -> dict[str, Any]:
        """Make something happen. Raises: httpx.HTTPStatusError, with what was wrong."""
        response = await self._http.post(path, json=body)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    async def truth(self) -> dict[str, Any]:
        """Return where every car, boom and loop really is."""
        response = await self._http.get("/truth")
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    async def close(self) -> None:
        """End the connection."""
        await self._http.aclose()


@dataclass(frozen=True, slots=True)
class Stack:
    """The running programs and how to reach them."""

    folder: Path
    key: str
    programs: Mapping[str, Program]
    cable: Cable
    side_door: SideDoor
    lot: ParkGraph
    cloud: ParkGraph
    lot_url: str
    cloud_url: str
    cameras: Mapping[str, str]

    @property
    def edge_ledger(self) -> Path:
        """The lot's database."""
        return self.folder / "edge" / "ledger.db"

    @property
    def cloud_database(self) -> Path:
        """The cloud's database."""
        return self.folder / "cloud" / "cloud.db"

    async def restart(self, name: str) -> None:
        """Start the program `name` again and wait until it answers."""
        await self.programs[name].start()
        if name == "edge":
            await answers(self.lot_url, self.programs[name])
        elif name == "cloud":
            await answers(self.cloud_url, self.programs[name])


@contextlib.asynccontextmanager
async def running(folder: Path, log: Path, *, seed: int = 1) -> AsyncIterator[Stack]:
    """Start broker, cloud, simulator and edge in `folder`; end them all on the way out.

    Raises:
        ProgramError: one of them did not come up.
    """
    ports = {"broker_port": free_port(), "cloud_port": free_port(), "edge_port": free_port()}
    key = "pk_live_" + "demo" * 8
    write(folder / "api.key", key)
    write(folder / "broker.toml", BROKER.format(**ports))
    write(folder / "cloud.toml", _CLOUD.format(**ports))
    write(folder / "lot-sim.toml", SIMULATOR.format(spaces=json.dumps(SPACES)))
    make_folder(folder / "cloud")
    public_key = SigningKey.kept_in(folder / "cloud").public_key
    programs = programs_of(folder, log, seed)
    lot_url, cloud_url = (f"http://127.0.0.1:{ports[p]}" for p in ("edge_port", "cloud_port"))
    async with (
        Cable(ports["broker_port"]) as cable,
        ParkGraph(lot_url, key) as lot,
        ParkGraph(cloud_url, key) as cloud,
    ):
        try:
            await programs["broker"].start()
            await programs["cloud"].start()
            where = await ready_line(programs["firmware-sim"])
            edge = _edge_toml(where, ports["edge_port"], cable.port, public_key)
            write(folder / "edge.toml", edge)
            await programs["edge"].start()
            await answers(cloud_url, programs["cloud"])
            await answers(lot_url, programs["edge"])
            side_door = SideDoor(where["side_door"])
            yield Stack(
                folder, key, programs, cable, side_door, lot, cloud, lot_url, cloud_url,
                where["cameras"],
            )  # fmt: skip
            await side_door.close()
        finally:
            await stop(programs)


def _edge_toml(where: Mapping[str, Any], edge_port: int, cable_port: int, public_key: str) -> str:
    return _EDGE.format(
        lot=LOT,
        spaces=json.dumps(SPACES),
        edge_port=edge_port,
        cable_port=cable_port,
        public_key=public_key,
        space_sensors=where["space_sensors"],
        entry_barrier=where["barriers"][ENTRY],
        entry_camera=where["cameras"][ENTRY],
        exit_barrier=where["barriers"][EXIT],
        exit_camera=where["cameras"][EXIT],
    )


def programs_of(folder: Path, log: Path, seed: int) -> dict[str, Program]:
    """Return broker, cloud, simulator and edge, whose configurations are in `folder`."""
    python = sys.executable

    def ours(module: str, file: str, *more: str) -> list[str]:
        return [python, "-m", module, "run", "--config", str(folder / file), *more]

    commands = {
        "broker": [
            python, "-m", "iotcore", "--log-level", "CRITICAL",
            "--config", str(folder / "broker.toml"),
        ],
        "cloud": ours("parkgraph_cloud", "cloud.toml"),
        "firmware-sim": ours("parkgraph_firmware_sim", "lot-sim.toml", "--seed", str(seed)),
        "edge": ours("parkgraph_edge", "edge.toml"),
    }  # fmt: skip
    return {name: Program(name, command, log) for name, command in commands.items()}


async def stop(programs: Mapping[str, Program]) -> None:
    """End them, those first that need the others."""
    for name in ("edge", "firmware-sim", "cloud", "broker"):
        await programs[name].stop()


async def answers(url: str, program: Program, *, verify: ssl.SSLContext | bool = True) -> None:
    """Wait until `program` answers at `url` at all.

    Raises:
        ProgramError: `program` ended, or did not answer in time.
    """
    try:
        async with asyncio.timeout(UP_WITHIN_SECONDS), httpx.AsyncClient(verify=verify) as http:
            while True:
                program.check()
                with contextlib.suppress(httpx.TransportError):
                    await http.get(f"{url}/api/v1/status")
                    return
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise ProgramError(f"{program.name} does not answer") from error


async def ready_line(simulator: Program) -> dict[str, Any]:
    """Start `simulator`; return where its parts listen.

    Raises:
        ProgramError: it does not say so.
    """
    output = await simulator.start()
    try:
        async with asyncio.timeout(UP_WITHIN_SECONDS):
            line = await output.readline()
            where: dict[str, Any] = json.loads(line)
            return where
    except (TimeoutError, json.JSONDecodeError) as error:
        simulator.check()
        raise ProgramError("firmware-sim does not say where it listens") from error


def write(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
