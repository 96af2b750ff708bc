"""One simulated world from one seed: its time, its machines, its network."""

import contextlib
import gc
import random as global_random
from collections.abc import Coroutine, Iterator
from random import Random
from typing import Any, Self, TypeVar

import apsw

from tests.simulation.loop import SimulatedLoop
from tests.simulation.machines import Machine
from tests.simulation.network import Network
from tests.simulation.processes import Failure
from tests.simulation.trace import Trace

T = TypeVar("T")


class Simulation:
    """A world that goes the same way each time it begins from the same seed.

    Used as a context manager. Only one may run at a time in a real process.
    """

    def __init__(self, seed: int, *, is_trace_kept: bool = False) -> None:
        """Begin a world; keep its whole trace if two runs are to be compared."""
        self.seed = seed
        self.trace = Trace(is_kept=is_trace_kept)
        self.loop = SimulatedLoop(self.stream("order"), trace=self.trace)
        self.network = Network(self.loop, self.stream("network"))
        self.machines: dict[str, Machine] = {}
        self._entered = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._entered.enter_context(_seeded(self.seed))
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines.values():
            self.loop.kill(machine.process)
        self.loop.bury()
        self.loop.close()
        self._entered.close()

    @property
    def failures(self) -> list[Failure]:
        """Errors that nobody handled, in programs that ran on."""
        return self.loop.failures

    def stream(self, name: str) -> Random:
        """Return chance for one purpose; what others draw does not change it."""
        return Random(f"{self.seed}/{name}")

    def machine(self, name: str) -> Machine:
        """Return a new machine, powered on, that runs nothing yet."""
        number = len(self.machines) + 1
        self.machines[name] = machine = Machine(
            name, number, self.loop, self.stream(f"machine {name}")
        )
        return machine

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Let the world live until `story`, which stands outside of all machines, has ended.

        Raises what the story raises, and `NoProgressError` where the world stands still.
        """
        return self.loop.run_until_complete(story)

    def digest(self) -> str:
        """Return the hash over all that happened: order, times, and what was written."""
        return self.trace.hexdigest()


class _Entropy(apsw.VFS):
    """Where SQLite draws its own random numbers from."""

    def __init__(self, random: Random) -> None:
        self._random = random
        super().__init__("simulated-entropy", "", makedefault=True)

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802
        return self._random.randbytes(numbytes)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Take chance away from what draws it where nobody passes it in, and from the collector."""
    state = global_random.getstate()
    global_random.seed(seed)
    entropy = _Entropy(Random(f"{seed}/sqlite"))
    apsw.randomness(0)  # SQLite seeds itself anew
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        entropy.unregister()
        global_random.setstate(state)
