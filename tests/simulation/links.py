"""Connections between a client and a broker, and what becomes of them when one is killed."""

from collections.abc import Callable

from parkgraph.runtime.mqtt import Message
from tests.simulation.machines import Machine
from tests.simulation.processes import Process
from tests.simulation.wires import Pipe, Wires


class Link:
    """One connection of a client to a broker, as both ends and the wires between them have it."""

    def __init__(self, wires: Wires, process: Process, server: Machine, client: str) -> None:
        """Lay the wires from `process` to the program that runs on `server` now."""
        self.wires = wires
        self.process = process
        self.server = server.process
        self.client = client
        self.will: Message | None = None
        self.will_delay_seconds = 0
        self.up = Pipe(wires, process.name, server.name, self.server)
        self.down = Pipe(wires, server.name, process.name, process)
        # The broker's side: what was subscribed, and when something was heard.
        self.filters: dict[str, None] = {}
        self.heard_at = 0.0
        # The client's side, called in its process.
        self.arrive: Callable[[Message], None] = lambda _: None
        self.on_lost: Callable[[str], None] = lambda _: None

    def reset_client(self, reason: str) -> None:
        """Tell the client that the connection was closed at the other end."""
        self.down.send(self.on_lost, reason)

    def sever(self) -> None:
        """Lose the connection without a word to either side; keep-alive will notice."""
        self.up.is_severed = self.down.is_severed = True


class End:
    """One end of a link, which the kernel resets when its process is killed."""

    def __init__(self, process: Process, reset: Callable[[], None]) -> None:
        """Call `reset` when `process` is killed and its machine has power."""
        self._process = process
        self._reset = reset
        process.connections[self] = None

    def reset(self) -> None:
        """Tell the other side, unless the machine went dark."""
        self.close()
        if self._process.owner is None or self._process.owner.is_powered:
            self._reset()

    def close(self) -> None:
        """Have nothing to tell any more."""
        self._process.connections.pop(self, None)
