"""How fast the world's time goes beside the machine's, and waiting for world time."""

import asyncio
from collections.abc import Callable
from typing import Final

from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import RefusedError
from parkgraph_firmware_sim.world import World

TURN_SECONDS: Final = 0.02
LONGEST_TURN_SECONDS: Final = 1.0
"""World time in one turn; what the machine oversleeps beyond it is lost, not made up for."""
CHUNK_SECONDS: Final = 0.1


class Pace:
    """Turns the world. At speed 0 it stands still but for `step`."""

    def __init__(self, world: World, clock: Clock, *, speed: float) -> None:
        self.world = world
        self.speed = speed
        self._clock = clock
        self._turned = asyncio.Event()
        self._stepping = asyncio.Lock()

    async def run(self) -> None:
        """Let the world's time go by, for ever."""
        before = self._clock.boot_seconds()
        while True:
            await asyncio.sleep(TURN_SECONDS)
            now = self._clock.boot_seconds()
            if self.speed > 0.0:
                self.world.step(min(LONGEST_TURN_SECONDS, (now - before) * self.speed))
                self.nudge()
            before = now

    async def step(self, seconds: float) -> None:
        """Let exactly `seconds` go by; those who wait for a moment on the way get their turn.

        Raises:
            RefusedError: the world is not paused.
        """
        if self.speed > 0.0:
            raise RefusedError("seconds: the world is running; only a paused one is stepped")
        async with self._stepping:
            left = seconds
            while left > 0.0:
                self.world.step(min(left, CHUNK_SECONDS))
                left -= CHUNK_SECONDS
                self.nudge()
                await asyncio.sleep(0)

    def nudge(self) -> None:
        """Let those who wait look again: something has changed."""
        self._turned.set()
        self._turned = asyncio.Event()

    async def turn(self) -> None:
        """Return after the next turn of the world, or nudge."""
        await self._turned.wait()

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Return as soon as `is_so()`. It is asked after each turn of the world."""
        while not is_so():
            await self.turn()

    async def wait(self, seconds: float) -> None:
        """Return `seconds` of world time from now."""
        until = self.world.seconds + seconds
        await self.wait_for(lambda: self.world.seconds >= until)
