"""What the barrier controllers and the space sensors share: a Modbus TCP server on loopback."""

import asyncio
from typing import cast

from pymodbus.server import ModbusTcpServer

from parkgraph.runtime.errors import RefusedError


async def listen(server: ModbusTcpServer, *, what: str, port: int) -> int:
    """Let `server` listen, and return its port.

    Raises:
        RefusedError: the port is in use.
    """
    if not await server.listen():
        raise RefusedError(f"port {port} for {what} is in use")
    listener = cast("asyncio.Server", server.transport)
    return int(listener.sockets[0].getsockname()[1])


def hang_up(server: ModbusTcpServer) -> None:
    """Abort all connections, as a controller without power does."""
    for connection in list(server.active_connections.values()):
        if connection.transport is not None:
            cast("asyncio.WriteTransport", connection.transport).abort()


async def close(server: ModbusTcpServer) -> None:
    """Stop listening and close all connections."""
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
