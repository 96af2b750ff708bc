"""HTTP servers inside a running loop, which leave the program's signals alone."""

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from parkgraph.runtime.connections import LIMITS, Answer, Limits, within
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.tls import secured

# As many may wait to be accepted: a burst of callers, and no more files than may be open.
WAITING_CALLERS: Final = 256


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host` and `port`; port 0 takes a free one.

    Raises:
        RefusedError: the address is in use or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Where TCP is not named, asyncio does not turn Nagle's wait off: 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(WAITING_CALLERS)
    except OSError as error:
        listener.close()
        raise RefusedError(
            f"cannot listen on {host}:{port}: {error.strerror}; end what uses it or choose another"
        ) from error
    return listener


def url(listener: socket.socket) -> str:
    """Return the address of a server on `listener`."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


async def serve(
    app: Any,
    listener: socket.socket,
    *,
    tls: Callable[[], ssl.SSLContext] | None = None,
    malformed: Callable[[], Answer] | None = None,
    finish_within_seconds: int = 2,
    limits: Limits = LIMITS,
) -> None:
    """Serve the ASGI application `app` on `listener` until cancelled.

    With `tls`, which is asked for each connection, over TLS and nothing else. What is no HTTP is
    answered with 400 and what `malformed` returns.

    Callers that do not keep to `limits` are cut off. Open calls have so long to finish in the end;
    streams that still run are cut.
    """
    protocol: Any = within(limits, malformed)
    if tls:
        protocol = secured(protocol, tls)
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        backlog=WAITING_CALLERS,
        timeout_keep_alive=math.ceil(limits.idle_seconds),
        timeout_graceful_shutdown=finish_within_seconds,
    )
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        if server.started:
            await server.shutdown(sockets=[listener])
        raise


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
