"""The composition root of the cloud core."""

import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator

import structlog

from parkgraph.front.app import ApiKey, FrontDoor
from parkgraph.front.operations import IN_THE_CLOUD
from parkgraph.journal.ledger import MIGRATIONS, Moment
from parkgraph.runtime import loops, mqtt, service
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.disk import make_folder
from parkgraph.runtime.signatures import SigningKey
from parkgraph.runtime.sqlite import Reader, connect, lock, migrate, open_reader
from parkgraph.runtime.web import listen, serve
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.allotments import Allotments
from parkgraph_cloud.console.pages import Console
from parkgraph_cloud.fleet import FleetView
from parkgraph_cloud.links import LotLinks
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
    listener = listen(settings.api.listen.host, settings.api.listen.port)
    async with _database(settings) as (writer, reader):
        allotments = Allotments(writer, reader, clock=clock, random=os.urandom)
        links = LotLinks(
            writer, reader, clock=clock, moment=lambda: Moment(clock.now(), os.urandom)
        )
        door = FrontDoor(
            key=ApiKey(
                settings.api.read_key().get_secret_value(),
                fleet=settings.api.fleet_id,
                requests_per_minute=settings.api.requests_per_minute,
            ),
            clock=clock,
            random=os.urandom,
        )
        console = Console(reader, is_connected=lambda: links.is_connected, clock=clock)
        app = door.app(FleetView(reader, allotments.ledger), IN_THE_CLOUD, beside=console.routes())
        log.info("cloud_started", listen=str(settings.api.listen))
        service.notify("READY=1")
        await loops.run(
            {
                "front door": serve(app, listener),
                "links": links.keep_up(
                    functools.partial(
                        mqtt.connect,
                        str(settings.mqtt.broker),
                        client=f"cloud-{socket.gethostname()}-{os.getpid()}",
                        sign=SigningKey.kept_in(settings.state.directory).sign,
                    )
                ),
                "allotments": allotments.run(),
                "database": writer.run(),
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
