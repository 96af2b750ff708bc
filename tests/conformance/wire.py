"""The wire between callers and applications of one process: no socket, and streams as they come."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class Exchange(httpx.AsyncByteStream):
    """One request and its answer, chunk by chunk."""

    def __init__(self, request: httpx.Request, host: str) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_started = asyncio.Event()
        self._request = request
        self._host = host
        self._sent = aiter(_stream_of(request))
        self._is_sent = False
        self._is_gone = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def run(self, app: ASGIApp) -> None:
        """Let `app` answer."""
        try:
            await app(self._scope(), self._receive, self._send)
        finally:
            self.has_started.set()
            self._chunks.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def aclose(self) -> None:
        """Go away, as a caller does who has heard enough."""
        self._is_gone.set()

    def _scope(self) -> dict[str, Any]:
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "server": (url.host, url.port or 80),
            "client": (self._host, 50_000),
        }

    async def _receive(self) -> Message:
        if self._is_sent:
            await self._is_gone.wait()
            return {"type": "http.disconnect"}
        chunk = await anext(self._sent, None)
        self._is_sent = chunk is None
        return {"type": "http.request", "body": chunk or b"", "more_body": not self._is_sent}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
            self.has_started.set()
        elif message["type"] == "http.response.body" and message.get("body"):
            self._chunks.put_nowait(message["body"])


class Wire(httpx.AsyncBaseTransport):
    """Brings requests to the application that has the name of their host.

    Nobody answers at the hosts in `away`. `host` is the caller's address.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        apps: Mapping[str, ASGIApp],
        away: set[str],
        host: str = "127.0.0.1",
    ) -> None:
        self._group = group
        self._apps = apps
        self._away = away
        self._host = host

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in self._away:
            raise httpx.ConnectError("nobody is there", request=request)
        exchange = Exchange(request, self._host)
        self._group.create_task(exchange.run(self._apps[request.url.host]))
        await exchange.has_started.wait()
        return httpx.Response(exchange.status, headers=exchange.headers, stream=exchange)


def _stream_of(request: httpx.Request) -> httpx.AsyncByteStream:
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return request.stream
