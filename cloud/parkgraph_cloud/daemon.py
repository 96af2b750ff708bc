"""The composition root of the cloud core."""

import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator

import structlog

from parkgraph.front.app import FrontDoor
from parkgraph.front.entrance import Entrance
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.runtime import loops, mqtt, service
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.disk import make_folder
from parkgraph.runtime.signatures import SigningKey
from parkgraph.runtime.sqlite import Reader, connect, lock, migrate, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.console.pages import Console
from parkgraph_cloud.core import Core
from parkgraph_cloud.recovery import DATABASE_FILE
from parkgraph_cloud.settings import CloudSettings

log = structlog.get_logger(__name__)


async def run(settings: CloudSettings) -> None:
    """Run the cloud core until a signal comes.

    Raises:
        RefusedError: the address is in use, or another process works on the same folder.
        UnavailableError: the folder cannot be written.
        CorruptError: the database is damaged.
    """
    clock = SystemClock()
    entrance = Entrance(settings.api, clock=clock, random=os.urandom)
    async with _database(settings) as (writer, reader):
        key = entrance.configured_key()
        core = Core(writer, reader, configured=key, clock=clock, random=os.urandom)
        await core.ready()
        door = FrontDoor(core.keys, clock=clock, random=os.urandom)
        console = Console(reader, is_connected=lambda: core.links.is_connected, clock=clock)
        app = door.app(core.fleet, (*SHARED, *OF_THE_CLOUD), beside=console.routes())
        log.info("cloud_started", listen=str(settings.api.listen))
        service.ready()
        await loops.run(
            {
                **entrance.loops(app),
                **core.loops(
                    functools.partial(
                        mqtt.connect,
                        str(settings.mqtt.broker),
                        client=f"cloud-{socket.gethostname()}-{os.getpid()}",
                        sign=SigningKey.kept_in(settings.state.directory).sign,
                    )
                ),
            }
        )
        service.notify("STOPPING=1")
    log.info("cloud_stopped")


@contextlib.asynccontextmanager
async def _database(settings: CloudSettings) -> AsyncIterator[tuple[Writer, Reader]]:
    directory = settings.state.directory
    make_folder(directory)
    lock(directory / "lock")
    path = directory / DATABASE_FILE
    connection = connect(path)
    migrate(connection, [MIGRATIONS, "parkgraph_cloud.migrations"])
    writer = Writer(connection, path)
    try:
        async with open_reader(path) as reader:
            yield writer, reader
    finally:
        await writer.close()
