"""A wire to the broker that goes bad in every way we know. What it passes on is never altered."""

import asyncio
import contextlib
from enum import StrEnum
from typing import Self

_CHUNK_BYTES = 16384


class Way(StrEnum):
    """Which way bytes go."""

    OUT = "out"
    BACK = "back"


class _Span:
    """One connection over the wire: its two ends."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.bytes_left: int | None = None
        self.is_half_open = False

    def abort(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


class Wire:
    """Passes bytes between its own port and the broker's, as well or badly as it is told.

    `delay_seconds` holds up each piece; each new connection is cut after `bytes_a_connection`.
    """

    def __init__(self, port: int) -> None:
        """Lead to `port` of the loopback."""
        self._broker_port = port
        self._server: asyncio.Server | None = None
        self._spans: set[_Span] = set()
        self._open: dict[Way, asyncio.Event] = {way: asyncio.Event() for way in Way}
        self.port = 0
        self.delay_seconds = 0.0
        self.bytes_a_connection: int | None = None
        self.heal()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._span, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.heal()
        if self._server:
            self._server.close()
        self.cut()

    def heal(self) -> None:
        """Pass everything on again, and what was held back first."""
        self.delay_seconds = 0.0
        self.bytes_a_connection = None
        for event in self._open.values():
            event.set()
        for span in self._spans:
            if span.is_half_open:
                span.abort()

    def cut(self) -> None:
        """Reset every connection now."""
        for span in list(self._spans):
            span.abort()

    def silence(self, way: Way) -> None:
        """Hold back what goes one way, as a network does that drops it; nobody is told."""
        self._open[way].clear()

    def leave_half_open(self) -> None:
        """Let the broker see every connection end, and the other side go on believing in it."""
        for span in self._spans:
            span.is_half_open = True
            span.far.transport.abort()

    async def _span(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            near.transport.abort()
            return
        span = _Span(near, far)
        span.bytes_left = self.bytes_a_connection
        self._spans.add(span)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(Way.OUT, span, reader, far))
                group.create_task(self._pass(Way.BACK, span, far_reader, near))
        finally:
            span.abort()
            self._spans.discard(span)

    async def _pass(
        self, way: Way, span: _Span, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await asyncio.sleep(self.delay_seconds)
                await self._open[way].wait()
                if span.bytes_left is not None:
                    chunk = chunk[: span.bytes_left]
                    span.bytes_left -= len(chunk)
                if writer.is_closing():
                    break
                if not span.is_half_open:
                    writer.write(chunk)
                    await writer.drain()
                if span.bytes_left == 0:
                    span.abort()
        # The end of one direction is the end of both, unless nobody is to notice.
        if not (span.is_half_open and way is Way.BACK):
            span.abort()
