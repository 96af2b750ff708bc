"""What reads are measured beside: Starlette that says the same whatever it is asked.

`python -m tests.bench.bare PORT FILE`
"""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def application(body: bytes) -> Starlette:
    """Return the application that answers with `body`."""

    async def answer(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/api/v1/sessions/{session}", answer)])


def main() -> None:
    """Serve until a signal comes."""
    port, file = sys.argv[1:]
    uvicorn.run(
        application(Path(file).read_bytes()),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
