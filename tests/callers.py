"""Callers of a real server, byte by byte: slow, silent, or with what no client would send."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final

from parkgraph.runtime.connections import Limits

PATIENCE_SECONDS: Final = 20.0
SHORT_SECONDS: Final = 0.2
DRIP_SECONDS: Final = 0.01
# Only what a test shortens can be what ends its connections.
LIMITS: Final = Limits(60, 60, 60, 60, look_every_seconds=0.02)
PAGE: Final = b"x" * 100_000


class Caller:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def drip(self, data: bytes) -> None:
        """Send `data`, one byte at a time, until the other side hangs up."""
        with contextlib.suppress(OSError):
            for number in range(len(data)):
                self.writer.write(data[number : number + 1])
                await self.writer.drain()
                await asyncio.sleep(DRIP_SECONDS)

    async def head_and_body(self) -> tuple[bytes, bytes]:
        """Return the next answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return head, await self.reader.readexactly(length)

    async def until_cut_off(self) -> bytes:
        """Return what still comes until the other side has hung up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read(-1)
            except OSError:
                return b""


@contextlib.asynccontextmanager
async def connected(
    port: int, tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to `port` of this machine, which is to be `name`, and hang up afterwards."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name if tls else None
        )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
