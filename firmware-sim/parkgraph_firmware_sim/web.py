"""HTTP servers on loopback: the side door's and the cameras'."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from parkgraph.runtime.errors import RefusedError


def listen(*, what: str, port: int) -> socket.socket:
    """Return a socket that listens on `port` of 127.0.0.1, or on a free one for 0.

    Raises:
        RefusedError: the port is in use, or not ours to take.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        is_in_use = error.errno == errno.EADDRINUSE
        reason = "is in use" if is_in_use else (error.strerror or str(error))
        raise RefusedError(f"port {port} for {what} {reason}") from error
    return listener


def url(listener: socket.socket) -> str:
    """The address of a server on `listener`."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve `app` until cancelled; streams that still run are cut then."""
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=0,
        )
    )
    try:
        await server.serve(sockets=[listener])
    finally:
        if server.started:
            await server.shutdown(sockets=[listener])


class _Server(uvicorn.Server):
    """Leaves the signals to the program's own loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
