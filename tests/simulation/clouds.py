"""The cloud of the simulated world: its machine runs the real core."""

import functools
import sqlite3
from pathlib import Path
from typing import Any, Final

from parkgraph.front.keys import FixedKeys
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.runtime import loops
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import migrate
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.core import Core
from parkgraph_cloud.fleet import FleetView
from tests.simulation.engine import Simulation
from tests.simulation.lots import BROKER
from tests.simulation.machines import Machine

DATABASE: Final = "cloud.db"


class CloudSite:
    """The cloud core, as its daemon composes it."""

    def __init__(self, simulation: Simulation) -> None:
        self.name = "cloud"
        self.machine = simulation.machine(self.name)
        self.network = simulation.network
        self.front: FleetView | None = None
        self.connection: sqlite3.Connection | None = None

    def front_door(self) -> FleetView:
        """Return the front door's port, in the cloud's process.

        Raises:
            UnavailableError: the cloud is just starting.
        """
        if self.front is None:
            raise UnavailableError("cloud: not listening yet")
        return self.front

    async def main(self, machine: Machine) -> None:
        """Be the cloud's program."""
        self.front, self.connection = None, None
        connection = machine.open_database(DATABASE)
        migrate(connection, [MIGRATIONS, "parkgraph_cloud.migrations"])
        self.connection = connection
        writer = Writer(connection, Path(DATABASE))
        reader = machine.reader(connection)
        clock = machine.clock
        try:
            core = Core(
                writer,
                reader,  # type: ignore[arg-type]
                configured=FixedKeys({}),
                clock=clock,
                random=machine.random,
            )
            await core.ready()
            self.front = core.fleet
            client = f"cloud-{machine.starts}"
            connect: Any = functools.partial(self.network.connect, BROKER, client=client)
            await loops.run(core.loops(connect))
        finally:
            self.connection = None
            await writer.close()
