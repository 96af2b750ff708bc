"""Callers of `/api/v1`: one connection each, one call after the other."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from tests.faults.isolation import socket_in

LONGEST_WAIT_SECONDS: Final = 20.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)


class HungUpError(Exception):
    """The other side is gone: refused, reset, ended or silent for too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole HTTP answer."""

    status: int
    retry_after: str | None
    body: bytes

    @property
    def session(self) -> Mapping[str, Any]:
        """The stay that it tells."""
        session: Mapping[str, Any] = json.loads(self.body)["session"]
        return session


@dataclass(frozen=True, slots=True)
class Door:
    """Where a gateway listens. `network` is a descriptor where that is not our own namespace."""

    port: int
    key: str
    network: int | None = None


class Caller:
    """One open connection."""

    def __init__(
        self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Call through `reader` and `writer`, which lead to `door`."""
        self._door = door
        self._reader = reader
        self._writer = writer

    @classmethod
    async def reach(cls, door: Door) -> Self:
        """Connect to `door`, wherever that is.

        Raises:
            HungUpError: nobody listens.
        """
        own_socket = None if door.network is None else socket_in(door.network)
        try:
            if own_socket:
                loop = asyncio.get_running_loop()
                await loop.sock_connect(own_socket, ("127.0.0.1", door.port))
                streams = await asyncio.open_connection(sock=own_socket)
            else:
                streams = await asyncio.open_connection("127.0.0.1", door.port)
        except OSError as error:
            raise HungUpError(str(error)) from error
        return cls(door, *streams)

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request and wait for its answer.

        Raises:
            HungUpError: there was none, or not the whole of it.
        """
        content = json.dumps(body).encode() if body is not None else b""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._door.port}\r\n"
            f"Authorization: Bearer {self._door.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            self._writer.write(head.encode() + content)
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                return await self._answer()
        except (OSError, EOFError, TimeoutError) as error:
            raise HungUpError(f"{method} {path}: {error!r}") from error

    async def book(self, lot: str, plate: str) -> Answer:
        """Ask for a space for a vehicle that books nowhere else."""
        body = {
            "lot_id": lot,
            "plate": plate,
            "vehicle": {"autonomous": True, "fleet_id": "fleet_faults"},
            "expected_duration_minutes": 60,
        }
        return await self.call("POST", "/api/v1/sessions", body)

    async def end(self, session: str) -> Answer:
        """End a stay."""
        return await self.call("POST", f"/api/v1/sessions/{session}/end", {})

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    async def _answer(self) -> Answer:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length, retry = _LENGTH.search(head), _RETRY_AFTER.search(head)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        return Answer(int(head[9:12]), retry[1].decode() if retry else None, body)
