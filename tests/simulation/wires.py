"""What lies between machines: delays, cuts, and pipes that keep order."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.loop import SimulatedLoop
from tests.simulation.processes import Process


@dataclass(slots=True)
class Weather:
    """How the network does today; change it while it runs. Chances are per message."""

    delay_seconds: tuple[float, float] = (0.002, 0.05)
    stall_chance: float = 0.005
    stall_seconds: float = 1.5
    lost_connection_chance: float = 0.0
    duplicate_chance: float = 0.0
    reorder_chance: float = 0.0


class Wires:
    """Lead from every machine to every other, where they are not cut."""

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        """Draw delays and losses from `random`."""
        self.loop = loop
        self.random = random
        self.weather = Weather()
        self._cuts: set[tuple[str, str]] = set()
        self._held: dict[Pipe, None] = {}

    def cut_one_way(self, source: str, target: str) -> None:
        """Let nothing through from `source` to `target`."""
        self._cuts.add((source, target))

    def cut(self, one: str, other: str) -> None:
        """Let nothing through between two machines."""
        self._cuts |= {(one, other), (other, one)}

    def heal(self, one: str, other: str) -> None:
        """Lead from each of two machines to the other again."""
        self._cuts -= {(one, other), (other, one)}
        for pipe in [held for held in self._held if not self.is_cut(held.source, held.target)]:
            del self._held[pipe]
            pipe.resume()

    def heal_all(self) -> None:
        """Lead everywhere again."""
        for source, target in sorted(self._cuts):
            self.heal(source, target)

    def is_cut(self, source: str, target: str) -> bool:
        return (source, target) in self._cuts

    def delay(self) -> float:
        """Return how long the next message is under way, in seconds."""
        draw, weather = self.random.random, self.weather
        low, high = weather.delay_seconds
        seconds = low + (high - low) * draw()
        if draw() < weather.stall_chance:
            seconds += weather.stall_seconds * draw()
        return seconds

    def chance(self, of: float) -> bool:
        """Draw whether something happens that happens with chance `of`."""
        return of > 0 and self.random.random() < of

    def hold(self, pipe: "Pipe") -> None:
        """Call `resume` of `pipe` once its way is no longer cut."""
        self._held[pipe] = None


class Pipe:
    """One direction of a connection: what goes in comes out in order and late, or never."""

    def __init__(self, wires: Wires, source: str, target: str, process: Process) -> None:
        """Lead from the machine `source` to `process` on the machine `target`."""
        self.source = source
        self.target = target
        self.is_severed = False
        self._wires = wires
        self._process = process
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._last = 0.0
        self._owed = 0

    def send(self, deliver: Callable[..., object], *args: Any) -> None:
        """Call `deliver` at the other end, after all that was sent before."""
        self._queue.append((deliver, args))
        self._come()

    def resume(self) -> None:
        """Let through what a cut held back."""
        owed, self._owed = self._owed, 0
        for _ in range(owed):
            self._come()

    def _come(self) -> None:
        wires = self._wires
        # Each arrival takes the first in the queue, so a late one never overtakes.
        self._last = max(self._last, wires.loop.time() + wires.delay())
        wires.loop.call_at(self._last, self._arrive, context=self._process.context)

    def _arrive(self) -> None:
        if self.is_severed:
            self._queue.clear()
        elif self._wires.is_cut(self.source, self.target):
            self._owed += 1
            self._wires.hold(self)
        elif self._queue:
            deliver, args = self._queue.popleft()
            deliver(*args)
