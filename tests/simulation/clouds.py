"""The cloud of the simulated world: its machine runs the real links, allotments and sales."""

import functools
import sqlite3
from pathlib import Path
from typing import Any, Final

from parkgraph.journal.ledger import MIGRATIONS, Moment
from parkgraph.runtime import loops
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import migrate
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.allotments import Allotments
from parkgraph_cloud.fleet import FleetView
from parkgraph_cloud.links import LotLinks
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
            allotments = Allotments(writer, reader, clock=clock, random=machine.random)  # type: ignore[arg-type]
            links = LotLinks(
                writer,
                reader,  # type: ignore[arg-type]
                clock=clock,
                moment=lambda: Moment(clock.now(), machine.random),
            )
            self.front = FleetView(reader, allotments.ledger)  # type: ignore[arg-type]
            client = f"cloud-{machine.starts}"
            connect: Any = functools.partial(self.network.connect, BROKER, client=client)
            await loops.run(
                {
                    "links": links.keep_up(connect),
                    "allotments": allotments.run(),
                    "database": writer.run(),
                }
            )
        finally:
            self.connection = None
            await writer.close()
