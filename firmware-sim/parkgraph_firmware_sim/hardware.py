"""The lot's hardware, put together: who listens where, and what must run."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette

from parkgraph.runtime import web
from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph_firmware_sim import camera
from parkgraph_firmware_sim.controller import Controller
from parkgraph_firmware_sim.pace import Pace
from parkgraph_firmware_sim.render import Renderer
from parkgraph_firmware_sim.settings import Settings
from parkgraph_firmware_sim.side_door import SideDoor
from parkgraph_firmware_sim.space_sensors import SpaceSensors
from parkgraph_firmware_sim.world import World

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens. URLs, or host:port."""

    side_door: str
    cameras: dict[str, str]
    barriers: dict[str, str]
    space_sensors: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """A lot that listens. Its loops make it live."""

    addresses: Addresses
    pace: Pace
    loops: dict[str, Coroutine[Any, Any, None]]

    @property
    def world(self) -> World:
        """The lot itself."""
        return self.pace.world


@contextlib.asynccontextmanager
async def listening(
    settings: Settings, *, seed: int = 0, speed: float = 1.0, clock: Clock | None = None
) -> AsyncIterator[Hardware]:
    """Build the lot and let all its parts listen; close them at the end.

    Raises:
        RefusedError: a port is in use.
    """
    world = World(settings, seed=seed)
    pace = Pace(world, clock or SystemClock(), speed=speed)
    async with contextlib.AsyncExitStack() as stack:
        controllers: dict[str, Controller] = {}
        barriers: dict[str, str] = {}
        for name, lane in settings.lanes.items():
            controller = Controller(world.lanes[name], pace, port=lane.port)
            barriers[name] = f"127.0.0.1:{await controller.listen()}"
            stack.push_async_callback(controller.close)
            controllers[name] = controller
        sensors = SpaceSensors(world, port=settings.ports.space_sensors)
        sensors_port = await sensors.listen()
        stack.push_async_callback(sensors.close)
        side_door = stack.enter_context(web.listen(LOOPBACK, settings.ports.side_door))
        cameras = stack.enter_context(web.listen(LOOPBACK, settings.ports.cameras))
        yield Hardware(
            addresses=Addresses(
                side_door=web.url(side_door),
                cameras={name: f"{web.url(cameras)}/{name}/stream.mjpg" for name in world.lanes},
                barriers=barriers,
                space_sensors=f"127.0.0.1:{sensors_port}",
            ),
            pace=pace,
            loops={
                "pace": pace.run(),
                "side door": _serve(SideDoor(pace).app(), side_door),
                "cameras": _serve(_cameras(pace, seed), cameras),
            }
            | {name: controller.run() for name, controller in controllers.items()},
        )


@contextlib.asynccontextmanager
async def running(
    settings: Settings, *, seed: int = 0, speed: float = 1.0
) -> AsyncIterator[Hardware]:
    """Run a lot inside another program, such as a test, for as long as the context lasts."""
    async with (
        listening(settings, seed=seed, speed=speed) as hardware,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(loop, name=name) for name, loop in hardware.loops.items()]
        try:
            yield hardware
        finally:
            for task in tasks:
                task.cancel()


async def _serve(app: Starlette, listener: socket.socket) -> None:
    await web.serve(app, listener, finish_within_seconds=0)


def _cameras(pace: Pace, seed: int) -> Starlette:
    return camera.app(
        {
            name: camera.Camera(lane, pace, Renderer(seed=seed).jpeg)
            for name, lane in pace.world.lanes.items()
        }
    )
