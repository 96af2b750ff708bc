"""A transport that is corked for one turn of the loop, as TCP_CORK corks a socket."""

import asyncio
from typing import Any, Final

# More than this is no answer of one turn; what is under it must see that its reader is slow.
MOST_HELD: Final = 64 * 1024


class Corked(asyncio.Transport):
    """Sends what is written in one turn of the loop in one piece, in the order it was written.

    uvicorn writes the head of an answer and its body apart, and uvloop sends each at once: two
    calls of the system, two packets, two wakings of whoever waits, and over TLS two records.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Send through `transport`."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hold `data` until the turn is over, or there is too much of it."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._size += len(data)
        if self._size > MOST_HELD:
            self._send()

    def close(self) -> None:
        """Send what is held, then close."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close now, whatever is held."""
        self._held, self._size = [], 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Say whether it is closed or about to be."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell what the transport under it does."""
        return self._transport.get_extra_info(name, default)

    def _send(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))
