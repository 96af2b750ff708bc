"""Serving an ASGI application inside a running loop, without taking over the program's signals."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from parkgraph.runtime.errors import RefusedError


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host` and `port`; port 0 takes a free one.

    Raises:
        RefusedError: the address is in use or not of this machine.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise RefusedError(
            f"cannot listen on {host}:{port}: {error.strerror}; end what uses it or choose another"
        ) from error
    return listener


async def serve(app: Any, listener: socket.socket) -> None:
    """Serve `app` on `listener` until cancelled; then finish open calls for at most two seconds."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        await server.shutdown(sockets=[listener])
        raise
