"""The operators' page, and the stream that keeps it as the lots are."""

import asyncio
import functools
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from parkgraph.runtime.clock import Clock
from parkgraph.runtime.sqlite import Reader
from parkgraph_cloud.console.board import Board
from parkgraph_cloud.console.board_reader import BoardReader
from parkgraph_cloud.console.edition import Edition
from parkgraph_cloud.console.markup import ORDER, milliseconds, page, parts

LOOK_EVERY_SECONDS: Final = 0.5
BEAT_EVERY_SECONDS: Final = 2.0
MOST_LIVE_READERS: Final = 50
RETRY_AFTER_SECONDS: Final = 10

_ASSETS: Final = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "console.svg": "image/svg+xml",
}
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_Endpoint = Callable[[Request], Awaitable[Response]]


class Console:
    """Serves the board. However many readers look, the database is read once each half second."""

    def __init__(self, reader: Reader, *, is_connected: Callable[[], bool], clock: Clock) -> None:
        """Read through `reader`; `is_connected` says whether the cloud has its broker."""
        self._board_reader = BoardReader(reader)
        self._is_connected = is_connected
        self._clock = clock
        self._edition = Edition(str(milliseconds(clock.now())))
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._board = Board(clock.now(), is_connected(), ())
        self._live_readers = 0

    def routes(self) -> list[BaseRoute]:
        """Return the page, its stream and its assets."""
        pages: dict[str, _Endpoint] = {"/": self._page, "/live": self._live}
        pages |= {f"/{name}": _asset(name, media_type) for name, media_type in _ASSETS.items()}
        return [Route(path, _guarded(endpoint)) for path, endpoint in pages.items()]

    async def _page(self, _: Request) -> Response:
        await self._look()
        return HTMLResponse(page(self._board, self._edition.revision))

    async def _live(self, request: Request) -> Response:
        if self._live_readers >= MOST_LIVE_READERS:
            return PlainTextResponse(
                f"{MOST_LIVE_READERS} pages are live already; close one, or wait",
                503,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        seen = request.headers.get("last-event-id") or request.query_params.get("after", "")
        self._live_readers += 1
        return _Stream(self._news(seen), on_end=self._leave)

    def _leave(self) -> None:
        self._live_readers -= 1

    async def _news(self, seen: str) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        told_at = -BEAT_EVERY_SECONDS
        while True:
            await self._look()
            changed = self._edition.changed_since(seen)
            if changed is None:
                yield "event: reload\ndata:\n\n"
                return
            if changed or loop.time() - told_at >= BEAT_EVERY_SECONDS:
                seen, told_at = self._edition.revision, loop.time()
                yield self._message(changed)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _message(self, changed: dict[str, str]) -> str:
        order = json.loads(changed.pop(ORDER, "null"))
        now = milliseconds(self._clock.now())
        data = json.dumps({"now": now, "order": order, "parts": changed})
        return f"id: {self._edition.revision}\nevent: parts\ndata: {data}\n\n"

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._looking:
            if self._looked_at is not None and loop.time() - self._looked_at < LOOK_EVERY_SECONDS:
                return
            self._board = await self._board_reader.read(
                now=self._clock.now(), is_connected=self._is_connected()
            )
            self._edition.renew(parts(self._board))
            self._looked_at = loop.time()


class _Stream(StreamingResponse):
    """Server-sent events; ends with its client. Calls `on_end` once, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[str], *, on_end: Callable[[], None]) -> None:
        super().__init__(content)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def _asset(name: str, media_type: str) -> _Endpoint:
    content = (files(__package__) / name).read_bytes()

    async def asset(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return asset


def _guarded(endpoint: _Endpoint) -> _Endpoint:
    @functools.wraps(endpoint)
    async def guarded(request: Request) -> Response:
        if not _is_address(request.url.hostname):
            return PlainTextResponse("use the address of this machine, not a name\n", 421)
        response = await endpoint(request)
        response.headers.update(_HEADERS)
        return response

    return guarded


def _is_address(host: str | None) -> bool:
    # A foreign page can let its own name lead to this machine and read what has no login.
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True
